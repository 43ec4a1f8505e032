/** The switch as a process: VXLAN datagrams of the kernel in and out, orders over the channel to the lab. Ends when the lab does. */
import { createSocket } from 'node:dgram'
import { systemClock, systemRandom } from '../../../src/index.ts'
import { Switch } from './switch.ts'
import { CORE_ADDRESS, SWITCH_ADDRESS, type SwitchOrder, VXLAN_HEADER_BYTES, VXLAN_PORT } from './wire.ts'

const SOCKET_BUFFER_BYTES = 8 * 1024 * 1024
const fabric = new Switch(systemRandom)
const socket = createSocket({ type: 'udp4', recvBufferSize: SOCKET_BUFFER_BYTES, sendBufferSize: SOCKET_BUFFER_BYTES })
let timer: NodeJS.Timeout | undefined

/** The header with the network's number of a host: each host's tunnel has its own. */
const headerFor = (host: number): Uint8Array => Uint8Array.of(0x08, 0, 0, 0, (host >> 16) & 255, (host >> 8) & 255, host & 255, 0)

const deliver = (): void => {
  const now = systemClock.monotonicMs()
  for (let due = fabric.next(now); due !== undefined; due = fabric.next(now))
    socket.send([headerFor(due.to), due.frame], VXLAN_PORT, CORE_ADDRESS, () => {})
  clearTimeout(timer)
  const next = fabric.dueAt()
  timer = next === undefined ? undefined : setTimeout(deliver, Math.max(0, next - now))
}

socket.on('message', (datagram) => {
  if (datagram.length <= VXLAN_HEADER_BYTES) return
  fabric.handle(datagram.readUIntBE(4, 3), datagram.subarray(VXLAN_HEADER_BYTES), systemClock.monotonicMs())
  deliver()
})
socket.bind(VXLAN_PORT, SWITCH_ADDRESS, () => process.send?.({ id: 0, counts: fabric.counts }))

process.on('message', ({ id, plug, lines = [] }: SwitchOrder) => {
  if (plug !== undefined) fabric.plug(plug)
  for (const { from, to, line } of lines) fabric.setLine(from, to, line)
  process.send?.({ id, counts: fabric.counts })
})
process.on('disconnect', () => process.exit())

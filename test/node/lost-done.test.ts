import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Log, LogFields } from '../../src/base/index.ts'
import { getKey, within } from '../mesh/support.ts'
import { InProcess, Recorder } from './support.ts'

const LIMIT_MS = 40_000

describe('a joiner whose Done is lost', () => {
  it('is a member all the same: it shows its credential when it compares tables', async () => {
    const mesh = await InProcess.open()
    let lossy: 'no' | 'from now on' | 'was' = 'no'
    const sockets = new Set<Socket>()
    let memberPort = 0
    // Between the two: takes what the joiner sends once it believes the grant, then breaks that connection; later ones are whole.
    const proxy = createServer((fromJoiner) => {
      const toMember = connect(memberPort, '127.0.0.1')
      for (const socket of [fromJoiner, toMember]) {
        sockets.add(socket)
        socket.on('error', () => {}).on('close', () => sockets.delete(socket))
      }
      toMember.pipe(fromJoiner)
      toMember.on('close', () => fromJoiner.destroy())
      fromJoiner.on('close', () => toMember.destroy())
      fromJoiner.on('data', (bytes) => {
        if (lossy !== 'from now on') return void toMember.write(bytes)
        lossy = 'was'
        toMember.destroy()
      })
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    try {
      const atMember = new Recorder()
      const member = await mesh.first({ log: atMember })
      memberPort = Number(/\/tcp\/(\d+)/.exec(member.addresses()[0]!)![1])
      const recorder = new Recorder()
      const log: Log = {
        ...recorder,
        info: (event: string, fields?: LogFields) => {
          recorder.info(event, fields)
          // Logged before Done is written.
          if (event === 'join.opened' && lossy === 'no') lossy = 'from now on'
        },
        child: () => log,
      }
      const address = `/ip4/127.0.0.1/tcp/${(proxy.address() as AddressInfo).port}`
      const joiner = await mesh.node('joiner', {
        entry: { kind: 'join', cluster: member.status().cluster!, peers: [address], timeoutMs: LIMIT_MS },
        log,
      })
      const known = new Promise<void>((resolve) => {
        member.events.listen((event) => {
          if (event.kind === 'member' && event.change === 'joined') resolve()
        })
      })
      await joiner.start()
      await within(LIMIT_MS, 'the joiner in the table', known)
      assert.equal(lossy, 'was')
      assert.deepEqual(atMember.all('onboard.admitted'), [])
      assert.equal(atMember.all('onboard.sealed').length, 1, 'it joined once')
      assert.ok(member.members().some(({ peerId, state }) => peerId === joiner.status().peerId && state === 'active'))
      assert.equal(await getKey(mesh.socket('first'), 'p'), await getKey(mesh.socket('joiner'), 'p'))
    } finally {
      await mesh.close()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => proxy.close(resolve))
    }
  }).timeout(120_000)
})

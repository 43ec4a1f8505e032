/** Names, numbers and messages that the lab and its switch process share. */
import type { Line } from './switch.ts'

/** The two ends of the cable between the kernel's tunnels and the switch, in namespaces of their own. */
export const CORE_ADDRESS = '10.255.0.1'
export const SWITCH_ADDRESS = '10.255.0.2'
/** VXLAN (RFC 7348): 8 bytes before each frame, the network's number in bytes 4 to 6. */
export const VXLAN_PORT = 4789
export const VXLAN_HEADER_BYTES = 8

export interface LineChange {
  readonly from: number
  readonly to: number
  readonly line: Partial<Line>
}

/** From the lab; each is answered by its `id` when it is in force. */
export interface SwitchOrder {
  readonly id: number
  readonly plug?: number
  readonly lines?: readonly LineChange[]
}

export interface SwitchAnswer {
  readonly id: number
  readonly counts: { readonly passed: number; readonly lost: number; readonly cut: number }
}

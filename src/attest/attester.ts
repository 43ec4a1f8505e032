import type { Collateral } from './dcap/index.ts'

/** One event of RTMR3; its digest is `eventDigest` of it (events.ts). */
export interface TdEvent {
  name: string
  payload: Uint8Array
}

/** What a node needs of the TEE it runs in. */
export interface Attester {
  readonly tee: 'tdx' | 'emulator'
  /** Extends RTMR3 with these events, in order; they are in {@link eventLog} from then on. */
  extend(events: readonly TdEvent[]): Promise<void>
  /** What RTMR3 was extended with, from the start. */
  eventLog(): readonly TdEvent[]
  /** A quote over exactly 64 bytes of report data. */
  quote(reportData: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>
  /** The newest collateral for this machine. */
  collateral(signal?: AbortSignal): Promise<Collateral>
}

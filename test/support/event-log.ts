import { createHash } from 'node:crypto'

/** One event of a boot log made for a test; its digest is SHA-384 of its data unless one is given. */
export interface MadeEvent {
  /** Measurement register index: 0 is MRTD, 1 to 4 are RTMR0 to RTMR3. */
  register: number
  type: number
  data: string
  digest?: Uint8Array
}

const u16 = (value: number): Buffer => Buffer.from(Uint16Array.of(value).buffer)
const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer)

export const digestOf = (data: string): Buffer => createHash('sha384').update(data).digest()

/** "Spec ID Event03", announcing these algorithms and their sizes. */
export const makeSpecId = (algorithms: readonly (readonly [id: number, sizeBytes: number])[] = [[0x0c, 48]]): Buffer => {
  const event = Buffer.concat([
    Buffer.from('Spec ID Event03\0'),
    u32(0),
    Buffer.of(0, 2, 0, 2),
    u32(algorithms.length),
    ...algorithms.flatMap(([id, sizeBytes]) => [u16(id), u16(sizeBytes)]),
    Buffer.of(0),
  ])
  return Buffer.concat([u32(1), u32(3), Buffer.alloc(20), u32(event.length), event])
}

/** Where the digest of each event of {@link makeEventLog} begins. */
export const digestOffsets = (events: readonly MadeEvent[]): number[] => {
  let at = makeSpecId().length
  return events.map(({ data }) => {
    const digestAt = at + 4 + 4 + 4 + 2
    at = digestAt + 48 + 4 + Buffer.byteLength(data)
    return digestAt
  })
}

/** A boot event log with SHA-384 digests, padded with 0xff as firmware does. */
export const makeEventLog = (events: readonly MadeEvent[], options: { paddingBytes?: number } = {}): Buffer =>
  Buffer.concat([
    makeSpecId(),
    ...events.flatMap(({ register, type, data, digest }) => [
      u32(register),
      u32(type),
      u32(1),
      u16(0x0c),
      digest ?? digestOf(data),
      u32(Buffer.byteLength(data)),
      Buffer.from(data),
    ]),
    Buffer.alloc(options.paddingBytes ?? 0, 0xff),
  ])

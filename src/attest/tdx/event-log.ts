import { createHash } from 'node:crypto'
import { equals } from '../../../protocols/wire/bytes.ts'
import { RefusedError } from '../../base/index.ts'
import type { TdBody } from '../dcap/index.ts'

/**
 * The boot event log of a TD, which firmware leaves in the ACPI table CCEL: TCG "PC Client Platform Firmware Profile",
 * crypto-agile format (10.2), with the measurement-register index of UEFI 2.10 (38.4.1) where a TPM has its PCR index:
 * 0 is MRTD, 1 to 4 are RTMR0 to RTMR3. Nothing signs it; it means something only when it replays to the RTMRs of a quote.
 */

/** Tables on real machines are 64 to 256 KiB; what the host offers above this is not read. */
export const EVENT_LOG_LIMIT_BYTES = 16 * 1024 * 1024
/** Real logs hold some dozens of events. */
const EVENTS_MAX = 65_536
/** TCG's own bound on the digests of one event (TPM 2.0 library, HASH_COUNT). */
const ALGORITHMS_MAX = 16

const EV_NO_ACTION = 0x3
const TPM_ALG_SHA384 = 0x000c
const SHA384_BYTES = 48
const SPEC_ID_SIGNATURE = 'Spec ID Event03\0'
const MEASUREMENT_REGISTERS = 5

/** TCG PC Client Platform Firmware Profile 1.06, table 27. */
const EVENT_TYPES: ReadonlyMap<number, string> = new Map([
  [0x0, 'EV_PREBOOT_CERT'],
  [0x1, 'EV_POST_CODE'],
  [EV_NO_ACTION, 'EV_NO_ACTION'],
  [0x4, 'EV_SEPARATOR'],
  [0x5, 'EV_ACTION'],
  [0x6, 'EV_EVENT_TAG'],
  [0x7, 'EV_S_CRTM_CONTENTS'],
  [0x8, 'EV_S_CRTM_VERSION'],
  [0x9, 'EV_CPU_MICROCODE'],
  [0xa, 'EV_PLATFORM_CONFIG_FLAGS'],
  [0xb, 'EV_TABLE_OF_DEVICES'],
  [0xc, 'EV_COMPACT_HASH'],
  [0xd, 'EV_IPL'],
  [0xe, 'EV_IPL_PARTITION_DATA'],
  [0xf, 'EV_NONHOST_CODE'],
  [0x10, 'EV_NONHOST_CONFIG'],
  [0x11, 'EV_NONHOST_INFO'],
  [0x12, 'EV_OMIT_BOOT_DEVICE_EVENTS'],
  [0x13, 'EV_POST_CODE2'],
  [0x8000_0001, 'EV_EFI_VARIABLE_DRIVER_CONFIG'],
  [0x8000_0002, 'EV_EFI_VARIABLE_BOOT'],
  [0x8000_0003, 'EV_EFI_BOOT_SERVICES_APPLICATION'],
  [0x8000_0004, 'EV_EFI_BOOT_SERVICES_DRIVER'],
  [0x8000_0005, 'EV_EFI_RUNTIME_SERVICES_DRIVER'],
  [0x8000_0006, 'EV_EFI_GPT_EVENT'],
  [0x8000_0007, 'EV_EFI_ACTION'],
  [0x8000_0008, 'EV_EFI_PLATFORM_FIRMWARE_BLOB'],
  [0x8000_0009, 'EV_EFI_HANDOFF_TABLES'],
  [0x8000_000a, 'EV_EFI_PLATFORM_FIRMWARE_BLOB2'],
  [0x8000_000b, 'EV_EFI_HANDOFF_TABLES2'],
  [0x8000_000c, 'EV_EFI_VARIABLE_BOOT2'],
  [0x8000_000d, 'EV_EFI_GPT_EVENT2'],
  [0x8000_0010, 'EV_EFI_HCRTM_EVENT'],
  [0x8000_00e0, 'EV_EFI_VARIABLE_AUTHORITY'],
  [0x8000_00e1, 'EV_EFI_SPDM_FIRMWARE_BLOB'],
  [0x8000_00e2, 'EV_EFI_SPDM_FIRMWARE_CONFIG'],
])

export interface BootEvent {
  /** What the event extends; events for MRTD describe the TD's build and extend nothing here. */
  register: 'mrTd' | 'rtmr0' | 'rtmr1' | 'rtmr2' | 'rtmr3'
  type: number
  /** TCG's name of the type, or the number in hex for a type that the specification does not name. */
  name: string
  /** SHA-384, 48 bytes: what the register was extended with. */
  digest: Uint8Array
  /** What firmware says was measured. Not always what was hashed, and always the firmware's word. */
  data: Uint8Array
}

export interface EventLogReplay {
  /** RTMR0 to RTMR3, 48 bytes each. */
  rtmrs: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  events: readonly BootEvent[]
}

const malformed = (what: string): RefusedError =>
  new RefusedError('event_log_malformed', `reading the boot event log (CCEL): ${what}`, {
    next: 'Compare the file with /sys/firmware/acpi/tables/data/CCEL of the TD; a log that was cut or edited cannot be used.',
  })

/** Reads little-endian fields and never past the end. */
class Reader {
  offset = 0
  readonly #view: DataView
  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
  #take(length: number, what: string): number {
    const at = this.offset
    if (length > this.bytes.length - at)
      throw malformed(`${what} at byte ${at} needs ${length} bytes, ${this.bytes.length - at} are left`)
    this.offset = at + length
    return at
  }
  u8(what: string): number {
    return this.#view.getUint8(this.#take(1, what))
  }
  u16(what: string): number {
    return this.#view.getUint16(this.#take(2, what), true)
  }
  u32(what: string): number {
    return this.#view.getUint32(this.#take(4, what), true)
  }
  slice(length: number, what: string): Uint8Array {
    const at = this.#take(length, what)
    return this.bytes.slice(at, at + length)
  }
  /**
   * Whether only padding is left: firmware fills the table with 0xff (EDK II) or zeros. Cheap before any event, whose first
   * twelve bytes (register 0 to 4, type, at least one digest) are never all the same.
   */
  atEnd(): boolean {
    const rest = this.bytes.subarray(this.offset)
    const filler = rest[0]
    if (filler !== 0x00 && filler !== 0xff) return rest.length === 0
    return rest.every((byte) => byte === filler)
  }
}

/** The first event, in the old format, says which digests the others carry. */
const readSpecId = (reader: Reader): Map<number, number> => {
  reader.u32('first event')
  const type = reader.u32('first event')
  if (type !== EV_NO_ACTION) throw malformed(`the first event has type ${type}, expected EV_NO_ACTION`)
  reader.slice(20, 'SHA-1 field of the first event')
  const spec = new Reader(reader.slice(reader.u32('size of the first event'), 'first event'))
  const signature = new TextDecoder('latin1').decode(spec.slice(16, 'signature'))
  if (signature !== SPEC_ID_SIGNATURE) throw malformed('the first event is not a "Spec ID Event03"')
  spec.slice(8, 'platform class and version')
  const count = spec.u32('number of algorithms')
  if (count === 0 || count > ALGORITHMS_MAX) throw malformed(`${count} digest algorithms, expected 1 to ${ALGORITHMS_MAX}`)
  const sizes = new Map<number, number>()
  for (let i = 0; i < count; i++) {
    const algorithm = spec.u16('algorithm')
    const sizeBytes = spec.u16('digest size')
    if (sizes.has(algorithm)) throw malformed(`algorithm ${algorithm} is declared twice`)
    sizes.set(algorithm, sizeBytes)
  }
  if (sizes.get(TPM_ALG_SHA384) !== SHA384_BYTES)
    throw malformed('the log carries no SHA-384 digests, so it cannot belong to RTMRs')
  spec.slice(spec.u8('size of the vendor info'), 'vendor info')
  return sizes
}

/** TCG_PCR_EVENT2. */
const readEvent = (reader: Reader, digestSizes: ReadonlyMap<number, number>): BootEvent => {
  const start = reader.offset
  const index = reader.u32('measurement register')
  if (index >= MEASUREMENT_REGISTERS)
    throw malformed(`event at byte ${start} names measurement register ${index}, expected 0 to 4`)
  const type = reader.u32('event type')
  const count = reader.u32('number of digests')
  if (count > digestSizes.size) throw malformed(`event at byte ${start} has ${count} digests of ${digestSizes.size} algorithms`)
  let digest: Uint8Array | undefined
  for (let i = 0; i < count; i++) {
    const algorithm = reader.u16('digest algorithm')
    const sizeBytes = digestSizes.get(algorithm)
    if (sizeBytes === undefined)
      throw malformed(`event at byte ${start} uses algorithm ${algorithm}, which the log does not declare`)
    const value = reader.slice(sizeBytes, 'digest')
    if (algorithm !== TPM_ALG_SHA384) continue
    if (digest !== undefined) throw malformed(`event at byte ${start} has two SHA-384 digests`)
    digest = value
  }
  if (digest === undefined) throw malformed(`event at byte ${start} has no SHA-384 digest`)
  const data = reader.slice(reader.u32('size of the event data'), 'event data')
  const register = index === 0 ? 'mrTd' : (`rtmr${(index - 1) as 0 | 1 | 2 | 3}` as const)
  return { register, type, name: EVENT_TYPES.get(type) ?? `0x${type.toString(16)}`, digest, data }
}

/**
 * Reads a boot event log and computes the RTMRs that it claims, starting at zeros: RTMR = SHA-384(RTMR ‖ digest).
 * Throws {@link RefusedError} `event_log_malformed` or `event_log_too_large`.
 */
export const replayEventLog = (ccel: Uint8Array): EventLogReplay => {
  if (ccel.length > EVENT_LOG_LIMIT_BYTES) {
    throw new RefusedError(
      'event_log_too_large',
      `reading the boot event log (CCEL): ${ccel.length} bytes, at most ${EVENT_LOG_LIMIT_BYTES} are read`,
    )
  }
  const reader = new Reader(ccel)
  const digestSizes = readSpecId(reader)
  const rtmrs: EventLogReplay['rtmrs'] = [new Uint8Array(48), new Uint8Array(48), new Uint8Array(48), new Uint8Array(48)]
  const events: BootEvent[] = []
  while (!reader.atEnd()) {
    if (events.length >= EVENTS_MAX) throw malformed(`more than ${EVENTS_MAX} events`)
    const event = readEvent(reader, digestSizes)
    events.push(event)
    // EV_NO_ACTION informs; it is not extended (TCG PC Client, 10.4.1).
    if (event.type === EV_NO_ACTION || event.register === 'mrTd') continue
    const rtmr = rtmrs[Number(event.register.slice(4)) as 0 | 1 | 2 | 3]
    rtmr.set(createHash('sha384').update(rtmr).update(event.digest).digest())
  }
  return { rtmrs, events }
}

/**
 * Compares a boot event log with the RTMRs of a quote and gives its events. RTMR3 is left out: the firmware does not use it,
 * the node extends it after boot, and its events are in the evidence (design: keys, "Who is the app?").
 * Throws {@link RefusedError} `event_log_mismatch` besides the codes of {@link replayEventLog}.
 */
export const checkEventLog = (ccel: Uint8Array, quoted: Pick<TdBody, 'rtmr'>): EventLogReplay => {
  const replay = replayEventLog(ccel)
  const wrong = [0, 1, 2].filter((i) => !equals(quoted.rtmr[i]!, replay.rtmrs[i]!)).map((i) => `RTMR${i}`)
  if (wrong.length > 0) {
    throw new RefusedError('event_log_mismatch', `the boot event log does not replay to ${wrong.join(', ')} of the quote`, {
      next: 'Use the event log and the quote of the same TD and the same boot.',
    })
  }
  return replay
}

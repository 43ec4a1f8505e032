/** A modelled trust domain: quotes that a modelled platform signs, collateral with times, and a judge for both. */
import { hash } from 'node:crypto'
import type { Evidence, Expectation, Refused } from '../../protocols/records/index.ts'
import { type Binding, concat, equals, reportData, utf8 } from '../../protocols/wire/index.ts'
import type { AcceptedVerdict, Attester, JudgedTd } from '../../src/attest/index.ts'
import { START_MS, type Timeline } from './time.ts'

type Collateral = Awaited<ReturnType<Attester['collateral']>>

const MEASUREMENT_BYTES = 48
const GOOD_MEASUREMENT = new Uint8Array(MEASUREMENT_BYTES).fill(0x11)
const BAD_MEASUREMENT = new Uint8Array(MEASUREMENT_BYTES).fill(0x99)
const PLATFORM_ID = new Uint8Array(32).fill(0x22)
const REPORT_DATA_BYTES = 64
const BODY_BYTES = MEASUREMENT_BYTES + REPORT_DATA_BYTES
/** Known to platforms alone. */
const PLATFORM_SECRET = utf8('only a platform knows this')

const sha = (algorithm: 'sha256' | 'sha384', bytes: Uint8Array): Uint8Array => Uint8Array.from(hash(algorithm, bytes, 'buffer'))
const platformSignature = (body: Uint8Array): Uint8Array => sha('sha256', concat([PLATFORM_SECRET, body]))

/** Whether the world's quoting and collateral services answer, and until when what they give is valid. */
export interface Services {
  readonly timeline: Timeline
  quotes: boolean
  collateral: boolean
  /** False: honest nodes accept whatever they are shown. Only to see that somebody notices. */
  judges: boolean
  /** How long after its issue collateral is judged by. */
  collateralValidMs: number
}

/** What a quote says, not verified. */
export const readTd = (quote: Uint8Array): { tdDigest: Uint8Array; reportData: Uint8Array } | undefined => {
  if (quote.length !== BODY_BYTES + 32) return undefined
  const body = quote.subarray(0, BODY_BYTES)
  return { tdDigest: sha('sha384', body), reportData: body.subarray(MEASUREMENT_BYTES) }
}

/** What a machine in the world can prove; quotes take a while. */
export class Td implements Attester {
  readonly tee = 'emulator'
  /** Whether the software in it is what the policy admits. */
  admitted = true
  /** Broken for this machine alone. */
  quotes = true
  readonly #services: Services
  readonly #wait: () => Promise<void>
  #collateralMs: number | undefined

  /** @param wait - resolves when a quote is made */
  constructor(services: Services, wait: () => Promise<void>) {
    this.#services = services
    this.#wait = wait
  }

  async extend(): Promise<void> {}
  eventLog(): [] {
    return []
  }

  async quote(data: Uint8Array): Promise<Uint8Array> {
    await this.#wait()
    if (!this.#services.quotes || !this.quotes) throw new Error('no quoting service')
    return this.#quote(data)
  }

  /** The newest that is cached, when the service is out. */
  async collateral(): Promise<Collateral> {
    const { timeline, collateral } = this.#services
    if (collateral) this.#collateralMs = timeline.nowMs
    if (this.#collateralMs === undefined) throw new Error('no collateral')
    return collateralOf(START_MS + Math.floor(this.#collateralMs)) as Collateral
  }

  #quote(data: Uint8Array): Uint8Array {
    const body = concat([this.admitted ? GOOD_MEASUREMENT : BAD_MEASUREMENT, data])
    return concat([body, platformSignature(body)])
  }
}

/** A quote that no platform has signed. */
export const forgedQuote = (binding: Binding): Uint8Array => concat([GOOD_MEASUREMENT, reportData(binding), new Uint8Array(32)])

/** Of all that collateral is, only when it was issued matters here. */
export const collateralOf = (issuedMs: number): NonNullable<Evidence['collateral']> => ({
  pckCrlIssuerChain: 'c',
  rootCaCrl: Uint8Array.of(1),
  pckCrl: Uint8Array.of(1),
  tcbInfoIssuerChain: 'c',
  tcbInfo: String(issuedMs),
  tcbInfoSignature: new Uint8Array(64),
  qeIdentityIssuerChain: 'c',
  qeIdentity: 'q',
  qeIdentitySignature: new Uint8Array(64),
})

/** The policy's judge, with the clock of whoever judges; in the order and with the codes of the real one. */
export const judgeTd =
  (wallMs: () => number, services: Services) =>
  (evidence: Evidence, expected: Expectation): AcceptedVerdict | Refused => {
    const refused = (code: Refused['code']): Refused => ({ accepted: false, code, reasons: [code] })
    const { binding, quote, collateral } = evidence
    if (!services.judges) return VOUCHED
    const { contexts, clusterId, peerId, fields } = expected
    if (!contexts.some((context) => context === binding.context)) return refused('bad_binding')
    if (!equals(binding.fields[0] ?? new Uint8Array(), clusterId)) return refused('bad_binding')
    if (peerId !== undefined && !equals(binding.fields[1] ?? new Uint8Array(), peerId)) return refused('bad_binding')
    if (
      fields !== undefined &&
      !(fields.length === binding.fields.length && fields.every((each, at) => equals(each, binding.fields[at]!)))
    ) {
      return refused('bad_binding')
    }
    const td = readTd(quote)
    if (td === undefined) return refused('quote_invalid')
    if (!equals(td.reportData, reportData(binding))) return refused('bad_binding')
    if (!equals(platformSignature(quote.subarray(0, BODY_BYTES)), quote.subarray(BODY_BYTES))) return refused('quote_invalid')
    if (!equals(quote.subarray(0, MEASUREMENT_BYTES), GOOD_MEASUREMENT)) return refused('measurement_unacceptable')
    const issuedMs = Number(collateral?.tcbInfo)
    if (!Number.isFinite(issuedMs)) return refused('collateral_missing')
    // Now is never earlier than what has been verified says.
    if (Math.max(wallMs(), issuedMs) - issuedMs > services.collateralValidMs) return refused('collateral_expired')
    return { accepted: true, judged: { ...JUDGED, tdDigest: td.tdDigest }, warnings: [] }
  }

/** The rest of a verdict; the same for all modelled machines. */
const JUDGED = {
  td: {
    mrTd: GOOD_MEASUREMENT,
    rtmr: [GOOD_MEASUREMENT],
    mrConfigId: GOOD_MEASUREMENT,
    mrOwner: GOOD_MEASUREMENT,
    mrOwnerConfig: GOOD_MEASUREMENT,
  },
  apps: [],
  platformId: PLATFORM_ID,
  tcbStatus: 'UpToDate',
  tcbEvaluationDataNumber: 17,
} as unknown as Omit<JudgedTd, 'tdDigest'>

/** What a member that turned says of itself. */
export const VOUCHED: AcceptedVerdict = {
  accepted: true,
  judged: { ...JUDGED, tdDigest: new Uint8Array(48) },
  warnings: [],
}

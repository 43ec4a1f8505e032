import { createHash } from 'node:crypto'
import type { Evidence } from '../../protocols/records/evidence.ts'
import type { Binding } from '../../protocols/wire/report-data.ts'
import { reportData } from '../../protocols/wire/report-data.ts'
import type { Attester } from '../../src/attest/attester.ts'
import type { Collateral } from '../../src/attest/dcap/index.ts'
import {
  createEmulatedPki,
  createEmulatedTd,
  type EmulatedPki,
  type EmulatedPlatform,
  type Measurements,
  type QuoteFields,
} from '../../src/attest/emulator/index.ts'
import { type AppIdentity, tdEvents } from '../../src/attest/events.ts'
import { type Policy, type PolicyDocument, parsePolicy } from '../../src/attest/policy/index.ts'
import { type Clock, systemClock } from '../../src/base/index.ts'

export const NOW_MS = Date.UTC(2026, 5, 1, 12)
export const DAY_MS = 86_400_000

/** A clock that only the test moves; what waits for it waits for ever. */
export class ManualClock implements Clock {
  constructor(
    public wallMs = NOW_MS,
    public elapsedMs = 0,
  ) {}
  now = (): number => this.wallMs
  monotonicMs = (): number => this.elapsedMs
  sleep = systemClock.sleep
  deadline = systemClock.deadline
}

/** `length` bytes of value `value`. */
export const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
export const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex')

/** Measurements of an image that nobody built. */
export const MEASUREMENTS: Measurements = { mrTd: bytes(48, 1), rtmr0: bytes(48, 2), rtmr1: bytes(48, 3), rtmr2: bytes(48, 4) }

/** An app whose id is what its compose file hashes to. */
export const appOf = (composeFile: string): AppIdentity => {
  const composeHash = Uint8Array.from(createHash('sha256').update(composeFile).digest())
  return { appId: composeHash.slice(0, 20), composeHash, instanceId: new Uint8Array(0) }
}

/** The policy that TDs of {@link MEASUREMENTS} on machines of `pki` meet. */
export const policyFor = (pki: EmulatedPki, changes: Partial<PolicyDocument> = {}): Policy =>
  parsePolicy(
    JSON.stringify({
      version: 1,
      roots: [pki.rootName],
      tee: ['tdx'],
      measurements: [{ mrTd: hex(MEASUREMENTS.mrTd), rtmr1: hex(MEASUREMENTS.rtmr1), rtmr2: hex(MEASUREMENTS.rtmr2) }],
      ...changes,
    }),
  )

let shared: EmulatedPki | undefined
/** One emulated Intel for all tests that do not need their own: keys are dear. */
export const sharedPki = (): EmulatedPki => {
  shared ??= createEmulatedPki({ nowMs: NOW_MS })
  return shared
}

export interface EmulatedNode {
  readonly attester: Attester
  readonly platform: EmulatedPlatform
  /** Evidence over this binding, with fresh collateral unless other is given. */
  evidence(binding: Binding, collateral?: Collateral): Promise<Evidence>
}

/** A TD that has extended RTMR3 as a node does, ready to quote. */
export const emulatedNode = async (options: {
  clusterId: Uint8Array
  pki?: EmulatedPki
  platform?: EmulatedPlatform
  apps?: readonly AppIdentity[]
  measurements?: Measurements
  clock?: Clock
  /** Whatever its quotes are to say otherwise. */
  quoteFields?: QuoteFields
}): Promise<EmulatedNode> => {
  const pki = options.pki ?? sharedPki()
  const platform = options.platform ?? pki.platform()
  const attester = createEmulatedTd({
    pki,
    platform,
    measurements: options.measurements ?? MEASUREMENTS,
    clock: options.clock ?? new ManualClock(),
    ...(options.quoteFields === undefined ? {} : { quoteFields: options.quoteFields }),
  })
  await attester.extend(tdEvents(options.apps ?? [appOf('services: {}')], options.clusterId))
  return {
    attester,
    platform,
    async evidence(binding, collateral) {
      return {
        quote: await attester.quote(reportData(binding)),
        collateral: (collateral ?? (await attester.collateral())) as NonNullable<Evidence['collateral']>,
        eventLog: attester.eventLog() as Evidence['eventLog'],
        binding,
      }
    },
  }
}

/** What Prometheus is told of one node. Loaded only where metrics are asked for: prom-client costs memory. */
import { Registry } from 'prom-client'
import type { Collateral } from '../../../protocols/records/index.ts'
import { type CollateralDates, collateralDates } from '../../attest/index.ts'
import type { Clock } from '../../base/index.ts'
import type { NodeEvent, NodeEvents } from '../events.ts'
import type { MemberStatus, NodeState, NodeStatus } from '../status.ts'
import { Instrument, type LabelsOf, NONE } from './instruments.ts'
import { type LibraryMetrics, libraryMetrics } from './libp2p.ts'
import { processRegistry } from './process.ts'
import { SERIES, type SeriesName } from './series.ts'

/** Read at each scrape. */
export interface MetricsSource {
  status(): NodeStatus
  /** Of this node's credential; undefined while it is no member. Negative since it ran out. */
  remainingMs(): number | undefined
  /** The newest that this node judges by. */
  collateral(): Collateral | undefined
}

export interface MetricsInit {
  readonly source: MetricsSource
  readonly events: NodeEvents
  readonly clock: Clock
  /** Of this program. */
  readonly version: string
}

/** How an app's request was answered. */
export interface AnsweredRequest {
  readonly app: string
  /** The pattern that matched, never the path that was asked for; undefined: none did. */
  readonly route: string | undefined
  readonly status: number
  readonly ms: number
}

export interface Rendered {
  readonly contentType: string
  readonly body: string
}

interface Latest {
  readonly text: Promise<Rendered>
  /** On the monotonic clock; undefined while it is being made. */
  sinceMs?: number
}

/** Whoever asks again sooner gets the same text: scrapes cannot keep the node busy. */
const FRESH_MS = 1_000
/** Alarms, and members that one alarm is counted for. */
const REMEMBERED_MAX = 1_024

const STATES: readonly NodeState[] = ['starting', 'anchoring', 'joining', 'member', 'lapsed', 'stopped']
const MEMBER_STATES: readonly MemberStatus['state'][] = ['self', 'active', 'unreachable', 'leaving', 'lapsed']
const NO_LABELS = {}

type Instruments = { readonly [K in SeriesName]: Instrument<(typeof SERIES)[K]> }

const instruments = (registry: Registry): Instruments =>
  Object.fromEntries(Object.entries(SERIES).map(([key, series]) => [key, new Instrument(series, registry)])) as Instruments

/** One node's series, counted from its events and read from its status at each scrape. */
export class NodeMetrics {
  readonly #init: MetricsInit
  /** Its own: a process may hold several nodes, and a program around them its own metrics. */
  readonly #registry = new Registry()
  readonly #series = instruments(this.#registry)
  readonly #library: LibraryMetrics = libraryMetrics()
  readonly #alarms = new Map<string, Set<string>>()
  #dates: { collateral: Collateral; dates: CollateralDates | undefined } | undefined
  readonly #stopListening: () => void
  /** The newest text, and since when there is one. */
  #latest: Latest | undefined

  constructor(init: MetricsInit) {
    this.#init = init
    for (const outcome of ['admitted', 'refused', 'failed']) this.#series.joins.announce({ outcome, code: NONE })
    this.#stopListening = init.events.listen((event) => this.#note(event))
  }

  /** libp2p's `metrics` option. */
  get libp2p(): LibraryMetrics['service'] {
    return this.#library.service
  }

  answered({ app, route = NONE, status, ms }: AnsweredRequest): void {
    this.#series.requests.count({ app, route, status: String(status) })
    this.#series.requestTime.observe({ route }, ms / 1000)
  }

  /** Prometheus's text format. One at a time, shared by all who ask meanwhile and for a while after. */
  render(): Promise<Rendered> {
    const { clock } = this.#init
    const { text, sinceMs = clock.monotonicMs() } = this.#latest ?? {}
    if (text !== undefined && clock.monotonicMs() - sinceMs < FRESH_MS) return text
    const latest: Latest = { text: this.#render() }
    this.#latest = latest
    latest.text.then(
      () => {
        latest.sinceMs = clock.monotonicMs()
      },
      () => {
        this.#latest = undefined
      },
    )
    return latest.text
  }

  stop(): void {
    this.#stopListening()
  }

  async #render(): Promise<Rendered> {
    this.#sample()
    const texts = [this.#registry, this.#library.registry, processRegistry()].map((registry) => registry.metrics())
    return { contentType: this.#registry.contentType, body: (await Promise.all(texts)).filter((text) => text !== '').join('\n') }
  }

  #note(event: NodeEvent): void {
    const series = this.#series
    switch (event.kind) {
      case 'join':
        series.joins.count({ outcome: event.outcome, code: event.code ?? NONE })
        break
      case 'judged':
        series.judging.observe({ accepted: event.accepted ? 'yes' : 'no' }, event.ms / 1000)
        break
      case 'member':
        series.memberChanges.count({ change: event.change })
        break
      case 'challenge':
        series.challenges.count({ side: event.side, outcome: event.outcome })
        break
      case 'gossip':
        series.gossip.count({ message: event.message, verdict: event.verdict, fault: event.fault ?? NONE })
        break
      case 'renewed':
        series.renewals.count({ issuer: event.selfIssued ? 'self' : 'member' })
        break
      case 'alarm':
        this.#alarm(event)
    }
  }

  #alarm({ alarm, on, peerId, about: what = '' }: Extract<NodeEvent, { kind: 'alarm' }>): void {
    const about = this.#alarms.get(alarm) ?? new Set<string>()
    const subject = peerId ?? what
    if (!on) about.delete(subject)
    else if (about.size < REMEMBERED_MAX) about.add(subject)
    // An alarm that was on once keeps its series, with zero.
    if (this.#alarms.size < REMEMBERED_MAX) this.#alarms.set(alarm, about)
  }

  #sample(): void {
    const { source, version, clock } = this.#init
    const series = this.#series
    const status = source.status()
    series.build.set([{ labels: { version, node: process.versions.node }, value: 1 }])
    series.state.set(STATES.map((state) => ({ labels: { state }, value: Number(state === status.state) })))
    series.cluster.set(status.cluster === null ? [] : [{ labels: clusterFacts(status), value: 1 }])
    series.insecure.set(status.policy === null ? [] : [{ labels: NO_LABELS, value: Number(status.policy.insecure) }])
    const inState = (state: MemberStatus['state']) => status.members.filter((member) => member.state === state).length
    series.members.set(MEMBER_STATES.map((state) => ({ labels: { state }, value: inState(state) })))
    series.apps.set([{ labels: NO_LABELS, value: status.apps.length }])
    series.alarms.set([...this.#alarms].map(([alarm, about]) => ({ labels: { alarm }, value: about.size })))
    series.credential.set(inSeconds(source.remainingMs()))
    const collateral = source.collateral()
    const dates = collateral === undefined ? undefined : this.#datesOf(collateral)
    series.collateralAge.set(inSeconds(dates === undefined ? undefined : clock.now() - dates.issuedAtMs))
    series.collateralRemaining.set(inSeconds(dates === undefined ? undefined : dates.nextUpdateMs - clock.now()))
    series.evaluation.set(dates === undefined ? [] : [{ labels: NO_LABELS, value: dates.tcbEvaluationDataNumber }])
  }

  /** Read once for each collateral. */
  #datesOf(collateral: Collateral) {
    if (this.#dates?.collateral !== collateral) this.#dates = { collateral, dates: collateralDates(collateral) }
    return this.#dates.dates
  }
}

const inSeconds = (ms: number | undefined) => (ms === undefined ? [] : [{ labels: NO_LABELS, value: ms / 1000 }])

const clusterFacts = ({ cluster, policy, tee, witness, proof }: NodeStatus): LabelsOf<typeof SERIES.cluster> => ({
  cluster: cluster ?? NONE,
  policy: policy?.hash ?? NONE,
  tee: tee ?? NONE,
  witness,
  proof: proof ?? NONE,
})

/** prom-client's instruments behind the table of series: what no rule of a label allows cannot get in. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { LabelRule, Series } from './series.ts'

const OTHER = 'other'
/** Where there is nothing to say: a join without a refusal, a request that no route matched. */
export const NONE = 'none'

/** The values of one label that a series has taken so far. */
class Label {
  readonly #seen = new Set<string>([NONE])
  constructor(readonly rule: LabelRule) {}

  of(value: string): string {
    if (this.#seen.has(value)) return value
    if (this.#seen.size > this.rule.distinctMax || !this.rule.like.test(value)) return OTHER
    this.#seen.add(value)
    return value
  }
}

type Values = Readonly<Record<string, string>>
export type LabelsOf<S extends Series> = Readonly<Record<keyof S['labels'] & string, string>>

/** One series of a node. */
export class Instrument<S extends Series> {
  readonly #labels: readonly (readonly [string, Label])[]
  readonly #made: Counter | Gauge | Histogram

  constructor(series: S, registry: Registry) {
    const { name, help } = series
    this.#labels = Object.entries(series.labels).map(([label, rule]) => [label, new Label(rule)] as const)
    const options = { name, help, labelNames: Object.keys(series.labels), registers: [registry] }
    if (series.kind === 'counter') this.#made = new Counter(options)
    else if (series.kind === 'gauge') this.#made = new Gauge(options)
    else this.#made = new Histogram({ ...options, buckets: [...(series.buckets ?? [])] })
    if (this.#made instanceof Gauge) this.#clear(this.#made)
  }

  /** A counter goes up by one. */
  count(labels: LabelsOf<S>): void {
    if (this.#made instanceof Counter) this.#made.inc(this.#allowed(labels))
  }

  /** A counter exists from now on, with zero: what was never counted cannot be told from what is not there. */
  announce(labels: LabelsOf<S>): void {
    if (this.#made instanceof Counter) this.#made.inc(this.#allowed(labels), 0)
  }

  /** A histogram takes in a duration. */
  observe(labels: LabelsOf<S>, seconds: number): void {
    if (this.#made instanceof Histogram && Number.isFinite(seconds))
      this.#made.observe(this.#allowed(labels), Math.max(0, seconds))
  }

  /** A gauge's whole content; what is not finite is left out. */
  set(samples: readonly { readonly labels: LabelsOf<S>; readonly value: number }[]): void {
    if (!(this.#made instanceof Gauge)) return
    this.#clear(this.#made)
    const sums = new Map<string, { labels: Values; value: number }>()
    for (const { labels, value } of samples) {
      if (!Number.isFinite(value)) continue
      const allowed = this.#allowed(labels)
      const key = Object.values(allowed).join('\n')
      sums.set(key, { labels: allowed, value: (sums.get(key)?.value ?? 0) + value })
    }
    for (const { labels, value } of sums.values()) this.#made.set(labels, value)
  }

  /** Without labels a reset alone leaves a zero behind that nobody measured. */
  #clear(gauge: Gauge): void {
    gauge.reset()
    if (this.#labels.length === 0) gauge.remove()
  }

  #allowed(labels: Values): Record<string, string> {
    return Object.fromEntries(this.#labels.map(([name, label]) => [name, label.of(labels[name] ?? NONE)]))
  }
}

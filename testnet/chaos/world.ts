/** What a scenario that is played has: the lab, and what its steps hand to later ones. */
import { messageOf, systemClock } from '../../src/index.ts'
import type { Lab, LabNode, LogLine } from './lab/index.ts'

const LOOK_EVERY_MS = 100

/** What a step expected and what it saw. */
export interface Finding {
  readonly expected: string
  readonly seen: string
  readonly ok: boolean
}

export class World {
  readonly findings: Finding[] = []
  /** Fingerprint of the key that the first app of this scenario got: every later one must get the same. */
  keyFingerprint: string | undefined
  /** Flags of whoever makes a cluster, where a step has made a policy. */
  policyFlags: readonly string[] = []
  /** Whom the newest trap killed, and at which event of its log. */
  trap: { readonly node: LabNode; readonly event: string } | undefined
  /** What is told each line of a host's nodes, of those to come as well. */
  readonly #watchers = new Map<string, Set<(line: LogLine, node: LabNode) => void>>()
  /** Work that goes on while later steps are played; each function ends one. */
  readonly #background: (() => Promise<void>)[] = []

  constructor(readonly lab: Lab) {}

  /** To be called for each node that a step starts. */
  started(node: LabNode): void {
    node.onLog((line) => {
      for (const watcher of this.#watchers.get(node.name) ?? []) watcher(line, node)
    })
  }

  watch(host: string, watcher: (line: LogLine, node: LabNode) => void): () => void {
    const watchers = this.#watchers.get(host) ?? new Set()
    this.#watchers.set(host, watchers.add(watcher))
    return () => watchers.delete(watcher)
  }

  inBackground(end: () => Promise<void>): void {
    this.#background.push(end)
  }

  async endBackground(): Promise<void> {
    for (let end = this.#background.pop(); end !== undefined; end = this.#background.pop()) await end()
  }

  found(expected: string, seen: string, ok = true): void {
    this.findings.push({ expected, seen, ok })
  }

  /**
   * Looks until `look` finds nothing wrong any more. `look` gives what it saw and whether that is right; throwing is wrong, too.
   */
  async until(expected: string, withinMs: number, look: () => Promise<{ seen: string; ok: boolean }>): Promise<void> {
    const start = systemClock.monotonicMs()
    for (;;) {
      const { seen, ok } = await look().catch((error) => ({ seen: messageOf(error), ok: false }))
      const ms = systemClock.monotonicMs() - start
      if (ok) return this.found(`${expected} within ${seconds(withinMs)}`, `${seen} after ${seconds(ms)}`)
      if (ms > withinMs) return this.found(`${expected} within ${seconds(withinMs)}`, seen, false)
      await systemClock.sleep(LOOK_EVERY_MS)
    }
  }
}

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`
export const megabytes = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MB`

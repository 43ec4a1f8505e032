/**
 * What a mesh costs, measured on real processes of the built CLI on this machine, all on one loopback address:
 *   converge   from the last node's readiness until every table is complete
 *   notice     from `kill -9` of a member until every other one holds it for unreachable
 *   rest       bytes a second written to sockets and processor share, a member, while nothing happens; false accusations
 * `npm run bench:mesh [-- --nodes 3,10,25 --kills 5 --between 10 --rest 60 --settle 10 --traffic --json]`; also writes .bench/mesh.json.
 * `--between` seconds pass before each kill, `--settle` seconds before rest is measured; `--traffic` tells what the bytes at rest are for (bench/traffic.mjs).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/index.ts'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '3,10,25' },
    kills: { type: 'string', default: '5' },
    between: { type: 'string', default: '10' },
    rest: { type: 'string', default: '60' },
    settle: { type: 'string', default: '10' },
    traffic: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const sizes = values.nodes.split(',').map(Number)
const restMs = Number(values.rest) * 1_000
const LIMIT_MS = 180_000
/** A table that is complete stays so: what a process says about its last member comes within this. */
const LOOK_MS = 50
/** Joins at once: more would measure this machine's cores. */
const STARTING_AT_ONCE = 2
const CLOCK_TICKS_PER_SECOND = 100

const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!
}
const progress = (text: string): void => void (values.json || process.stderr.write(`${text}\n`))

/** Sums since a member began, by what they are for. */
type Counts = Record<string, { bytes: number; frames: number }>

interface Line {
  event: string
  peer?: string
  atMs: number
}

/** Ended with this process, however that ends. */
const running = new Set<ChildProcess>()
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    for (const child of running) child.kill('SIGKILL')
    process.exit(code)
  })
}

class MemberProcess {
  readonly child: ChildProcess
  readonly lines: Line[] = []
  readonly counts: { atMs: number; counts: Counts }[] = []
  readonly ready: Promise<{ peerId: string; cluster: string; addresses: string[] }>
  peerId = ''
  readyMs = 0
  logBytes = 0

  constructor(folder: string, name: string, flags: readonly string[]) {
    const own = ['--data-dir', join(folder, name), '--socket', join(folder, `${name}.sock`), '--listen', '/ip4/127.0.0.1/tcp/0']
    const common = [
      '--tee',
      'emulator',
      '--emulator-root',
      join(folder, 'root.json'),
      '--anchor',
      `file:${join(folder, 'anchor')}`,
    ]
    const counting = values.traffic ? ['--import', './bench/traffic.mjs'] : []
    const args = [...counting, 'bin/dstack-mesh.js', 'up', '--json', '--status-listen', 'none', ...common, ...own, ...flags]
    this.child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } })
    running.add(this.child)
    this.child.once('exit', () => running.delete(this.child))
    createInterface({ input: this.child.stderr! }).on('line', (text) => {
      this.logBytes += text.length + 1
      const { event, peer, time, counts } = JSON.parse(text) as { event: string; peer?: string; time: string; counts?: Counts }
      if (counts !== undefined) this.counts.push({ atMs: Date.parse(time), counts })
      this.lines.push({ event, atMs: Date.parse(time), ...(peer !== undefined && { peer }) })
    })
    this.ready = once(createInterface({ input: this.child.stdout! }), 'line').then(([line]) => {
      const status = JSON.parse(line as string) as { peerId: string; cluster: string; addresses: string[] }
      this.peerId = status.peerId
      this.readyMs = systemClock.now()
      return status
    })
  }

  /** When the table became complete: the last of `others` that it learned of. */
  completeAtMs(others: readonly string[]): number | undefined {
    const learned = others.map((peer) => this.lines.find((line) => line.event === 'member.joined' && line.peer === peer)?.atMs)
    return learned.includes(undefined) ? undefined : Math.max(this.readyMs, ...(learned as number[]))
  }

  unreachableAtMs(peer: string, sinceMs: number): number | undefined {
    return this.lines.find((line) => line.event === 'member.unreachable' && line.peer === peer && line.atMs >= sinceMs)?.atMs
  }

  accusations(sinceMs: number): number {
    return this.lines.filter(({ event, atMs }) => event === 'member.unreachable' && atMs >= sinceMs).length
  }

  /** Processor time in milliseconds, and bytes written but for the log's. */
  async used(): Promise<{ cpuMs: number; bytes: number }> {
    const stat = (await readFile(`/proc/${this.child.pid}/stat`, 'utf8')).split(') ')[1]!.split(' ')
    const io = await readFile(`/proc/${this.child.pid}/io`, 'utf8')
    const written = Number(/^wchar: (\d+)/m.exec(io)![1])
    return { cpuMs: ((Number(stat[11]) + Number(stat[12])) * 1_000) / CLOCK_TICKS_PER_SECOND, bytes: written - this.logBytes }
  }

  /** Bytes and frames a second between the first and the last time that it told of them in those milliseconds. */
  traffic(fromMs: number, untilMs: number): Counts {
    const told = this.counts.filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs)
    const [first, last] = [told[0], told.at(-1)]
    if (first === undefined || last === undefined || first === last) return {}
    const seconds = (last.atMs - first.atMs) / 1_000
    const perSecond = ([kind, { bytes, frames }]: [string, Counts[string]]) => {
      const before = first.counts[kind] ?? { bytes: 0, frames: 0 }
      return [kind, { bytes: (bytes - before.bytes) / seconds, frames: (frames - before.frames) / seconds }] as const
    }
    return Object.fromEntries(Object.entries(last.counts).map(perSecond))
  }

  async residentMb(): Promise<number> {
    return Number(/^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${this.child.pid}/status`, 'utf8'))![1]) / 1024
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await ended
  }
}

const settle = async <T>(what: string, look: () => T | undefined): Promise<T> => {
  const sinceMs = systemClock.monotonicMs()
  for (;;) {
    const seen = look()
    if (seen !== undefined) return seen
    if (systemClock.monotonicMs() - sinceMs > LIMIT_MS) throw new Error(`${what} took longer than ${LIMIT_MS} ms`)
    await systemClock.sleep(LOOK_MS)
  }
}

/** The most first. */
const meanTraffic = (members: readonly Counts[]): [string, Counts[string]][] => {
  const kinds = new Set(members.flatMap((counts) => Object.keys(counts)))
  const mean = (kind: string, of: 'bytes' | 'frames'): number =>
    Number((members.reduce((sum, counts) => sum + (counts[kind]?.[of] ?? 0), 0) / members.length).toFixed(2))
  return [...kinds]
    .map((kind): [string, Counts[string]] => [kind, { bytes: mean(kind, 'bytes'), frames: mean(kind, 'frames') }])
    .sort(([, a], [, b]) => b.bytes - a.bytes)
}

const measure = async (count: number) => {
  const folder = await mkdtemp(join(tmpdir(), 'dstack-bench-'))
  const members: MemberProcess[] = []
  try {
    const first = new MemberProcess(folder, 'n0', ['--new'])
    members.push(first)
    const { cluster, addresses } = await first.ready
    const peers = addresses.flatMap((address) => ['--peer', address])
    let started = 1
    const startNext = async (): Promise<void> => {
      while (started < count) {
        const member = new MemberProcess(folder, `n${started++}`, ['--cluster', cluster, ...peers])
        members.push(member)
        await member.ready
      }
    }
    await Promise.all(Array.from({ length: STARTING_AT_ONCE }, startNext))
    const lastReadyMs = Math.max(...members.map(({ readyMs }) => readyMs))
    const complete = await settle('complete tables', () => {
      const times = members.map((member) =>
        member.completeAtMs(members.filter((other) => other !== member).map(({ peerId }) => peerId)),
      )
      return times.includes(undefined) ? undefined : (times as number[])
    })
    const convergedMs = Math.max(0, Math.max(...complete) - lastReadyMs)
    progress(`${count} nodes: tables complete ${convergedMs} ms after the last join`)

    // What starting left to do is over.
    await systemClock.sleep(Number(values.settle) * 1_000)
    const before = await Promise.all(members.map((member) => member.used()))
    const restSinceMs = systemClock.now()
    await systemClock.sleep(restMs)
    const after = await Promise.all(members.map((member) => member.used()))
    const seconds = (systemClock.now() - restSinceMs) / 1_000
    const bytes = after.map((used, i) => (used.bytes - before[i]!.bytes) / seconds)
    const cpu = after.map((used, i) => (used.cpuMs - before[i]!.cpuMs) / seconds / 10)
    const falselyAccused = members.reduce((sum, member) => sum + member.accusations(restSinceMs), 0)
    const residentMb = await Promise.all(members.map((member) => member.residentMb()))
    progress(`${count} nodes: ${Math.round(quantile(bytes, 0.5))} B/s, ${quantile(cpu, 0.5).toFixed(2)} % a member at rest`)
    const traffic = meanTraffic(members.map((member) => member.traffic(restSinceMs, systemClock.now())))
    for (const [kind, { bytes, frames }] of traffic) {
      progress(`  ${kind.padEnd(32)}${bytes.toFixed(0).padStart(6)} B/s${frames.toFixed(2).padStart(8)} frames/s`)
    }

    const noticed: number[] = []
    const kills = Math.min(Number(values.kills), count - 2)
    for (let i = 0; i < kills; i++) {
      // Each death by itself: all processes share these cores, and what one death makes them do would slow the next down.
      await systemClock.sleep(Number(values.between) * 1_000)
      const victim = members.splice(1 + (i % (members.length - 1)), 1)[0]!
      const killedMs = systemClock.now()
      await victim.kill()
      const times = await settle('noticing a kill', () => {
        const seen = members.map((member) => member.unreachableAtMs(victim.peerId, killedMs))
        return seen.includes(undefined) ? undefined : (seen as number[])
      })
      noticed.push(...times.map((atMs) => atMs - killedMs))
    }
    const round = (value: number, digits = 0): number => Number(value.toFixed(digits))
    return {
      nodes: count,
      convergedMs,
      noticeMs:
        kills === 0 ? null : { kills, p50: quantile(noticed, 0.5), p99: quantile(noticed, 0.99), max: Math.max(...noticed) },
      rest: {
        seconds: round(seconds),
        bytesPerSecond: { p50: round(quantile(bytes, 0.5)), max: round(Math.max(...bytes)) },
        cpuPercent: { p50: round(quantile(cpu, 0.5), 2), max: round(Math.max(...cpu), 2) },
        residentMb: round(quantile(residentMb, 0.5)),
        falseAccusations: falselyAccused,
        ...(values.traffic && { traffic: Object.fromEntries(traffic) }),
      },
    }
  } finally {
    await Promise.all(members.map((member) => member.kill()))
    await rm(folder, { recursive: true, force: true })
  }
}

const results: Awaited<ReturnType<typeof measure>>[] = []
for (const count of sizes) results.push(await measure(count))
const report = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, results }
await mkdir('.bench', { recursive: true })
await writeFile('.bench/mesh.json', `${JSON.stringify(report, null, 2)}\n`)
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
else {
  process.stdout.write(`${report.cpu}, ${report.cores} cores, Node ${report.node}\n`)
  process.stdout.write('nodes  converged  noticed p50/p99     B/s p50/max   cpu % p50   MB   false accusations\n')
  for (const { nodes, convergedMs, noticeMs, rest } of results) {
    const notice = noticeMs === null ? '-' : `${noticeMs.p50}/${noticeMs.p99} ms`
    process.stdout.write(
      `${String(nodes).padEnd(7)}${`${convergedMs} ms`.padEnd(11)}${notice.padEnd(20)}${`${rest.bytesPerSecond.p50}/${rest.bytesPerSecond.max}`.padEnd(14)}${String(rest.cpuPercent.p50).padEnd(12)}${String(rest.residentMb).padEnd(5)}${rest.falseAccusations}\n`,
    )
  }
}

/**
 * What a join costs, measured on this machine:
 *   exchange   from dial to keyring over loopback TCP, in one warm process for both sides, all checks of both sides
 *   start      from spawning the built CLI to its app socket answering
 *   memory     resident set of an idle member
 * `npm run bench:join [-- --joins 200 --starts 10 --json]`; also writes .bench/join.json.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { createEmulatedPki, createEmulatedTd, measureProgram } from '../src/attest/emulator/index.ts'
import { createNode, type MeshNode, silentLog, systemClock } from '../src/index.ts'

const { values } = parseArgs({
  options: {
    joins: { type: 'string', default: '200' },
    starts: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
})
const joins = Number(values.joins)
const starts = Number(values.starts)
const WARM_UP = 10
const IDLE_MS = 3_000

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!
const summary = (times: readonly number[]) => {
  const sorted = [...times].sort((a, b) => a - b)
  const round = (ms: number): number => Math.round(ms * 10) / 10
  return {
    runs: sorted.length,
    p50: round(quantile(sorted, 0.5)),
    p99: round(quantile(sorted, 0.99)),
    max: round(sorted.at(-1)!),
  }
}

// Once: a join measures the exchange, not the disk.
const measurements = await measureProgram()
const folder = await mkdtemp(join(tmpdir(), 'dstack-bench-'))

const node = async (
  name: string,
  entry: Parameters<typeof createNode>[0]['entry'],
  pki: ReturnType<typeof createEmulatedPki>,
  log = silentLog,
) =>
  createNode({
    entry,
    dataDir: join(folder, name),
    apps: [{ name: 'app', socket: { path: join(folder, `${name}.sock`) } }],
    listen: ['/ip4/127.0.0.1/tcp/0'],
    attester: createEmulatedTd({ pki, measurements, clock: systemClock }),
    log,
  })

/** From `join.dialing` to `join.opened`, as the joiner logs them. */
const timeJoin = async (index: number, pki: ReturnType<typeof createEmulatedPki>, onboarder: MeshNode): Promise<number> => {
  let dialing = 0
  let opened = 0
  const note = (event: string): void => {
    if (event === 'join.dialing') dialing = performance.now()
    if (event === 'join.opened') opened = performance.now()
  }
  const log = { ...silentLog, info: note, child: () => log }
  const { cluster } = onboarder.status()
  const joiner = await node(`j${index}`, { kind: 'join', cluster: cluster!, peers: onboarder.addresses() }, pki, log)
  await joiner.start()
  await joiner.stop()
  return opened - dialing
}

const benchExchange = async () => {
  const pki = createEmulatedPki({ nowMs: systemClock.now() })
  const onboarder = await node('first', { kind: 'new' }, pki)
  await onboarder.start()
  const times: number[] = []
  for (let i = 0; i < WARM_UP + joins; i++) {
    const ms = await timeJoin(i, pki, onboarder)
    if (i >= WARM_UP) times.push(ms)
  }
  await onboarder.stop()
  return summary(times)
}

/** Spawns the built CLI as its user would run it; resolves when the app socket is there. */
const benchStart = async () => {
  const times: number[] = []
  let memoryMb = 0
  for (let i = 0; i <= starts; i++) {
    const dataDir = join(folder, `s${i}`)
    const flags = ['--new', '--tee', 'emulator', '--emulator-root', join(folder, 'root.json'), '--listen', '/ip4/127.0.0.1/tcp/0']
    const begin = performance.now()
    const child = spawn(
      process.execPath,
      ['bin/dstack-mesh.js', 'up', '--json', '--data-dir', dataDir, '--socket', join(folder, `s${i}.sock`), ...flags],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    )
    await once(createInterface({ input: child.stdout }), 'line')
    // The first start makes the root, and has the files read from the disk.
    if (i > 0) times.push(performance.now() - begin)
    if (i === starts) {
      await systemClock.sleep(IDLE_MS)
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
      memoryMb = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024)
    }
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  return { startMs: summary(times), idleMemoryMb: memoryMb }
}

try {
  const exchangeMs = await benchExchange()
  const started = await benchStart()
  const result = {
    machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version },
    exchangeMs,
    ...started,
  }
  await mkdir('.bench', { recursive: true })
  await writeFile('.bench/join.json', `${JSON.stringify(result, null, 2)}\n`)
  if (values.json) console.log(JSON.stringify(result))
  else {
    console.log(`machine   ${result.machine.cpu}, ${result.machine.cores} cores, Node ${result.machine.node}`)
    console.log(
      `exchange  p50 ${exchangeMs.p50} ms, p99 ${exchangeMs.p99} ms over ${exchangeMs.runs} joins (dial to keyring, loopback, one warm process)`,
    )
    console.log(
      `start     p50 ${started.startMs.p50} ms, p99 ${started.startMs.p99} ms over ${started.startMs.runs} starts (spawn to app socket)`,
    )
    console.log(`memory    ${started.idleMemoryMb} MB resident, idle member`)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

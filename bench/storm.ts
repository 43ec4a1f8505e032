/**
 * What a storm of joiners costs, and what garbage beside an honest joiner does, measured on this machine. Members, joiners and
 * attackers are all in this one process and on its one thread, over loopback TCP.
 *   storm     N joiners at once at one member of a mesh of three: all of them in after, joins a second, time of each, who served
 *   flood     one honest join after another, without and beside 20 peers of another host that send garbage as fast as it is taken
 * `npm run bench:storm [-- --joiners 200 --joins 50]`; also writes .bench/storm.json.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { createEmulatedPki } from '../src/attest/emulator/index.ts'
import { type MeshNode, systemClock } from '../src/index.ts'
import { flood, joinLightly } from '../test/node/light-joiner.ts'
import { InProcess, Recorder } from '../test/node/support.ts'

const { values } = parseArgs({
  options: { joiners: { type: 'string', default: '200' }, joins: { type: 'string', default: '50' } },
})
const [joiners, joins] = [Number(values.joiners), Number(values.joins)]
const TIMEOUT_MS = 600_000
const megabytes = (): number => Math.round(process.memoryUsage.rss() / 2 ** 20)

const summary = (times: readonly number[]) => {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (q: number): number => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!)
  return { runs: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) }
}
const timed = async (work: () => Promise<void>): Promise<number> => {
  const begin = performance.now()
  await work()
  return performance.now() - begin
}

const benchStorm = async (mesh: InProcess) => {
  const logs = [new Recorder(), new Recorder(), new Recorder()]
  const first = await mesh.first({ public: true, log: logs[0]! })
  const members: MeshNode[] = [first]
  for (const name of ['second', 'third']) {
    const member = await mesh.node(name, { entry: mesh.entry(first), public: true, log: logs[members.length]! })
    await member.start()
    members.push(member)
  }
  while (!members.every((member) => member.members().length === 3)) await systemClock.sleep(20)
  const before = logs.map((log) => log.all('onboard.admitted').length)
  const [cluster, peers, memoryMb] = [first.status().cluster!, first.addresses(), megabytes()]
  const cpuBefore = process.cpuUsage()
  const times: number[] = []
  const ms = await timed(async () => {
    await Promise.all(
      Array.from({ length: joiners }, async () => {
        times.push(await timed(() => joinLightly({ cluster, peers, attester: mesh.td(), timeoutMs: TIMEOUT_MS })))
      }),
    )
  })
  const { user, system } = process.cpuUsage(cpuBefore)
  return {
    joiners,
    seconds: Math.round(ms / 100) / 10,
    joinsPerSecond: Math.round((joiners / ms) * 10_000) / 10,
    joinsPerCpuSecond: Math.round((joiners / (user + system)) * 1e7) / 10,
    joinMs: summary(times),
    served: logs.map((log, index) => log.all('onboard.admitted').length - before[index]!),
    memoryMb: { before: memoryMb, after: megabytes() },
  }
}

const benchFlood = async (mesh: InProcess) => {
  const first = await mesh.first()
  const [cluster, [address]] = [first.status().cluster!, first.addresses()]
  const run = async () => {
    const times: number[] = []
    for (let i = 0; i < joins; i++) {
      const honest = { cluster, peers: [address!], attester: mesh.td(), timeoutMs: TIMEOUT_MS, from: '127.0.0.2' }
      times.push(await timed(() => joinLightly(honest)))
      // At the rate of one honest peer after another, not of a storm.
      await systemClock.sleep(100)
    }
    return summary(times)
  }
  const calmMs = await run()
  const stop = new AbortController()
  const attester = mesh.td({ pki: createEmulatedPki({ nowMs: systemClock.now() }) })
  const flooding = flood({ cluster, address: address!, from: '127.0.0.3', peers: 20, attester }, stop.signal)
  const floodedMs = await run()
  stop.abort()
  return { calmMs, floodedMs, garbage: await flooding }
}

const inMesh = async <T>(run: (mesh: InProcess) => Promise<T>): Promise<T> => {
  const mesh = await InProcess.open()
  try {
    return await run(mesh)
  } finally {
    await mesh.close()
  }
}

const result = {
  machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version },
  storm: await inMesh(benchStorm),
  flood: await inMesh(benchFlood),
}
await mkdir('.bench', { recursive: true })
await writeFile('.bench/storm.json', `${JSON.stringify(result, null, 2)}\n`)
const { storm, flood: flooded } = result
console.log(
  `storm  ${storm.joiners} joiners in ${storm.seconds} s (${storm.joinsPerCpuSecond} joins per CPU second, both sides), each p50 ${storm.joinMs.p50} ms, p99 ${storm.joinMs.p99} ms; served ${storm.served.join(' + ')}; memory ${storm.memoryMb.before} → ${storm.memoryMb.after} MB`,
)
console.log(
  `flood  honest join p50 ${flooded.calmMs.p50} ms, p99 ${flooded.calmMs.p99} ms; under garbage p50 ${flooded.floodedMs.p50} ms, p99 ${flooded.floodedMs.p99} ms (${flooded.garbage.challenged} of ${flooded.garbage.tried} tries got a Challenge, ${flooded.garbage.judged} were judged)`,
)

/** Steps that start and end nodes. */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, systemClock } from '../../../src/index.ts'
import type { Lab, LabNode } from '../lab/index.ts'
import { step } from '../step.ts'
import { seconds, type World } from '../world.ts'

export const STANDARD_WITHIN_MS = 60_000
/** What a host that dies sent at its last moment is lost with it: longer than any line of the scenarios delays. */
const DARK_MS = 400

/** Rejects after `ms` with what did not happen. */
export const before = async <T>(ms: number, what: string, promise: Promise<T>): Promise<T> => {
  using deadline = systemClock.deadline(ms)
  // Awaited here: the deadline ends with this function.
  return await Promise.race([
    promise,
    new Promise<never>((_, reject) => {
      deadline.signal.addEventListener('abort', () => reject(new Error(`not ${what} within ${seconds(ms)}`)), { once: true })
    }),
  ])
}

const expectReady = async (world: World, nodes: readonly LabNode[], withinMs: number): Promise<void> => {
  const outcomes = await Promise.all(
    nodes.map(async (node) => {
      try {
        return { text: `${node.name} after ${seconds(await before(withinMs, 'a member', node.ready))}`, ok: true }
      } catch (error) {
        return { text: `${node.name}: ${messageOf(error)}`, ok: false }
      }
    }),
  )
  world.found(
    `${nodes.map(({ name }) => name).join(', ')} become${nodes.length === 1 ? 's a member' : ' members'} within ${seconds(withinMs)}`,
    outcomes.map(({ text }) => text).join(', '),
    outcomes.every(({ ok }) => ok),
  )
}

const begin = async (
  world: World,
  hosts: readonly string[],
  options: { through?: string[]; flags?: string[] },
): Promise<LabNode[]> => {
  const nodes: LabNode[] = []
  for (const host of hosts) {
    const through = (options.through ?? []).map((name) => world.lab.node(name))
    const flags = [...(through.length === 0 ? world.policyFlags : []), ...(options.flags ?? [])]
    const node = await world.lab.start(host, { through, flags })
    world.started(node)
    nodes.push(node)
  }
  return nodes
}

/** What a host that dies had just sent is lost with it. */
const goDark = async (lab: Lab, host: string): Promise<void> => {
  const others = [...lab.hosts.keys()].filter((name) => name !== host)
  await lab.partition([[host], others])
  await systemClock.sleep(DARK_MS)
  await lab.shape({ down: false }, [host], others)
}

/** The emulated root is made by the first node that starts, and a policy has to name it. */
const rootName = async (world: World, host: string): Promise<string> => {
  const first = await world.lab.start(host, { dataDir: 'first' })
  await before(STANDARD_WITHIN_MS, 'a member', first.ready)
  await first.kill()
  const { root } = JSON.parse(await readFile(join(world.lab.folder, 'root.json'), 'utf8')) as { root: { certificate: string } }
  return `emulator:${createHash('sha256').update(Buffer.from(root.certificate, 'base64')).digest('hex')}`
}

export const nodeSteps = {
  policy: step({
    about: 'makes a policy for the clusters to come, with leases of this length; needs a host that nothing runs on yet',
    fields: { host: 'host', 'credential-lifetime': 'text' },
    async play({ host, 'credential-lifetime': credentialLifetime }, world) {
      const path = join(world.lab.folder, 'policy.json')
      const roots = [await rootName(world, host)]
      await writeFile(
        path,
        JSON.stringify({ version: 1, roots, tee: ['tdx'], measurements: [{ any: true }], credentialLifetime }),
      )
      world.policyFlags = ['--policy', path]
    },
  }),
  start: step({
    about: 'starts nodes, all at once, and waits until they are members; without `through` each makes a cluster',
    fields: { hosts: 'hosts', through: 'hosts?', within: 'duration?', flags: 'texts?' },
    async play({ hosts, within = STANDARD_WITHIN_MS, ...options }, world) {
      await expectReady(world, await begin(world, hosts, options), within)
    },
  }),
  begin: step({
    about: 'starts nodes and does not wait',
    fields: { hosts: 'hosts', through: 'hosts?', flags: 'texts?' },
    async play({ hosts, ...options }, world) {
      await begin(world, hosts, options)
    },
  }),
  ready: step({
    about: 'expects that nodes that were begun become members',
    fields: { hosts: 'hosts', within: 'duration?' },
    play: ({ hosts, within = STANDARD_WITHIN_MS }, world) =>
      expectReady(
        world,
        hosts.map((host) => world.lab.node(host)),
        within,
      ),
  }),
  'gives-up': step({
    about: 'expects that a node ends by itself with an error whose code or words are these',
    fields: { host: 'host', saying: 'text', within: 'duration?' },
    async play({ host, saying, within = STANDARD_WITHIN_MS }, world) {
      const node = world.lab.node(host)
      const expected = `${host} gives up and says ${saying}`
      try {
        const how = await before(within, 'ended', node.ended)
        const said = await node.ready.then(() => 'it was a member', messageOf)
        world.found(expected, `exit ${how}: ${said.replaceAll(/\s+/g, ' ')}`, how !== 0 && said.includes(saying))
      } catch (error) {
        world.found(expected, messageOf(error), false)
      }
    },
  }),
  stop: step({
    about: 'asks nodes to stop (SIGTERM) and expects a clean end',
    fields: { hosts: 'hosts', within: 'duration?' },
    async play({ hosts, within = 20_000 }, world) {
      for (const host of hosts) {
        const node = world.lab.node(host)
        node.signal('SIGTERM')
        const how = await before(within, 'ended', node.ended).catch(messageOf)
        world.found(`${host} stops with exit code 0`, String(how), how === 0)
      }
    },
  }),
  kill: step({
    about: 'kill -9',
    fields: { hosts: 'hosts' },
    async play({ hosts }, world) {
      await Promise.all(hosts.map((host) => world.lab.node(host).kill()))
    },
  }),
  'kill-at': step({
    about: 'sets a trap: kill -9 for the first of these hosts whose node logs the event; what it sent at that moment is lost',
    fields: { hosts: 'hosts', event: 'text' },
    async play({ hosts, event }, world) {
      world.trap = undefined
      const unwatch = hosts.map((host) =>
        world.watch(host, (line, node) => {
          if (line.event !== event || world.trap !== undefined) return
          world.trap = { node, event }
          node.signal('SIGKILL')
          for (const end of unwatch) end()
          const dark = goDark(world.lab, host)
          world.inBackground(() => dark)
        }),
      )
    },
  }),
  killed: step({
    about: 'expects that the trap has snapped',
    fields: { within: 'duration?' },
    async play({ within = STANDARD_WITHIN_MS }, world) {
      await world.until('the trap snaps', within, async () => {
        const { trap } = world
        return { seen: trap === undefined ? 'not yet' : `${trap.node.name} at ${trap.event}`, ok: trap !== undefined }
      })
      if (world.trap === undefined) return
      const { node } = world.trap
      const how = await before(within, 'ended', node.ended).catch(messageOf)
      await world.endBackground()
      world.found(`${node.name} is killed`, String(how), how === 'SIGKILL')
    },
  }),
  revive: step({
    about: 'starts a node again on the host of the one that the trap killed',
    fields: { through: 'hosts' },
    async play({ through }, world) {
      if (world.trap === undefined) throw new Error('no trap has snapped')
      await expectReady(world, await begin(world, [world.trap.node.name], { through }), STANDARD_WITHIN_MS)
    },
  }),
  dies: step({
    about: 'expects that nodes end by this signal or with this exit code',
    fields: { hosts: 'hosts', by: 'text', within: 'duration?' },
    async play({ hosts, by, within = STANDARD_WITHIN_MS }, world) {
      const ends = await Promise.all(hosts.map((host) => before(within, 'ended', world.lab.node(host).ended).catch(messageOf)))
      world.found(
        `${hosts.join(', ')} end by ${by}`,
        ends.join(', '),
        ends.every((how) => String(how) === by),
      )
    },
  }),
  freeze: step({
    about: 'SIGSTOP: the process stands still, its connections stay',
    fields: { hosts: 'hosts' },
    async play({ hosts }, world) {
      for (const host of hosts) world.lab.node(host).signal('SIGSTOP')
    },
  }),
  thaw: step({
    about: 'SIGCONT',
    fields: { hosts: 'hosts' },
    async play({ hosts }, world) {
      for (const host of hosts) world.lab.node(host).signal('SIGCONT')
    },
  }),
}

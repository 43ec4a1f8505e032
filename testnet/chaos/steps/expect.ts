/** Steps that look. Each waits for what it expects until its time is over. */
import type { LabNode } from '../lab/index.ts'
import { step } from '../step.ts'
import { megabytes } from '../world.ts'

const KEY_PATH = 'chaos'
const STANDARD_WITHIN_MS = 20_000

/** Peer ids of the node itself and of those who are members and answer, as it says. */
const activeAt = async (node: LabNode): Promise<string[]> =>
  (await node.status()).members.filter(({ state }) => state === 'self' || state === 'active').map(({ peerId }) => peerId)

export const expectSteps = {
  'same-key': step({
    about: "expects that the hosts' apps get one key, the same as all before in this scenario",
    fields: { hosts: 'hosts', within: 'duration?' },
    play: ({ hosts, within = STANDARD_WITHIN_MS }, world) =>
      world.until(`${hosts.join(', ')} give the one key`, within, async () => {
        const keys = await Promise.all(hosts.map((host) => world.lab.node(host).keyFingerprint(KEY_PATH)))
        world.keyFingerprint ??= keys[0]
        return { seen: [...new Set(keys)].join(', '), ok: keys.every((key) => key === world.keyFingerprint) }
      }),
  }),
  state: step({
    about: 'expects a state in the status of nodes',
    fields: { hosts: 'hosts', is: 'text', within: 'duration?' },
    play: ({ hosts, is, within = STANDARD_WITHIN_MS }, world) =>
      world.until(`${hosts.join(', ')} ${is}`, within, async () => {
        const states = await Promise.all(hosts.map(async (host) => (await world.lab.node(host).status()).state))
        return { seen: states.join(', '), ok: states.every((state) => state === is) }
      }),
  }),
  table: step({
    about: 'expects that the tables of `hosts` say that the nodes of `hold` are there, and nobody else',
    fields: { hosts: 'hosts', hold: 'hosts', within: 'duration?' },
    async play({ hosts, hold, within = STANDARD_WITHIN_MS }, world) {
      const { lab } = world
      const wanted = await Promise.all(hold.map(async (host) => (await lab.node(host).status()).peerId!))
      await world.until(`${hosts.join(', ')} know exactly ${hold.join(', ')}`, within, async () => {
        const tables = await Promise.all(hosts.map((host) => activeAt(lab.node(host))))
        const ok = tables.every((table) => table.length === wanted.length && wanted.every((peerId) => table.includes(peerId)))
        return { seen: `tables of ${tables.map(({ length }) => length).join(', ')}`, ok }
      })
    },
  }),
  logged: step({
    about: 'expects an event in the log of a node',
    fields: { host: 'host', event: 'text', saying: 'text?', within: 'duration?' },
    play: ({ host, event, saying = '', within = STANDARD_WITHIN_MS }, world) =>
      world.until(`${host} logs ${event}${saying && ` with ${saying}`}`, within, async () => {
        const lines = world.lab.node(host).log.filter((line) => line.event === event)
        const found = lines.find(({ fields }) => JSON.stringify(fields).includes(saying))
        return { seen: found === undefined ? `${lines.length} others` : event, ok: found !== undefined }
      }),
  }),
  'not-logged': step({
    about: 'expects that no node of these hosts has logged an event',
    fields: { hosts: 'hosts', event: 'text' },
    async play({ hosts, event }, world) {
      const counts = hosts.map((host) => world.lab.node(host).log.filter((line) => line.event === event).length)
      world.found(
        `${hosts.join(', ')} never log ${event}`,
        `${counts.join(', ')} times`,
        counts.every((count) => count === 0),
      )
    },
  }),
  memory: step({
    about: 'expects that nodes hold less resident memory',
    fields: { hosts: 'hosts', below: 'bytes' },
    async play({ hosts, below }, world) {
      const bytes = hosts.map((host) => world.lab.node(host).residentBytes())
      world.found(
        `${hosts.join(', ')} below ${megabytes(below)}`,
        bytes.map(megabytes).join(', '),
        bytes.every((held) => held < below),
      )
    },
  }),
  files: step({
    about: 'expects that nodes get below a number of open files',
    fields: { hosts: 'hosts', below: 'count', within: 'duration?' },
    play: ({ hosts, below, within = STANDARD_WITHIN_MS }, world) =>
      world.until(`${hosts.join(', ')} below ${below} open files`, within, async () => {
        const counts = hosts.map((host) => world.lab.node(host).openFiles())
        return { seen: `${counts.join(', ')} open`, ok: counts.every((count) => count < below) }
      }),
  }),
}

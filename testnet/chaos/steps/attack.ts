/** Steps of a stranger who has no evidence to show. */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { LISTEN_PORT } from '../lab/index.ts'
import { step } from '../step.ts'
import { before } from './nodes.ts'

const PROGRAM = fileURLToPath(new URL('../attack-main.ts', import.meta.url))
const BEGIN_LIMIT_MS = 30_000

export const attackSteps = {
  attack: step({
    about: 'a stranger holds connections to a node until `heal`: silent, trickle, half-open, garbage, endless or false-handshake',
    fields: { host: 'host', on: 'host', kind: 'text', count: 'count' },
    async play({ host, on, kind, count }, world) {
      const args = ['--import', 'tsx', PROGRAM, kind, world.lab.host(on).address, String(LISTEN_PORT), String(count)]
      const child = world.lab
        .host(host)
        .spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true })
      let opened = 0
      child.on('message', (total: number) => {
        opened = total
      })
      const ended = once(child, 'exit')
      await before(BEGIN_LIMIT_MS, 'begun', Promise.race([once(child, 'message'), ended]))
      world.inBackground(async () => {
        const early = child.exitCode !== null
        child.kill('SIGKILL')
        await ended
        world.found(`${host} attacks ${on}: ${count} connections, ${kind}`, `${opened} opened`, !early && opened > 0)
      })
    },
  }),
}

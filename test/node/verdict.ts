import type { MeshNode } from '../../src/index.ts'
import type { NodeEvent } from '../../src/node/events.ts'
import { within } from '../mesh/support.ts'

const LIMIT_MS = 10_000

/** The next event of `node` that is `wanted`. */
export const told = (node: MeshNode, what: string, wanted: (event: NodeEvent) => boolean): Promise<void> =>
  within(
    LIMIT_MS,
    what,
    new Promise((resolve) => {
      const deaf = node.events.listen((event) => {
        if (!wanted(event)) return
        deaf()
        resolve()
      })
    }),
  )

/** The next time that `node` makes this of gossip: `accept`, or such as `reject: malformed`. */
export const verdict = (node: MeshNode, wanted: string): Promise<void> =>
  told(node, `a verdict: ${wanted}`, (event) => {
    if (event.kind !== 'gossip') return false
    return wanted === (event.fault === undefined ? event.verdict : `${event.verdict}: ${event.fault}`)
  })

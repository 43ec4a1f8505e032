/** A join as /dstack/onboard/1.0.0 has it, by what each side decides; the sealing has tests of its own. */
import { decodeCredential, type Expectation } from '../../protocols/records/index.ts'
import { type Binding, equals } from '../../protocols/wire/index.ts'
import { silentLog } from '../../src/base/index.ts'
import type { JoinResult } from '../../src/node/join.ts'
import { attest, issue, type Standing } from '../../src/node/membership.ts'
import { rejoin } from '../../src/node/rejoin.ts'
import { clusterIdOf, type SimNode } from './node.ts'

const STEP_MS = 5_000
const RETRY_MS = 2_000
/** Of the joiner's last words. */
const DONE_LOST = 0.05

/** As src/node/rejoin.ts has it. */
const REJOIN_MS = 30_000

interface Grant {
  standing: Standing
  onboarder: SimNode
  /** The onboarder's. */
  credential: Uint8Array
}

/** As a node does: it tries members until one lets it in, and once more through others while it may be that nobody knows it. */
export const joinAny = async (joiner: SimNode, members: () => readonly SimNode[]): Promise<void> => {
  let grant: Grant | undefined
  for (;;) {
    grant = await joinThrough(joiner, members())
    if (grant !== undefined) break
    await joiner.clock.sleep(RETRY_MS * (0.5 + joiner.random.uniform()))
  }
  const { standing, onboarder, credential } = grant
  await joiner.join(standing, { ...decodeCredential(credential).body, text: onboarder.text })
  joiner.run()
  const round = (): Promise<void> => rejoinOnce(joiner, members)
  await round()
  joiner.serves = true
  // A node also looks whether strangers are where members should be: here all has to be mended without.
  while (joiner.members!.adrift) {
    await joiner.clock.sleep(REJOIN_MS * (0.5 + joiner.random.uniform()))
    await round()
  }
}

/** With the node's own code. */
const rejoinOnce = (joiner: SimNode, members: () => readonly SimNode[]): Promise<void> =>
  rejoin({
    members: joiner.members!,
    renew: (standing) => {
      joiner.membership!.renew(standing)
      joiner.members!.renewed()
    },
    peers: members().map(({ address }) => address),
    join: async (addresses) => {
      const there = members().filter(({ address }) => addresses.includes(address))
      const grant = await joinThrough(joiner, there)
      if (grant === undefined) throw new Error('no peer let this node in')
      const { standing, onboarder, credential } = grant
      const { peer, address } = onboarder
      return {
        membership: { keys: { wipe: () => {} }, credentialBytes: standing.credential, evidence: standing.evidence },
        onboarder: { peerId: peer.peerId, address, credential },
      } as unknown as JoinResult
    },
    whoIs: async () => undefined,
    clock: joiner.clock,
    random: joiner.random,
    log: silentLog,
    signal: joiner.cluster.over,
  })

const joinThrough = async (joiner: SimNode, members: readonly SimNode[]): Promise<Grant | undefined> => {
  for (const onboarder of joiner.random.shuffled(members)) {
    if (onboarder === joiner || !onboarder.serves || onboarder.leaving) continue
    const grant = await joinBy(joiner, onboarder)
    if (grant !== undefined) return grant
  }
  return undefined
}

const joinBy = async (joiner: SimNode, onboarder: SimNode): Promise<Grant | undefined> => {
  const { network, timeline } = joiner.cluster
  const clusterId = clusterIdOf(joiner.cluster)
  const there = async (): Promise<boolean> => (await network.ping(joiner, onboarder.text, STEP_MS)) === 'answered'

  // Hello, Challenge
  if (!(await there())) return undefined
  const binding: Binding = {
    context: 'onboard/1',
    fields: [clusterId, joiner.peer.id, onboarder.peer.id, joiner.random.bytes(32)],
  }
  const evidence = await attest(joiner.td, binding).catch(() => undefined)
  // Request, Grant
  if (evidence === undefined || !(await there()) || onboarder.members!.standing() !== 'active') return undefined
  const expected: Expectation = { contexts: ['onboard/1'], clusterId, peerId: joiner.peer.id, fields: binding.fields }
  const verdict = onboarder.judge(evidence, expected)
  if (!verdict.accepted) return undefined
  const credential = issue(onboarder.issuer, joiner.peer.id, verdict.judged)
  const { credentialBytes: shown, evidence: proof } = onboarder.membership!
  if (!(await there())) return undefined
  // What the joiner checks
  const own = joiner.holds(credential)
  const attested = joiner.judge(proof, {
    contexts: ['onboard/1', 'challenge/1', 'member/1'],
    clusterId,
    peerId: onboarder.peer.id,
  })
  const body = joiner.holds(shown)
  if (own === undefined || body === undefined || !attested.accepted || !equals(body.peerId, onboarder.peer.id)) return undefined
  // Done
  if (!joiner.random.chance(DONE_LOST)) {
    timeline.after(20, () => onboarder.members!.admit(own, []), onboarder)
  }
  return { standing: { credential, evidence }, onboarder, credential: shown }
}

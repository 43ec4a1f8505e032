/** A join as /dstack/onboard/1.0.0 has it, by what each side decides; the sealing has tests of its own. */
import type { Expectation } from '../../protocols/records/index.ts'
import { type Binding, equals } from '../../protocols/wire/index.ts'
import { attest, issue } from '../../src/node/membership.ts'
import { clusterIdOf, type SimNode } from './node.ts'

const STEP_MS = 5_000
const RETRY_MS = 2_000
/** Of the joiner's last words. */
const DONE_LOST = 0.05

/** As src/node/rejoin.ts has it. */
const REJOIN_MS = 30_000

/** Tries members in turn until one lets it in, and tells who the others are. */
export const joinAny = async (joiner: SimNode, members: () => readonly SimNode[]): Promise<void> => {
  while (joiner.alive) {
    for (const onboarder of joiner.random.shuffled(members())) {
      if (onboarder === joiner || !onboarder.serves || onboarder.leaving) continue
      if (!(await joinBy(joiner, onboarder))) continue
      if (joiner.members!.adrift) continue
      joiner.serves = true
      return
    }
    // Known to nobody so far, and maybe the last.
    joiner.serves = joiner.members !== undefined
    await joiner.clock.sleep((joiner.serves ? REJOIN_MS : RETRY_MS) * (0.5 + joiner.random.uniform()))
    if (joiner.members?.adrift === false) return
  }
}

const joinBy = async (joiner: SimNode, onboarder: SimNode): Promise<boolean> => {
  const { network, timeline } = joiner.cluster
  const clusterId = clusterIdOf(joiner.cluster)
  const there = async (): Promise<boolean> => (await network.ping(joiner, onboarder.text, STEP_MS)) === 'answered'

  // Hello, Challenge
  if (!(await there())) return false
  const binding: Binding = {
    context: 'onboard/1',
    fields: [clusterId, joiner.peer.id, onboarder.peer.id, joiner.random.bytes(32)],
  }
  const evidence = await attest(joiner.td, binding).catch(() => undefined)
  // Request, Grant
  if (evidence === undefined || !(await there()) || onboarder.members!.standing() !== 'active') return false
  const expected: Expectation = { contexts: ['onboard/1'], clusterId, peerId: joiner.peer.id, fields: binding.fields }
  const verdict = onboarder.judge(evidence, expected)
  if (!verdict.accepted) return false
  const credential = issue(onboarder.issuer, joiner.peer.id, verdict.judged)
  const { credentialBytes: shown, evidence: proof } = onboarder.membership!
  if (!(await there())) return false
  // What the joiner checks
  const own = joiner.holds(credential)
  const attested = joiner.judge(proof, {
    contexts: ['onboard/1', 'challenge/1', 'member/1'],
    clusterId,
    peerId: onboarder.peer.id,
  })
  const body = joiner.holds(shown)
  if (own === undefined || body === undefined || !attested.accepted || !equals(body.peerId, onboarder.peer.id)) return false
  // Done
  if (!joiner.random.chance(DONE_LOST)) {
    timeline.after(20, () => onboarder.members!.admit(own, []), onboarder)
  }
  const standing = { credential, evidence }
  if (joiner.members === undefined) await joiner.join(standing, { ...body, text: onboarder.text })
  else {
    joiner.membership!.renew(standing)
    joiner.members.admit(body, [])
    await joiner.members.begin(onboarder.text)
  }
  return true
}

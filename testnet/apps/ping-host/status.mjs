import { lookup } from 'node:dns/promises'

const TIMEOUT_MS = 2_000
const LIMIT_CHARACTERS = 1024 * 1024

/** What a member's status port says of it, or why there is no answer: an app goes on without. */
export const pingStatus = async (member, port) => {
  try {
    // By number: the page is served under no name that it was not told of, so that no web site can have a browser read it.
    const { address, family } = await lookup(member)
    const host = family === 6 ? `[${address}]` : address
    const answer = await fetch(`http://${host}:${port}/status`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    const text = await answer.text()
    if (!answer.ok || text.length > LIMIT_CHARACTERS) return { reachable: false, why: `answered ${answer.status}` }
    const { state, policy } = JSON.parse(text)
    return { reachable: true, state, ...(policy?.insecure && { insecure: 'INSECURE: this is a rehearsal' }) }
  } catch (error) {
    return { reachable: false, why: error.message }
  }
}

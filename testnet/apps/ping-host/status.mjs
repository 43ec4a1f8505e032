const TIMEOUT_MS = 2_000
const LIMIT_CHARACTERS = 1024 * 1024

/** What a member's status port says of it, or why there is no answer: an app goes on without. */
export const pingStatus = async (member, port) => {
  try {
    const answer = await fetch(`http://${member}:${port}/status`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    const text = await answer.text()
    if (!answer.ok || text.length > LIMIT_CHARACTERS) return { reachable: false, why: `answered ${answer.status}` }
    const { state, policy } = JSON.parse(text)
    return { reachable: true, state, ...(policy?.insecure && { insecure: 'INSECURE: this is a rehearsal' }) }
  } catch (error) {
    return { reachable: false, why: error.message }
  }
}

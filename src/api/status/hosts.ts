import { isIP } from 'node:net'

/** Longer than any name that DNS knows, with a port. */
const HOST_CHARS_MAX = 262

/**
 * Whether a request's Host may be answered. A page from elsewhere can make its own name point to this machine (DNS rebinding) and
 * would then read all that is served here; but it cannot make an address, or a name that it does not own, its origin.
 */
export const hostAllowed = (host: string | undefined, names: ReadonlySet<string>): boolean => {
  if (host === undefined || host.length > HOST_CHARS_MAX) return false
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/.exec(host.toLowerCase())
  if (match === null) return false
  if (match[1] !== undefined) return isIP(match[1]) === 6
  const name = match[2]!.replace(/\.$/, '')
  return isIP(name) === 4 || name === 'localhost' || names.has(name)
}

import { lookup } from 'node:dns/promises'
import { multiaddr } from '@multiformats/multiaddr'
import type { Random } from '../base/index.ts'

const FAMILIES: Readonly<Record<string, 4 | 6 | 0>> = { dns: 0, dns4: 4, dns6: 6 }
/** Of what a name stands for: a server of names may say anything. */
const ADDRESSES_MAX = 64

export interface ResolveParts {
  /** Where this node listens, as text multiaddrs. */
  own: readonly string[]
  random: Random
  /** All addresses of a name. @default the system's */
  lookUp?: (name: string, family: 4 | 6 | 0) => Promise<readonly { address: string; family: number }[]>
}

const systemLookUp = (name: string, family: 4 | 6 | 0) => lookup(name, { all: true, family })

/**
 * What to dial for a text multiaddr. A name may stand for several members, and for this node too (replicas of one service share
 * theirs); left to itself, a dial tries the nearest of them alone, which is this node. So: any one of the others, a different
 * one at other times. Throws an Error that says why there is none.
 */
export const resolveAddress = async (address: string, { own, random, lookUp = systemLookUp }: ResolveParts): Promise<string> => {
  const [host, ...rest] = multiaddr(address).getComponents()
  const family = FAMILIES[host?.name ?? '']
  if (family === undefined || host?.value === undefined) return address
  const tail = rest.map(({ name, value }) => (value === undefined ? `/${name}` : `/${name}/${value}`)).join('')
  const found = (await lookUp(host.value, family))
    .slice(0, ADDRESSES_MAX)
    .map((each) => `/ip${each.family}/${each.address}${tail}`)
  const others = found.filter((each) => !own.includes(each))
  const chosen = others[Math.floor(random.uniform() * others.length)]
  if (chosen === undefined) throw new Error(`${host.value} stands for ${found.length === 0 ? 'nobody' : 'this node alone'}`)
  return chosen
}

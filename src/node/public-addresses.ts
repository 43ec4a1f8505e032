import { REFUSAL_ADDRESS_BYTES_MAX, REFUSAL_ADDRESSES_MAX } from '../../protocols/wire/index.ts'
import type { Random } from '../base/index.ts'
import type { SeenMember } from '../members/index.ts'
import { isOverTcp } from './addresses.ts'

/** The same values in an order of chance (Fisher and Yates). */
export const shuffled = <T>(values: readonly T[], random: Pick<Random, 'uniform'>): T[] => {
  const all = [...values]
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random.uniform() * (i + 1))
    ;[all[i], all[j]] = [all[j]!, all[i]!]
  }
  return all
}

/**
 * Where else a stranger may try: up to 8 addresses of members that answer and that their operators declared public, members and
 * addresses chosen by lot so that many strangers spread over all. One address of each member before a second of any.
 */
export const publicAddresses = (
  members: readonly Pick<SeenMember, 'public' | 'state' | 'addresses'>[],
  random: Pick<Random, 'uniform'>,
): string[] => {
  const told = shuffled(
    members.filter((member) => member.public && member.state === 'active'),
    random,
  ).map(({ addresses }) => shuffled(addresses.filter(isTellable), random))
  const rounds = Math.max(0, ...told.map(({ length }) => length))
  const inRounds = Array.from({ length: rounds }, (_, round) => told.flatMap((addresses) => addresses.slice(round, round + 1)))
  return [...new Set(inRounds.flat())].slice(0, REFUSAL_ADDRESSES_MAX)
}

const isTellable = (address: string): boolean => address.length <= REFUSAL_ADDRESS_BYTES_MAX && isOverTcp(address)

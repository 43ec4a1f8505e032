/** Who pays the reserve of what (CAP-33). */
import { availableBalance, SUBENTRIES_MAX, subentries } from './account.ts'
import type { Layer } from './accounts.ts'

export type ReserveProblem = 'lowReserve' | 'tooManySubentries' | 'tooManySponsoring'

/** xdr: both counters are uint32, and their sum with the subentries must fit one as well. */
const UINT32_MAX = 0xffff_ffff

const canSponsor = (layer: Layer, sponsor: string, reserves: number, baseReserve: bigint): ReserveProblem | undefined => {
  const account = layer.load(sponsor)
  if (availableBalance(account, baseReserve) < BigInt(reserves) * baseReserve) return 'lowReserve'
  if (account.numSponsoring + subentries(account) + reserves > UINT32_MAX) return 'tooManySponsoring'
  return undefined
}

const count = (layer: Layer, sponsor: string, reserves: number): void =>
  layer.update(sponsor, ({ numSponsoring }) => ({ numSponsoring: numSponsoring + reserves }))

const countSponsored = (layer: Layer, id: string, reserves: number): void =>
  layer.update(id, ({ numSponsored }) => ({ numSponsored: numSponsored + reserves }))

/** The sponsor of what `owner` creates next, with its reserve set aside; or why that cannot be. `undefined` = the owner pays. */
export const reserveSubentry = (
  layer: Layer,
  owner: string,
  baseReserve: bigint,
): { sponsor: string | undefined } | { problem: ReserveProblem } => {
  const account = layer.load(owner)
  if (subentries(account) >= SUBENTRIES_MAX) return { problem: 'tooManySubentries' }
  const sponsor = layer.sponsorships.get(owner)
  if (sponsor === undefined) {
    return availableBalance(account, baseReserve) < baseReserve ? { problem: 'lowReserve' } : { sponsor }
  }
  const problem = canSponsor(layer, sponsor, 1, baseReserve)
  if (problem !== undefined) return { problem }
  count(layer, sponsor, 1)
  countSponsored(layer, owner, 1)
  return { sponsor }
}

/** Gives the reserve of something of `owner` back to whoever paid it. Removing the thing itself is the caller's. */
export const releaseSubentry = (layer: Layer, owner: string, sponsor: string | undefined): void => {
  if (sponsor === undefined) return
  count(layer, sponsor, -1)
  countSponsored(layer, owner, -1)
}

/** xdr: an account costs two base reserves. */
export const ACCOUNT_RESERVES = 2

/** For an account about to be created with `balance`: its sponsor with the reserves set aside. */
export const reserveAccount = (
  layer: Layer,
  id: string,
  balance: bigint,
  baseReserve: bigint,
): { sponsor: string | undefined } | { problem: ReserveProblem } => {
  const sponsor = layer.sponsorships.get(id)
  if (sponsor === undefined) {
    return balance < BigInt(ACCOUNT_RESERVES) * baseReserve ? { problem: 'lowReserve' } : { sponsor }
  }
  const problem = canSponsor(layer, sponsor, ACCOUNT_RESERVES, baseReserve)
  if (problem !== undefined) return { problem }
  count(layer, sponsor, ACCOUNT_RESERVES)
  return { sponsor }
}

export const releaseAccount = (layer: Layer, sponsor: string | undefined): void => {
  if (sponsor !== undefined) count(layer, sponsor, -ACCOUNT_RESERVES)
}

/** Moves the reserve of something of `owner` from one payer to another; `undefined` = the owner. */
export const moveReserve = (
  layer: Layer,
  owner: string,
  from: string | undefined,
  to: string | undefined,
  reserves: number,
  baseReserve: bigint,
): ReserveProblem | undefined => {
  if (from === undefined && to === undefined) return undefined
  if (to === undefined) {
    if (availableBalance(layer.load(owner), baseReserve) < BigInt(reserves) * baseReserve) return 'lowReserve'
  } else {
    const problem = canSponsor(layer, to, reserves, baseReserve)
    if (problem !== undefined) return problem
    count(layer, to, reserves)
  }
  if (from !== undefined) count(layer, from, -reserves)
  if ((from === undefined) !== (to === undefined)) countSponsored(layer, owner, to === undefined ? -reserves : reserves)
  return undefined
}

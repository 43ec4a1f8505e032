import { RefusedError } from '../../base/index.ts'
import { type GenesisEntries, readEntries } from './entries.ts'
import type { AccountView } from './horizon.ts'

const refused = (code: string, found: string, next: string): RefusedError =>
  new RefusedError(code, `the anchor account ${found}`, { next })

/** Nobody can change this account any more, not even the cluster. */
export const isFrozen = (account: AccountView): boolean =>
  account.flags.immutable && account.signers.every(({ weight }) => weight === 0)

/**
 * The entries of an account that is frozen for good and holds exactly a cluster's table (design: policy and anchor, "Rules").
 * Throws RefusedError, a code for each thing that can be wrong.
 */
export const judgeAccount = (account: AccountView): GenesisEntries => {
  const { signers, thresholds, flags, data, accountId } = account
  const foreign = signers.find(({ key, weight }) => key !== accountId && weight > 0)
  if (foreign !== undefined) {
    throw refused(
      'anchor_extra_signer',
      `has another signer, ${foreign.key}, who can change it`,
      'do not join: whoever holds that key rules this account',
    )
  }
  // Only one thing creates such an account and does not freeze it: a stranger, who cannot sign for the cluster.
  if (!isFrozen(account)) {
    const empty = data.size === 0 ? ' and empty: a stranger created it, or the genesis never got in' : ''
    throw refused('anchor_not_frozen', `is not frozen${empty}`, 'wait for the genesis transaction, or ask who made the cluster')
  }
  if (signers.some(({ key }) => key !== accountId)) {
    throw refused('anchor_extra_signer', 'lists other signers than itself', 'do not join: a genesis adds none')
  }
  if (thresholds.low !== 1 || thresholds.medium !== 1 || thresholds.high !== 1) {
    const found = `${thresholds.low}/${thresholds.medium}/${thresholds.high}`
    throw refused('anchor_thresholds', `has thresholds ${found}, expected 1/1/1`, 'do not join: no genesis makes such an account')
  }
  if (flags.required || flags.revocable || flags.clawback) {
    throw refused('anchor_flags', 'has flags that no genesis sets', 'do not join: no genesis makes such an account')
  }
  const entries = readEntries(data)
  if (account.subentryCount !== data.size) {
    const found = `has ${account.subentryCount} entries of which ${data.size} are shown`
    throw refused('anchor_entries', found, 'this server hides something: ask others with --horizon')
  }
  return entries
}

/** What two servers must tell alike: all that cannot change in a frozen account. */
export const sameView = (a: AccountView, b: AccountView): boolean => fingerprint(a) === fingerprint(b)

const fingerprint = ({ accountId, sequence, homeDomain, thresholds, flags, signers, data, subentryCount }: AccountView): string =>
  JSON.stringify([
    accountId,
    String(sequence),
    homeDomain ?? '',
    thresholds,
    flags,
    signers.map(({ key, weight }) => [key, weight]).sort(),
    [...data].map(([name, value]) => [name, Buffer.from(value).toString('hex')]).sort(),
    subentryCount,
  ])

/**
 * The operations of this ledger: what each needs, refuses and does, by stellar-core's rules for protocols 19 to 22.
 * What is not here (offers, trust lines, claimable balances, contracts…) is answered `opNOT_SUPPORTED`.
 */
import { xdr } from '@stellar/stellar-sdk/base'
import {
  type Account,
  ALL_FLAGS,
  AUTH_CLAWBACK_ENABLED,
  AUTH_REVOCABLE,
  addressOf,
  addressOfMuxed,
  availableBalance,
  isImmutable,
  newAccount,
  SIGNERS_MAX,
  type Signer,
  type Thresholds,
} from './account.ts'
import type { Layer } from './accounts.ts'
import { ed25519Signer } from './signatures.ts'
import {
  ACCOUNT_RESERVES,
  moveReserve,
  type ReserveProblem,
  releaseAccount,
  releaseSubentry,
  reserveAccount,
  reserveSubentry,
} from './sponsorship.ts'
import type { Operation } from './transaction.ts'

/** What an operation may know of the ledger it is in. */
export interface Surroundings {
  readonly ledger: number
  readonly closeTime: bigint
  readonly baseReserve: bigint
  /** The highest sequence number that this ledger's transactions use, by source. */
  readonly highestSequence: ReadonlyMap<string, bigint>
}

export interface Outcome {
  readonly ok: boolean
  readonly result: xdr.OperationResult
}

/** Index of the threshold in {@link Thresholds}. */
export type Level = 1 | 2 | 3
const LOW: Level = 1
const MEDIUM: Level = 2
const HIGH: Level = 3

interface Rule {
  readonly level: Level
  /** What is reported where nothing is wrong or nothing was tried. */
  readonly success: xdr.OperationResult
  /** Whatever can be told without the ledger. */
  check?(): xdr.OperationResult | undefined
  apply(layer: Layer, at: Surroundings): Outcome
}

const done = (result: xdr.OperationResult): Outcome => ({ ok: true, result })
const failed = (result: xdr.OperationResult): Outcome => ({ ok: false, result })

const tr = (inner: xdr.OperationResultTr): xdr.OperationResult => xdr.OperationResult.opInner(inner)

/** The problems of reserves that have one code for all operations; `lowReserve` has one in each. */
const reserveFailure = (problem: ReserveProblem, lowReserve: xdr.OperationResult): Outcome => {
  switch (problem) {
    case 'lowReserve':
      return failed(lowReserve)
    case 'tooManySubentries':
      return failed(xdr.OperationResult.opTooManySubentries())
    case 'tooManySponsoring':
      return failed(xdr.OperationResult.opTooManySponsoring())
  }
}

// stellar-core's isStringValid: ASCII without controls.
const VALID_STRING = /^[\x20-\x7e]*$/
const isValidString = (text: xdr.XdrString): boolean => VALID_STRING.test(Buffer.from(text.bytes).toString('latin1'))

/** The sequence number an account starts with: nobody can replay what an earlier account of the same key signed. */
export const startingSequence = (ledger: number): bigint => BigInt(ledger) << 32n

const createAccount = (source: string, op: xdr.CreateAccountOp): Rule => {
  const { startingBalance } = op
  const destination = addressOf(op.destination)
  const result = (inner: xdr.CreateAccountResult): xdr.OperationResult => tr(xdr.OperationResultTr.createAccount(inner))
  const success = result(xdr.CreateAccountResult.createAccountSuccess())
  return {
    level: MEDIUM,
    success,
    check: () =>
      startingBalance < 0n || destination === source ? result(xdr.CreateAccountResult.createAccountMalformed()) : undefined,
    apply(layer, { ledger, baseReserve }) {
      if (layer.get(destination) !== undefined) return failed(result(xdr.CreateAccountResult.createAccountAlreadyExist()))
      const reserved = reserveAccount(layer, destination, startingBalance, baseReserve)
      if ('problem' in reserved) {
        return reserveFailure(reserved.problem, result(xdr.CreateAccountResult.createAccountLowReserve()))
      }
      if (availableBalance(layer.load(source), baseReserve) < startingBalance) {
        return failed(result(xdr.CreateAccountResult.createAccountUnderfunded()))
      }
      layer.update(source, ({ balance }) => ({ balance: balance - startingBalance }))
      const { sponsor } = reserved
      layer.put({
        ...newAccount(destination, startingBalance, startingSequence(ledger)),
        sponsor,
        numSponsored: sponsor === undefined ? 0 : ACCOUNT_RESERVES,
      })
      return done(success)
    },
  }
}

const payment = (source: string, { destination: to, asset, amount }: xdr.PaymentOp): Rule => {
  const destination = addressOfMuxed(to)
  const result = (inner: xdr.PaymentResult): xdr.OperationResult => tr(xdr.OperationResultTr.payment(inner))
  const success = result(xdr.PaymentResult.paymentSuccess())
  return {
    level: MEDIUM,
    success,
    check() {
      if (asset.type !== 'assetTypeNative') return xdr.OperationResult.opNotSupported()
      return amount <= 0n ? result(xdr.PaymentResult.paymentMalformed()) : undefined
    },
    apply(layer, { baseReserve }) {
      if (destination === source) return done(success)
      if (layer.get(destination) === undefined) return failed(result(xdr.PaymentResult.paymentNoDestination()))
      if (availableBalance(layer.load(source), baseReserve) < amount) {
        return failed(result(xdr.PaymentResult.paymentUnderfunded()))
      }
      layer.update(source, ({ balance }) => ({ balance: balance - amount }))
      layer.update(destination, ({ balance }) => ({ balance: balance + amount }))
      return done(success)
    },
  }
}

const manageData = (source: string, { dataName, dataValue }: xdr.ManageDataOp): Rule => {
  const result = (inner: xdr.ManageDataResult): xdr.OperationResult => tr(xdr.OperationResultTr.manageData(inner))
  const success = result(xdr.ManageDataResult.manageDataSuccess())
  const name = dataName.toString()
  return {
    level: MEDIUM,
    success,
    check: () =>
      dataName.length < 1 || !isValidString(dataName) ? result(xdr.ManageDataResult.manageDataInvalidName()) : undefined,
    apply(layer, { ledger, baseReserve }) {
      const known = layer.load(source).data.get(name)
      if (dataValue === null) {
        if (known === undefined) return failed(result(xdr.ManageDataResult.manageDataNameNotFound()))
        releaseSubentry(layer, source, known.sponsor)
        layer.update(source, ({ data }) => ({ data: new Map([...data].filter(([other]) => other !== name)) }))
        return done(success)
      }
      let sponsor = known?.sponsor
      if (known === undefined) {
        const reserved = reserveSubentry(layer, source, baseReserve)
        if ('problem' in reserved) {
          return reserveFailure(reserved.problem, result(xdr.ManageDataResult.manageDataLowReserve()))
        }
        sponsor = reserved.sponsor
      }
      const entry = { value: dataValue.toBytes(), sponsor, lastModified: ledger }
      layer.update(source, ({ data }) => ({ data: new Map([...data, [name, entry]]) }))
      return done(success)
    },
  }
}

const UINT8_MAX = 255

const compareSigners = (a: Signer, b: Signer): number => Buffer.compare(a.key.toXdr(), b.key.toXdr())

const setOptions = (source: string, op: xdr.SetOptionsOp): Rule => {
  const { clearFlags, setFlags, masterWeight, lowThreshold, medThreshold, highThreshold, homeDomain, signer } = op
  const weights = [masterWeight, lowThreshold, medThreshold, highThreshold]
  const inflationDestination = op.inflationDest === null ? undefined : addressOf(op.inflationDest)
  const result = (inner: xdr.SetOptionsResult): xdr.OperationResult => tr(xdr.OperationResultTr.setOptions(inner))
  const success = result(xdr.SetOptionsResult.setOptionsSuccess())

  const isBadSigner = ({ key, weight }: xdr.Signer): boolean =>
    key.equals(ed25519Signer(source)) ||
    weight > UINT8_MAX ||
    (key.type === 'signerKeyTypeEd25519SignedPayload' && key.ed25519SignedPayload.payload.length === 0)

  const changeSigner = (layer: Layer, { key, weight }: xdr.Signer, baseReserve: bigint): Outcome | undefined => {
    const { signers } = layer.load(source)
    const known = signers.find((other) => other.key.equals(key))
    const others = signers.filter((other) => other !== known)
    if (weight === 0) {
      if (known === undefined) return undefined
      releaseSubentry(layer, source, known.sponsor)
      layer.update(source, () => ({ signers: others }))
      return undefined
    }
    let sponsor = known?.sponsor
    if (known === undefined) {
      if (signers.length === SIGNERS_MAX) return failed(result(xdr.SetOptionsResult.setOptionsTooManySigners()))
      const reserved = reserveSubentry(layer, source, baseReserve)
      if ('problem' in reserved) {
        return reserveFailure(reserved.problem, result(xdr.SetOptionsResult.setOptionsLowReserve()))
      }
      sponsor = reserved.sponsor
    }
    layer.update(source, () => ({ signers: [...others, { key, weight, sponsor }].sort(compareSigners) }))
    return undefined
  }

  return {
    level: weights.some((weight) => weight !== null) || signer !== null ? HIGH : MEDIUM,
    success,
    check() {
      const set = setFlags ?? 0
      const clear = clearFlags ?? 0
      // Flags are uint32: without >>> the complement would be signed.
      if (((set | clear) & ~ALL_FLAGS) !== 0) return result(xdr.SetOptionsResult.setOptionsUnknownFlag())
      if ((set & clear) !== 0) return result(xdr.SetOptionsResult.setOptionsBadFlags())
      if (weights.some((weight) => (weight ?? 0) > UINT8_MAX)) {
        return result(xdr.SetOptionsResult.setOptionsThresholdOutOfRange())
      }
      if (signer !== null && isBadSigner(signer)) return result(xdr.SetOptionsResult.setOptionsBadSigner())
      if (homeDomain !== null && !isValidString(homeDomain)) return result(xdr.SetOptionsResult.setOptionsInvalidHomeDomain())
      return undefined
    },
    apply(layer, { baseReserve }) {
      if (inflationDestination !== undefined && layer.get(inflationDestination) === undefined) {
        return failed(result(xdr.SetOptionsResult.setOptionsInvalidInflation()))
      }
      const account = layer.load(source)
      if (((clearFlags ?? 0) | (setFlags ?? 0)) !== 0 && isImmutable(account)) {
        return failed(result(xdr.SetOptionsResult.setOptionsCantChange()))
      }
      const flags = (account.flags & ~(clearFlags ?? 0)) | (setFlags ?? 0)
      if ((flags & AUTH_CLAWBACK_ENABLED) !== 0 && (flags & AUTH_REVOCABLE) === 0) {
        return failed(result(xdr.SetOptionsResult.setOptionsAuthRevocableRequired()))
      }
      const [master, low, medium, high] = account.thresholds
      const thresholds: Thresholds = [masterWeight ?? master, lowThreshold ?? low, medThreshold ?? medium, highThreshold ?? high]
      layer.put({
        ...account,
        inflationDestination: inflationDestination ?? account.inflationDestination,
        flags,
        thresholds,
        homeDomain: homeDomain === null ? account.homeDomain : homeDomain.toString(),
      })
      return (signer === null ? undefined : changeSigner(layer, signer, baseReserve)) ?? done(success)
    },
  }
}

const accountMerge = (source: string, to: xdr.MuxedAccount): Rule => {
  const destination = addressOfMuxed(to)
  const result = (inner: xdr.AccountMergeResult): xdr.OperationResult => tr(xdr.OperationResultTr.accountMerge(inner))
  return {
    level: HIGH,
    success: result(xdr.AccountMergeResult.accountMergeSuccess(0n)),
    check: () => (destination === source ? result(xdr.AccountMergeResult.accountMergeMalformed()) : undefined),
    apply(layer, { ledger, highestSequence }) {
      if (layer.get(destination) === undefined) return failed(result(xdr.AccountMergeResult.accountMergeNoAccount()))
      const account = layer.load(source)
      if (isImmutable(account)) return failed(result(xdr.AccountMergeResult.accountMergeImmutableSet()))
      if (account.data.size > 0) return failed(result(xdr.AccountMergeResult.accountMergeHasSubEntries()))
      // Created again in this ledger, the account would start below a sequence number that it has used.
      const start = startingSequence(ledger)
      if (account.sequence >= start || (highestSequence.get(source) ?? 0n) >= start) {
        return failed(result(xdr.AccountMergeResult.accountMergeSeqnumTooFar()))
      }
      const sponsorsNow = [...layer.sponsorships.values()].includes(source)
      if (sponsorsNow || account.numSponsoring > 0) return failed(result(xdr.AccountMergeResult.accountMergeIsSponsor()))
      for (const { sponsor } of account.signers) releaseSubentry(layer, source, sponsor)
      releaseAccount(layer, account.sponsor)
      // Its own sponsor may be where the balance goes: both changes must count.
      layer.update(destination, ({ balance }) => ({ balance: balance + account.balance }))
      layer.remove(source)
      return done(result(xdr.AccountMergeResult.accountMergeSuccess(account.balance)))
    },
  }
}

const bumpSequence = (source: string, { bumpTo }: xdr.BumpSequenceOp): Rule => {
  const result = (inner: xdr.BumpSequenceResult): xdr.OperationResult => tr(xdr.OperationResultTr.bumpSequence(inner))
  const success = result(xdr.BumpSequenceResult.bumpSequenceSuccess())
  return {
    level: LOW,
    success,
    check: () => (bumpTo < 0n ? result(xdr.BumpSequenceResult.bumpSequenceBadSeq()) : undefined),
    apply(layer, at) {
      layer.update(source, ({ sequence }) => sequenceMoved(bumpTo > sequence ? bumpTo : sequence, at))
      return done(success)
    },
  }
}

/** CAP-21: whoever touches the sequence number notes when. */
export const sequenceMoved = (
  sequence: bigint,
  { ledger, closeTime }: Pick<Surroundings, 'ledger' | 'closeTime'>,
): Partial<Account> => ({ sequence, sequenceLedger: ledger, sequenceTime: closeTime })

const beginSponsoring = (source: string, { sponsoredId }: xdr.BeginSponsoringFutureReservesOp): Rule => {
  const sponsored = addressOf(sponsoredId)
  const result = (inner: xdr.BeginSponsoringFutureReservesResult): xdr.OperationResult =>
    tr(xdr.OperationResultTr.beginSponsoringFutureReserves(inner))
  const success = result(xdr.BeginSponsoringFutureReservesResult.beginSponsoringFutureReservesSuccess())
  return {
    level: MEDIUM,
    success,
    check: () =>
      sponsored === source ? result(xdr.BeginSponsoringFutureReservesResult.beginSponsoringFutureReservesMalformed()) : undefined,
    apply({ sponsorships }) {
      if (sponsorships.has(sponsored)) {
        return failed(result(xdr.BeginSponsoringFutureReservesResult.beginSponsoringFutureReservesAlreadySponsored()))
      }
      if (sponsorships.has(source) || [...sponsorships.values()].includes(sponsored)) {
        return failed(result(xdr.BeginSponsoringFutureReservesResult.beginSponsoringFutureReservesRecursive()))
      }
      sponsorships.set(sponsored, source)
      return done(success)
    },
  }
}

const endSponsoring = (source: string): Rule => {
  const result = (inner: xdr.EndSponsoringFutureReservesResult): xdr.OperationResult =>
    tr(xdr.OperationResultTr.endSponsoringFutureReserves(inner))
  const success = result(xdr.EndSponsoringFutureReservesResult.endSponsoringFutureReservesSuccess())
  return {
    level: MEDIUM,
    success,
    apply: ({ sponsorships }) =>
      sponsorships.delete(source)
        ? done(success)
        : failed(result(xdr.EndSponsoringFutureReservesResult.endSponsoringFutureReservesNotSponsored())),
  }
}

const revokeSponsorship = (source: string, op: xdr.RevokeSponsorshipOp): Rule => {
  const result = (inner: xdr.RevokeSponsorshipResult): xdr.OperationResult => tr(xdr.OperationResultTr.revokeSponsorship(inner))
  const success = result(xdr.RevokeSponsorshipResult.revokeSponsorshipSuccess())
  const doesNotExist = result(xdr.RevokeSponsorshipResult.revokeSponsorshipDoesNotExist())

  /** From whom the reserve goes to whom; the entry's new sponsor is written by `write`. */
  const move = (
    layer: Layer,
    owner: string,
    from: string | undefined,
    reserves: number,
    baseReserve: bigint,
    write: (sponsor: string | undefined) => void,
  ): Outcome => {
    if ((from ?? owner) !== source) return failed(result(xdr.RevokeSponsorshipResult.revokeSponsorshipNotSponsor()))
    // Whoever sponsors the source now takes over, unless that is the owner, who then just pays.
    const sponsor = layer.sponsorships.get(source)
    const to = sponsor === owner ? undefined : sponsor
    const problem = moveReserve(layer, owner, from, to, reserves, baseReserve)
    if (problem !== undefined) {
      return reserveFailure(problem, result(xdr.RevokeSponsorshipResult.revokeSponsorshipLowReserve()))
    }
    write(to)
    return done(success)
  }

  const revokeEntry = (layer: Layer, key: xdr.LedgerKey, baseReserve: bigint): Outcome => {
    switch (key.type) {
      case 'account': {
        const id = addressOf(key.account.accountId)
        const account = layer.get(id)
        if (account === undefined) return failed(doesNotExist)
        return move(layer, id, account.sponsor, ACCOUNT_RESERVES, baseReserve, (sponsor) => layer.update(id, () => ({ sponsor })))
      }
      case 'data': {
        const id = addressOf(key.data.accountId)
        const name = key.data.dataName.toString()
        const entry = layer.get(id)?.data.get(name)
        if (entry === undefined) return failed(doesNotExist)
        return move(layer, id, entry.sponsor, 1, baseReserve, (sponsor) =>
          layer.update(id, ({ data }) => ({ data: new Map([...data, [name, { ...entry, sponsor }]]) })),
        )
      }
      default:
        return failed(doesNotExist)
    }
  }

  const revokeSigner = (layer: Layer, { accountId, signerKey }: xdr.RevokeSponsorshipOpSigner, baseReserve: bigint): Outcome => {
    const id = addressOf(accountId)
    const signer = layer.get(id)?.signers.find(({ key }) => key.equals(signerKey))
    if (signer === undefined) return failed(doesNotExist)
    return move(layer, id, signer.sponsor, 1, baseReserve, (sponsor) =>
      layer.update(id, ({ signers }) => ({
        signers: signers.map((other) => (other.key.equals(signerKey) ? { ...other, sponsor } : other)),
      })),
    )
  }

  return {
    level: MEDIUM,
    success,
    check() {
      if (op.type !== 'revokeSponsorshipLedgerEntry' || op.ledgerKey.type !== 'data') return undefined
      const { dataName } = op.ledgerKey.data
      return dataName.length < 1 || !isValidString(dataName)
        ? result(xdr.RevokeSponsorshipResult.revokeSponsorshipMalformed())
        : undefined
    },
    apply: (layer, { baseReserve }) =>
      op.type === 'revokeSponsorshipLedgerEntry'
        ? revokeEntry(layer, op.ledgerKey, baseReserve)
        : revokeSigner(layer, op.signer, baseReserve),
  }
}

const unsupported: Rule = {
  level: MEDIUM,
  success: xdr.OperationResult.opNotSupported(),
  check: () => xdr.OperationResult.opNotSupported(),
  apply: () => failed(xdr.OperationResult.opNotSupported()),
}

/** The rules of one operation. */
export const ruleOf = ({ source, body }: Operation): Rule => {
  switch (body.type) {
    case 'createAccount':
      return createAccount(source, body.value)
    case 'payment':
      return payment(source, body.value)
    case 'setOptions':
      return setOptions(source, body.value)
    case 'accountMerge':
      return accountMerge(source, body.value)
    case 'manageData':
      return manageData(source, body.value)
    case 'bumpSequence':
      return bumpSequence(source, body.value)
    case 'beginSponsoringFutureReserves':
      return beginSponsoring(source, body.value)
    case 'endSponsoringFutureReserves':
      return endSponsoring(source)
    case 'revokeSponsorship':
      return revokeSponsorship(source, body.value)
    default:
      return unsupported
  }
}

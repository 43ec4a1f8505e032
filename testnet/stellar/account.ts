import { StrKey, xdr } from '@stellar/stellar-sdk/base'

/** A signer beside the master key, as an account holds it. */
export interface Signer {
  readonly key: xdr.SignerKey
  readonly weight: number
  /** Who pays its reserve, where that is not the account itself. */
  readonly sponsor: string | undefined
}

export interface DataEntry {
  readonly value: Uint8Array
  readonly sponsor: string | undefined
  readonly lastModified: number
}

/**
 * One account with all that belongs to it. Never changed, only replaced.
 * Ids are Stellar addresses (`G…`), amounts are stroops (10⁻⁷ XLM), ledgers are sequence numbers of ledgers.
 */
export interface Account {
  readonly id: string
  readonly balance: bigint
  readonly sequence: bigint
  /** Ledger and close time (Unix seconds) in which the sequence number last moved; 0 = never. */
  readonly sequenceLedger: number
  readonly sequenceTime: bigint
  readonly flags: number
  /** ASCII, as the ledger admits nothing else. */
  readonly homeDomain: string
  readonly inflationDestination: string | undefined
  /** Weight of the master key, then the low, medium and high threshold. */
  readonly thresholds: Thresholds
  /** In the order of their XDR. */
  readonly signers: readonly Signer[]
  /** By name (ASCII). */
  readonly data: ReadonlyMap<string, DataEntry>
  readonly sponsor: string | undefined
  readonly numSponsoring: number
  readonly numSponsored: number
  readonly lastModified: number
}

export type Thresholds = readonly [master: number, low: number, medium: number, high: number]

/** xdr: AccountFlags. */
export const AUTH_REVOCABLE = 2
export const AUTH_IMMUTABLE = 4
export const AUTH_CLAWBACK_ENABLED = 8
/** The four flags there are. */
export const ALL_FLAGS = 15

/** xdr: MAX_SIGNERS; stellar-core: ACCOUNT_SUBENTRY_LIMIT. */
export const SIGNERS_MAX = 20
export const SUBENTRIES_MAX = 1000

export const newAccount = (id: string, balance: bigint, sequence: bigint): Account => ({
  id,
  balance,
  sequence,
  sequenceLedger: 0,
  sequenceTime: 0n,
  flags: 0,
  homeDomain: '',
  inflationDestination: undefined,
  thresholds: [1, 0, 0, 0],
  signers: [],
  data: new Map(),
  sponsor: undefined,
  numSponsoring: 0,
  numSponsored: 0,
  lastModified: 0,
})

export const subentries = (account: Account): number => account.signers.length + account.data.size

/** What the account must keep: two base reserves for itself, one for each subentry, and what it sponsors less what others sponsor of it. */
export const minimumBalance = (account: Account, baseReserve: bigint): bigint =>
  BigInt(2 + subentries(account) + account.numSponsoring - account.numSponsored) * baseReserve

/** What it may spend. Below zero when fees ate into the reserve. */
export const availableBalance = (account: Account, baseReserve: bigint): bigint =>
  account.balance - minimumBalance(account, baseReserve)

export const isImmutable = (account: Account): boolean => (account.flags & AUTH_IMMUTABLE) !== 0

const publicKey = (id: string): xdr.PublicKey => xdr.PublicKey.publicKeyTypeEd25519(StrKey.decodeEd25519PublicKey(id))
const optionalKey = (id: string | undefined): xdr.PublicKey | null => (id === undefined ? null : publicKey(id))

export const addressOf = (key: xdr.PublicKey): string => StrKey.encodeEd25519PublicKey(key.ed25519.toBytes())

/** The account below a muxed address: the ledger knows no other. */
export const addressOfMuxed = (account: xdr.MuxedAccount): string =>
  StrKey.encodeEd25519PublicKey(
    account.type === 'keyTypeEd25519' ? account.ed25519.toBytes() : account.med25519.ed25519.toBytes(),
  )

const entry = (lastModified: number, data: xdr.LedgerEntryData, sponsor: string | undefined): xdr.LedgerEntry =>
  new xdr.LedgerEntry({
    lastModifiedLedgerSeq: lastModified,
    data,
    ext:
      sponsor === undefined
        ? xdr.LedgerEntryExt.v0()
        : xdr.LedgerEntryExt.v1(
            new xdr.LedgerEntryExtensionV1({ sponsoringId: publicKey(sponsor), ext: xdr.LedgerEntryExtensionV1Ext.v0() }),
          ),
  })

/** The account's ledger entries: itself, then its data in order of name. */
export const ledgerEntries = (account: Account): xdr.LedgerEntry[] => {
  const sequenceMoved = xdr.AccountEntryExtensionV2Ext.v3(
    new xdr.AccountEntryExtensionV3({
      ext: xdr.ExtensionPoint.v0(),
      seqLedger: account.sequenceLedger,
      seqTime: account.sequenceTime,
    }),
  )
  const own = new xdr.AccountEntry({
    accountId: publicKey(account.id),
    balance: account.balance,
    seqNum: account.sequence,
    numSubEntries: subentries(account),
    inflationDest: optionalKey(account.inflationDestination),
    flags: account.flags,
    homeDomain: account.homeDomain,
    thresholds: Uint8Array.from(account.thresholds),
    signers: account.signers.map(({ key, weight }) => new xdr.Signer({ key, weight })),
    ext: xdr.AccountEntryExt.v1(
      new xdr.AccountEntryExtensionV1({
        liabilities: new xdr.Liabilities({ buying: 0n, selling: 0n }),
        ext: xdr.AccountEntryExtensionV1Ext.v2(
          new xdr.AccountEntryExtensionV2({
            numSponsored: account.numSponsored,
            numSponsoring: account.numSponsoring,
            signerSponsoringIDs: account.signers.map(({ sponsor }) => optionalKey(sponsor)),
            ext: account.sequenceLedger === 0 ? xdr.AccountEntryExtensionV2Ext.v0() : sequenceMoved,
          }),
        ),
      }),
    ),
  })
  const data = [...account.data]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { value, sponsor, lastModified }]) =>
      entry(
        lastModified,
        xdr.LedgerEntryData.data(
          new xdr.DataEntry({
            accountId: publicKey(account.id),
            dataName: name,
            dataValue: value,
            ext: xdr.DataEntryExt.v0(),
          }),
        ),
        sponsor,
      ),
    )
  return [entry(account.lastModified, xdr.LedgerEntryData.account(own), account.sponsor), ...data]
}

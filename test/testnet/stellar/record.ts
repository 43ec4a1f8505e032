/**
 * Writes test/vectors/stellar-devnet.json: `npx tsx test/testnet/stellar/record.ts`. Each envelope comes with the verdict that the
 * protocol demands, written here by hand; recording stops where the ledger says something else.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { Asset, Operation, type Transaction, type TransactionBuilder, xdr } from '@stellar/stellar-sdk/base'
import { Chain } from '../../../testnet/stellar/chain.ts'
import { NodeKey, networkOf } from '../../../testnet/stellar/ledger.ts'
import { readEnvelopeBase64 } from '../../../testnet/stellar/transaction.ts'
import { resultOf } from '../../../testnet/stellar/verdict.ts'
import { base64Of, build, bump, Person } from './people.ts'
import type { RecordedEnvelope } from './recorded.ts'
import { inWords } from './words.ts'

const PASSPHRASE = 'dstack-mesh devnet vectors ; 2026'
const FILE = new URL('../../vectors/stellar-devnet.json', import.meta.url)

const chain = new Chain(networkOf(PASSPHRASE, 19), new NodeKey(new Uint8Array(32).fill(7)))
const records: RecordedEnvelope[] = []
let now = 1_700_000_000n

const close = (): void => {
  now += 1n
  chain.adopt(chain.next(now))
}
close()

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** Sends an envelope. `expected` is what is said at once; `'PENDING'` where that comes with the ledger. */
const send = (label: string, env: string, expected: string): string => {
  const envelope = readEnvelopeBase64(chain.network.id, env)
  const admission = chain.submit(envelope, chain.closeTime, now)
  const { status } = admission
  const error = status === 'ERROR' ? base64(resultOf(envelope, admission.verdict).toXdr()) : undefined
  const words = error === undefined ? null : inWords(error)
  assert.equal(words ?? status, expected, label)
  records.push({ label, env, hash: envelope.hashHex, status, admission: words, ...(error !== undefined && { error }) })
  return envelope.hashHex
}

/** Closes the ledger; what was sent for it must have come to this, by hash. */
const settle = (expected: Readonly<Record<string, string>>): void => {
  close()
  for (const [hash, words] of Object.entries(expected)) {
    const applied = chain.transaction(hash)
    const at = records.findIndex((record) => record.hash === hash && record.status === 'PENDING')
    assert(applied !== undefined && at >= 0, words)
    const result = base64(applied.result.toXdr())
    assert.equal(inWords(result), words, records[at]!.label)
    records[at] = { ...records[at]!, result, applied: words, ledger: applied.ledger }
  }
}

interface Sending {
  from: Person
  operations: readonly xdr.Operation[]
  signers?: readonly Person[]
  /** On top of the next sequence number. */
  ahead?: bigint
  fee?: number
  change?: (builder: TransactionBuilder) => void
}

const next = (id: string): bigint =>
  (chain.waiting.findLast(({ tx }) => tx.source === id)?.tx.sequence ?? chain.get(id)?.sequence ?? 0n) + 1n

const made = ({ from, operations, signers = [from], ahead = 0n, ...rest }: Sending): Transaction =>
  build(PASSPHRASE, { source: from, sequence: next(from.id) + ahead, operations, signers, ...rest })

/** One that gets in, in a ledger of its own. */
const included = (label: string, sending: Sending, words: string): void => {
  const hash = send(label, base64Of(made(sending)), 'PENDING')
  settle({ [hash]: words })
}

/** One that does not get in. */
const refused = (label: string, sending: Sending, words: string): void => {
  send(label, base64Of(made(sending)), words)
}

const root = Person.root(PASSPHRASE)
const [alice, bob, carol, cluster, stranger, helper] = ['alice', 'bob', 'carol', 'cluster', 'stranger', 'helper'].map((name) =>
  Person.named(name),
) as [Person, Person, Person, Person, Person, Person]
const create = (who: Person, startingBalance: string, source?: Person): xdr.Operation =>
  Operation.createAccount({ destination: who.id, startingBalance, ...(source && { source: source.id }) })
const data = (name: string, value: string | null, source?: Person): xdr.Operation =>
  Operation.manageData({ name, value, ...(source && { source: source.id }) })
const pay = (to: Person, amount: string, source?: Person): xdr.Operation =>
  Operation.payment({ destination: to.id, asset: Asset.native(), amount, ...(source && { source: source.id }) })
const begin = (who: Person, source?: Person): xdr.Operation =>
  Operation.beginSponsoringFutureReserves({ sponsoredId: who.id, ...(source && { source: source.id }) })
const end = (source: Person): xdr.Operation => Operation.endSponsoringFutureReserves({ source: source.id })
const merge = (to: Person, source?: Person): xdr.Operation =>
  Operation.accountMerge({ destination: to.id, ...(source && { source: source.id }) })
const signer = (key: Parameters<typeof Operation.setOptions>[0]['signer'], source?: Person): xdr.Operation =>
  Operation.setOptions({ ...(key && { signer: key }), ...(source && { source: source.id }) })
/** What the SDK would not build. */
const raw = (body: xdr.OperationBody): xdr.Operation => new xdr.Operation({ sourceAccount: null, body })
const options = (fields: Partial<ConstructorParameters<typeof xdr.SetOptionsOp>[0]>): xdr.Operation =>
  raw(
    xdr.OperationBody.setOptions(
      new xdr.SetOptionsOp({
        inflationDest: null,
        clearFlags: null,
        setFlags: null,
        masterWeight: null,
        lowThreshold: null,
        medThreshold: null,
        highThreshold: null,
        homeDomain: null,
        signer: null,
        ...fields,
      }),
    ),
  )

included(
  'fund',
  { from: root, operations: [create(alice, '1000'), create(bob, '1000'), create(carol, '10')] },
  'txSuccess:createAccountSuccess,createAccountSuccess,createAccountSuccess fee=300',
)

// Payments.
included('pay nobody', { from: alice, operations: [pay(cluster, '1')] }, 'txFailed:paymentNoDestination fee=100')
included('pay more than may be spent', { from: carol, operations: [pay(bob, '9.99998')] }, 'txFailed:paymentUnderfunded fee=100')
included('pay oneself more than one has', { from: alice, operations: [pay(alice, '100000')] }, 'txSuccess:paymentSuccess fee=100')
refused(
  'pay nothing',
  {
    from: alice,
    operations: [
      raw(
        xdr.OperationBody.payment(
          new xdr.PaymentOp({
            destination: xdr.MuxedAccount.keyTypeEd25519(bob.pair.rawPublicKey()),
            asset: xdr.Asset.assetTypeNative(),
            amount: 0n,
          }),
        ),
      ),
    ],
  },
  'txFailed:paymentMalformed fee=100',
)
refused('create oneself', { from: alice, operations: [create(alice, '1')] }, 'txFailed:createAccountMalformed fee=100')
included(
  'create for more than one has',
  { from: carol, operations: [create(cluster, '500')] },
  'txFailed:createAccountUnderfunded fee=100',
)
refused('no operation', { from: alice, operations: [] }, 'txMissingOperation fee=100')

// A stranger was first, and made the account empty: the same without createAccount.
included(
  'stranger creates the cluster’s account',
  { from: alice, operations: [begin(cluster), create(cluster, '1'), end(cluster)], signers: [alice, cluster] },
  'txSuccess:beginSponsoringFutureReservesSuccess,createAccountSuccess,endSponsoringFutureReservesSuccess fee=300',
)
included(
  'genesis meets it',
  {
    from: bob,
    operations: [begin(cluster), create(cluster, '0'), data('dstack.version', '1', cluster), end(cluster)],
    signers: [bob, cluster],
  },
  'txFailed:beginSponsoringFutureReservesSuccess,createAccountAlreadyExist,manageDataSuccess,endSponsoringFutureReservesSuccess fee=400',
)
included(
  'erase, merge and make again, not frozen',
  { from: bob, operations: [merge(bob, cluster), create(cluster, '1')], signers: [bob, cluster] },
  'txSuccess:accountMergeSuccess,createAccountSuccess fee=200',
)
refused(
  'made in the ledger in which its transaction would start',
  { from: cluster, operations: [data('x', '1')], ahead: (1n << 32n) - 1n },
  'txBadSeq fee=100',
)
included(
  'genesis without createAccount',
  {
    from: bob,
    operations: [
      begin(cluster),
      data('dstack.version', '1', cluster),
      data('dstack.genesis', 'g', cluster),
      Operation.setOptions({
        source: cluster.id,
        masterWeight: 0,
        lowThreshold: 1,
        medThreshold: 1,
        highThreshold: 1,
        setFlags: 4,
      }),
      end(cluster),
    ],
    signers: [bob, cluster],
  },
  'txSuccess:beginSponsoringFutureReservesSuccess,manageDataSuccess,manageDataSuccess,setOptionsSuccess,endSponsoringFutureReservesSuccess fee=500',
)
refused(
  'frozen: the winner’s own second try',
  { from: bob, operations: [begin(cluster), data('dstack.version', '2', cluster), end(cluster)], signers: [bob, cluster] },
  'txFailed:beginSponsoringFutureReservesSuccess,opBadAuth,endSponsoringFutureReservesSuccess fee=300',
)
included(
  'its sponsor passes an entry on',
  {
    from: bob,
    operations: [begin(bob, alice), Operation.revokeDataSponsorship({ account: cluster.id, name: 'dstack.version' }), end(bob)],
    signers: [bob, alice],
  },
  'txSuccess:beginSponsoringFutureReservesSuccess,revokeSponsorshipSuccess,endSponsoringFutureReservesSuccess fee=300',
)
included(
  'who no longer sponsors cannot pass on',
  { from: bob, operations: [Operation.revokeDataSponsorship({ account: cluster.id, name: 'dstack.version' })] },
  'txFailed:revokeSponsorshipNotSponsor fee=100',
)
included(
  'an entry that is not there',
  { from: bob, operations: [Operation.revokeDataSponsorship({ account: cluster.id, name: 'dstack.next' })] },
  'txFailed:revokeSponsorshipDoesNotExist fee=100',
)
refused(
  'a name that cannot be',
  { from: bob, operations: [Operation.revokeDataSponsorship({ account: cluster.id, name: 'é' })] },
  'txFailed:revokeSponsorshipMalformed fee=100',
)

// Sponsorship.
refused('sponsor oneself', { from: alice, operations: [begin(alice)] }, 'txFailed:beginSponsoringFutureReservesMalformed fee=100')
included(
  'sponsored twice',
  { from: alice, operations: [begin(carol), begin(carol, bob), end(carol)], signers: [alice, bob, carol] },
  'txFailed:beginSponsoringFutureReservesSuccess,beginSponsoringFutureReservesAlreadySponsored,endSponsoringFutureReservesSuccess fee=300',
)
included(
  'a sponsor that is sponsored',
  { from: alice, operations: [begin(bob), begin(carol, bob), end(bob)], signers: [alice, bob] },
  'txFailed:beginSponsoringFutureReservesSuccess,beginSponsoringFutureReservesRecursive,endSponsoringFutureReservesSuccess fee=300',
)
included(
  'a sponsored account that sponsors',
  { from: alice, operations: [begin(bob), begin(alice, carol), end(bob)], signers: [alice, bob, carol] },
  'txFailed:beginSponsoringFutureReservesSuccess,beginSponsoringFutureReservesRecursive,endSponsoringFutureReservesSuccess fee=300',
)
included('end of nothing', { from: alice, operations: [end(alice)] }, 'txFailed:endSponsoringFutureReservesNotSponsored fee=100')
included(
  'a sponsor without means',
  {
    from: carol,
    operations: [begin(alice), ...Array.from({ length: 19 }, (_, i) => data(`d${i}`, 'x', alice)), end(alice)],
    signers: [carol, alice],
  },
  `txFailed:beginSponsoringFutureReservesSuccess,${'manageDataSuccess,'.repeat(17)}manageDataLowReserve,manageDataLowReserve,endSponsoringFutureReservesSuccess fee=2100`,
)
included(
  'a sponsored signer',
  {
    from: alice,
    operations: [begin(carol), signer({ ed25519PublicKey: bob.id, weight: 1 }, carol), end(carol)],
    signers: [alice, carol],
  },
  'txSuccess:beginSponsoringFutureReservesSuccess,setOptionsSuccess,endSponsoringFutureReservesSuccess fee=300',
)
included(
  'its sponsor takes that back',
  { from: alice, operations: [Operation.revokeSignerSponsorship({ account: carol.id, signer: { ed25519PublicKey: bob.id } })] },
  'txSuccess:revokeSponsorshipSuccess fee=100',
)
included(
  'an account that sponsors does not merge',
  { from: alice, operations: [merge(bob)] },
  'txFailed:accountMergeIsSponsor fee=100',
)

// Options.
refused('a flag there is not', { from: alice, operations: [options({ setFlags: 16 })] }, 'txFailed:setOptionsUnknownFlag fee=100')
refused(
  'set and cleared',
  { from: alice, operations: [options({ setFlags: 1, clearFlags: 1 })] },
  'txFailed:setOptionsBadFlags fee=100',
)
refused(
  'a weight of 256',
  { from: alice, operations: [options({ masterWeight: 256 })] },
  'txFailed:setOptionsThresholdOutOfRange fee=100',
)
refused(
  'oneself as a signer',
  { from: alice, operations: [signer({ ed25519PublicKey: alice.id, weight: 1 })] },
  'txFailed:setOptionsBadSigner fee=100',
)
included(
  'clawback without revocation',
  { from: alice, operations: [options({ setFlags: 8 })] },
  'txFailed:setOptionsAuthRevocableRequired fee=100',
)
included(
  'a stranger to inherit inflation',
  { from: alice, operations: [Operation.setOptions({ inflationDest: stranger.id })] },
  'txFailed:setOptionsInvalidInflation fee=100',
)
included(
  'twenty signers, and one more',
  {
    from: alice,
    operations: Array.from({ length: 21 }, (_, i) => signer({ ed25519PublicKey: Person.named(`signer ${i}`).id, weight: 1 })),
  },
  `txFailed:${'setOptionsSuccess,'.repeat(20)}setOptionsTooManySigners fee=2100`,
)
included(
  'a signer of weight 0 that never was',
  { from: alice, operations: [signer({ ed25519PublicKey: bob.id, weight: 0 })] },
  'txSuccess:setOptionsSuccess fee=100',
)

// Signers of other kinds.
const secret = createHash('sha256').update('secret').digest()
const lock = createHash('sha256').update(secret).digest()
included(
  'a hash as a signer',
  { from: alice, operations: [signer({ sha256Hash: lock, weight: 1 })] },
  'txSuccess:setOptionsSuccess fee=100',
)
const opened = made({ from: alice, operations: [data('opened', 'yes')], signers: [] })
opened.signHashX(new Uint8Array(secret))
settle({ [send('signed by what hashes to it', base64Of(opened), 'PENDING')]: 'txSuccess:manageDataSuccess fee=100' })
const promised = build(PASSPHRASE, {
  source: alice,
  sequence: next(alice.id) + 1n,
  operations: [data('promised', 'yes')],
  signers: [],
})
included(
  'a transaction signed beforehand',
  { from: alice, operations: [signer({ preAuthTx: promised.hash(), weight: 1 })] },
  'txSuccess:setOptionsSuccess fee=100',
)
settle({ [send('it needs no signature', base64Of(promised), 'PENDING')]: 'txSuccess:manageDataSuccess fee=100' })
assert.equal(chain.get(alice.id)!.signers.length, 1, 'the pre-authorisation is used up')

// Conditions.
refused(
  'a ledger that is over',
  { from: alice, operations: [data('x', '1')], change: (builder) => builder.setLedgerbounds(0, 5) },
  'txTooLate fee=100',
)
refused(
  'a ledger to come',
  { from: alice, operations: [data('x', '1')], change: (builder) => builder.setLedgerbounds(1_000_000, 0) },
  'txTooEarly fee=100',
)
refused(
  'not that many ledgers since the last',
  { from: alice, operations: [data('x', '1')], change: (builder) => builder.setMinAccountSequenceLedgerGap(500) },
  'txBadMinSeqAgeOrGap fee=100',
)
included(
  'one ledger since the last',
  { from: alice, operations: [data('x', '1')], change: (builder) => builder.setMinAccountSequenceLedgerGap(1) },
  'txSuccess:manageDataSuccess fee=100',
)
included(
  'ahead, as it says it may be',
  { from: alice, operations: [data('x', '2')], ahead: 10n, change: (builder) => builder.setMinAccountSequence('1') },
  'txSuccess:manageDataSuccess fee=100',
)
refused(
  'not yet as far as it says',
  { from: alice, operations: [data('x', '2')], change: (builder) => builder.setMinAccountSequence(String(next(alice.id))) },
  'txBadSeq fee=100',
)
refused(
  'an extra signer that did not sign',
  { from: alice, operations: [data('x', '3')], change: (builder) => builder.setExtraSigners([bob.id]) },
  'txBadAuth fee=100',
)
included(
  'an extra signer',
  { from: alice, operations: [data('x', '3')], signers: [alice, bob], change: (builder) => builder.setExtraSigners([bob.id]) },
  'txSuccess:manageDataSuccess fee=100',
)
refused(
  'the same extra signer twice',
  {
    from: alice,
    operations: [data('x', '3')],
    signers: [alice, bob],
    change: (builder) => builder.setExtraSigners([bob.id, bob.id]),
  },
  'txMalformed fee=100',
)

// The queue.
const first = made({ from: bob, operations: [data('q', '1')] })
send('one that waits', base64Of(first), 'PENDING')
send('the same again', base64Of(first), 'DUPLICATE')
const rival = build(PASSPHRASE, { source: bob, sequence: next(bob.id) - 1n, operations: [data('q', '2')], signers: [bob] })
send('its rival', base64Of(rival), 'txBadSeq fee=100')
send('its rival, bumped to nine times the fee', base64Of(bump(PASSPHRASE, alice, rival, 900)), 'txInsufficientFee fee=2000')
const winner = send('its rival, bumped to ten times the fee', base64Of(bump(PASSPHRASE, alice, rival, 1000)), 'PENDING')
refused('one that would leave a gap', { from: bob, operations: [data('q', '4')], ahead: 1n }, 'txBadSeq fee=100')
refused(
  'one that must wait for the last',
  { from: bob, operations: [data('q', '4')], change: (builder) => builder.setMinAccountSequenceLedgerGap(1) },
  'txBadMinSeqAgeOrGap fee=100',
)
const chained = send('the next of the same account', base64Of(made({ from: bob, operations: [data('q', '3')] })), 'PENDING')
settle({
  [winner]: 'txFeeBumpInnerSuccess/txSuccess:manageDataSuccess fee=200',
  [chained]: 'txSuccess:manageDataSuccess fee=100',
})
const scarce = Person.named('scarce')
included(
  'an account with 300 stroops to spend',
  { from: bob, operations: [create(scarce, '1.0000300')] },
  'txSuccess:createAccountSuccess fee=100',
)
const nothing = Operation.bumpSequence({ bumpTo: '0' })
const bumps = [1, 2].map(() => send('one of three', base64Of(made({ from: scarce, operations: [nothing] })), 'PENDING'))
refused('fees of all that wait count', { from: scarce, operations: [nothing, nothing] }, 'txInsufficientBalance fee=200')
bumps.push(send('the last of three', base64Of(made({ from: scarce, operations: [nothing] })), 'PENDING'))
settle(Object.fromEntries(bumps.map((hash) => [hash, 'txSuccess:bumpSequenceSuccess fee=100'])))

// Fee bumps.
const poor = made({ from: scarce, operations: [nothing] })
send('fee bump by nobody', base64Of(bump(PASSPHRASE, stranger, poor, 100)), 'txNoAccount fee=200')
const unsigned = bump(PASSPHRASE, alice, poor, 100)
unsigned.signatures.length = 0
send('fee bump that nobody signed', base64Of(unsigned), 'txBadAuth fee=200')
const extra = bump(PASSPHRASE, alice, poor, 100)
bob.sign(extra)
send('fee bump that one too many signed', base64Of(extra), 'txBadAuthExtra fee=200')
send(
  'fee bump of what is wrong inside',
  base64Of(
    bump(
      PASSPHRASE,
      alice,
      build(PASSPHRASE, { source: scarce, sequence: next(scarce.id), operations: [data('é', 'x')], signers: [scarce] }),
      100,
    ),
  ),
  'txFeeBumpInnerFailed/txFailed:manageDataInvalidName fee=200',
)

// Merging.
included('helper comes', { from: bob, operations: [create(helper, '5')] }, 'txSuccess:createAccountSuccess fee=100')
refused('merge into oneself', { from: helper, operations: [merge(helper)] }, 'txFailed:accountMergeMalformed fee=100')
included('merge into nobody', { from: helper, operations: [merge(stranger)] }, 'txFailed:accountMergeNoAccount fee=100')
included(
  'with data',
  { from: helper, operations: [data('x', 'y'), merge(bob)] },
  'txFailed:manageDataSuccess,accountMergeHasSubEntries fee=200',
)
included(
  'then act',
  { from: helper, operations: [merge(bob), data('x', 'y')] },
  'txFailed:accountMergeSuccess,opNoAccount fee=200',
)
included(
  'with a number from the future',
  { from: helper, operations: [Operation.bumpSequence({ bumpTo: String(1n << 40n) }), merge(bob)] },
  'txFailed:bumpSequenceSuccess,accountMergeSeqnumTooFar fee=200',
)
included('merge and go', { from: helper, operations: [merge(bob)] }, 'txSuccess:accountMergeSuccess fee=100')
refused('nobody acts', { from: helper, operations: [data('x', 'y')] }, 'txNoAccount fee=100')
refused(
  'an operation of nobody',
  { from: bob, operations: [data('x', 'y', helper)], signers: [bob] },
  'txFailed:opBadAuth fee=100',
)
included(
  'an operation of nobody, signed',
  { from: bob, operations: [data('x', 'y', helper)], signers: [bob, helper] },
  'txFailed:opNoAccount fee=100',
)

// The old envelope.
const modern = made({ from: bob, operations: [data('old', 'form')] }).toEnvelope()
assert(modern.type === 'envelopeTypeTx')
const { tx, signatures } = modern.v1
assert(tx.cond.type === 'precondTime')
const old = xdr.TransactionEnvelope.envelopeTypeTxV0(
  new xdr.TransactionV0Envelope({
    tx: new xdr.TransactionV0({
      sourceAccountEd25519: bob.pair.rawPublicKey(),
      fee: tx.fee,
      seqNum: tx.seqNum,
      timeBounds: tx.cond.timeBounds,
      memo: tx.memo,
      operations: tx.operations,
      ext: xdr.TransactionV0Ext.v0(),
    }),
    signatures,
  }),
)
settle({ [send('an envelope of the first form', base64(old.toXdr()), 'PENDING')]: 'txSuccess:manageDataSuccess fee=100' })
refused(
  'operations of assets and contracts',
  { from: bob, operations: [raw(xdr.OperationBody.inflation())] },
  'txFailed:opNotSupported fee=100',
)

const recording = {
  core: 'none: verdicts by the rules of protocol 19, written by hand in record.ts',
  passphrase: PASSPHRASE,
  records,
}
writeFileSync(FILE, `${JSON.stringify(recording, undefined, 1)}\n`)
console.log(`${records.length} envelopes recorded`)

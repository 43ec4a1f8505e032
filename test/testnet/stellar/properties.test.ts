import assert from 'node:assert/strict'
import { Asset, Operation, type xdr } from '@stellar/stellar-sdk/base'
import fc from 'fast-check'
import { type Account, minimumBalance } from '../../../testnet/stellar/account.ts'
import { Chain } from '../../../testnet/stellar/chain.ts'
import { NodeKey, networkOf } from '../../../testnet/stellar/ledger.ts'
import { readEnvelopeBase64 } from '../../../testnet/stellar/transaction.ts'
import { proofView } from '../../../testnet/stellar/views.ts'
import { lightCheck } from './light-check.ts'
import { base64Of, build, bump, Person } from './people.ts'

const PASSPHRASE = 'property tests'
const TOTAL = 10n ** 18n
/** The first four exist at first; the others may come to. */
const people = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => Person.named(name))
const root = Person.root(PASSPHRASE)

const person = fc.nat({ max: people.length - 1 })
const settler = fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 3 }) }, person)
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof(fc.constant(undefined), fc.constant(undefined), fc.constant(undefined), value)
const dataName = fc.constantFrom('x', 'y', 'dstack.version')
const small = fc.nat({ max: 3 })

/** Left out where undefined, as the SDK wants it. */
type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}
const defined = <T extends object>(value: T): Defined<T> =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Defined<T>

interface Act {
  readonly source: number | undefined
  readonly make: (source: string | undefined) => xdr.Operation
}

const id = (index: number): string => people[index]!.id

const operation: fc.Arbitrary<Act['make']> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(person, fc.constantFrom('0', '0.9', '1', '5', '5', '20', '400')).map(
      ([to, startingBalance]): Act['make'] =>
        (source) =>
          Operation.createAccount(defined({ destination: id(to), startingBalance, source })),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(settler, fc.constantFrom('0.0000001', '3', '3', '20', '499')).map(
      ([to, amount]): Act['make'] =>
        (source) =>
          Operation.payment(defined({ destination: id(to), asset: Asset.native(), amount, source })),
    ),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(dataName, fc.option(fc.uint8Array({ maxLength: 64 }), { nil: undefined, freq: 3 })).map(
      ([name, value]): Act['make'] =>
        (source) =>
          Operation.manageData(defined({ name, value: value === undefined ? null : Buffer.from(value), source })),
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({
        // Rarely an account that nobody can sign for.
        masterWeight: optional(fc.constantFrom(0, 1, 2, 3, 3, 3)),
        lowThreshold: optional(small),
        medThreshold: optional(small),
        highThreshold: optional(small),
        setFlags: optional(fc.constantFrom(1, 2, 8)),
        clearFlags: optional(fc.constantFrom(1, 4, 8)),
        signer: optional(fc.tuple(person, small)),
      })
      .map(
        ({ signer, setFlags, clearFlags, ...rest }): Act['make'] =>
          (source) =>
            Operation.setOptions(
              defined({
                ...rest,
                setFlags: setFlags as 1 | undefined,
                clearFlags: clearFlags as 1 | undefined,
                signer: signer && { ed25519PublicKey: id(signer[0]), weight: signer[1] },
                source,
              }) as Parameters<typeof Operation.setOptions>[0],
            ),
      ),
  },
  {
    weight: 1,
    arbitrary: person.map(
      (to): Act['make'] =>
        (source) =>
          Operation.accountMerge(defined({ destination: id(to), source })),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('0', '12884901899', '12884901999', '12884902999', '9223372036854775807').map(
      (bumpTo): Act['make'] =>
        (source) =>
          Operation.bumpSequence(defined({ bumpTo, source })),
    ),
  },
  {
    weight: 1,
    arbitrary: person.map(
      (to): Act['make'] =>
        (source) =>
          Operation.beginSponsoringFutureReserves(defined({ sponsoredId: id(to), source })),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Act['make']>((source) => Operation.endSponsoringFutureReserves(defined({ source }))) },
  {
    weight: 1,
    arbitrary: person.map(
      (of): Act['make'] =>
        (source) =>
          Operation.revokeAccountSponsorship(defined({ account: id(of), source })),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(person, dataName).map(
      ([of, name]): Act['make'] =>
        (source) =>
          Operation.revokeDataSponsorship(defined({ account: id(of), name, source })),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(person, person).map(
      ([of, signer]): Act['make'] =>
        (source) =>
          Operation.revokeSignerSponsorship(defined({ account: id(of), signer: { ed25519PublicKey: id(signer) }, source })),
    ),
  },
)

const act: fc.Arbitrary<Act> = fc.record({ source: optional(settler), make: operation })

/** Acts of one between the begin and the end of another's sponsorship. */
const sponsored: fc.Arbitrary<readonly Act[]> = fc
  .tuple(person, person, fc.array(operation, { minLength: 1, maxLength: 3 }))
  .map(([sponsor, owner, makes]): readonly Act[] => [
    { source: sponsor, make: (source) => Operation.beginSponsoringFutureReserves(defined({ sponsoredId: id(owner), source })) },
    ...makes.map((make) => ({ source: owner, make })),
    { source: owner, make: (source) => Operation.endSponsoringFutureReserves(defined({ source })) },
  ])

interface Plan {
  readonly source: number
  readonly acts: readonly Act[]
  readonly sequenceOff: number
  readonly feeOff: number
  readonly mistake: 'none' | 'unsigned' | 'extra'
  readonly payer: number | undefined
  readonly closeAfter: boolean
}

const plan: fc.Arbitrary<Plan> = fc.record({
  source: settler,
  acts: fc.oneof(fc.array(act, { minLength: 1, maxLength: 2 }), fc.array(act, { minLength: 1, maxLength: 5 }), sponsored),
  sequenceOff: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 1),
  feeOff: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 500, -1),
  mistake: fc.constantFrom('none', 'none', 'none', 'none', 'none', 'none', 'none', 'none', 'unsigned', 'extra'),
  payer: optional(settler),
  closeAfter: fc.boolean(),
})

const newChain = (): Chain => {
  const chain = new Chain(networkOf(PASSPHRASE, 22), new NodeKey(new Uint8Array(32).fill(1)))
  chain.adopt(chain.next(1n))
  const funding = build(PASSPHRASE, {
    source: root,
    sequence: 1n,
    operations: people
      .slice(0, 4)
      .map(({ id: destination }, i) => Operation.createAccount({ destination, startingBalance: i === 3 ? '2.5' : '500' })),
    signers: [root],
  })
  assert.equal(chain.submit(readEnvelopeBase64(chain.network.id, base64Of(funding)), 1n, 1n).status, 'PENDING')
  chain.adopt(chain.next(2n))
  return chain
}

const envelopeOf = (chain: Chain, { source: from, acts, sequenceOff, feeOff, mistake, payer }: Plan) => {
  const source = people[from]!
  const waiting = chain.waiting.findLast(({ tx }) => tx.source === source.id)
  const current = waiting?.tx.sequence ?? chain.get(source.id)?.sequence ?? 0n
  const operations = acts.map((one) => one.make(one.source === undefined ? undefined : id(one.source)))
  const involved = new Set([from, ...acts.flatMap((one) => one.source ?? [])])
  const signers = [...involved].map((index) => people[index]!)
  if (mistake === 'unsigned') signers.pop()
  if (mistake === 'extra') signers.push(root)
  // Accounts whose bumps went to the end of all numbers can only be wrong from there on.
  const sequence = current + 1n + BigInt(sequenceOff)
  if (sequence < 1n || sequence > 2n ** 63n - 1n) return undefined
  const inner = build(PASSPHRASE, { source, sequence, operations, signers, fee: (100 + feeOff) * operations.length })
  const transaction = payer === undefined ? inner : bumped(people[payer]!, inner)
  return readEnvelopeBase64(chain.network.id, base64Of(transaction))
}

const bumped = (payer: Person, inner: ReturnType<typeof build>) => bump(PASSPHRASE, payer, inner, Number(inner.fee) + 100)

const check = (chain: Chain): void => {
  let coins = chain.head.header.feePool
  const sponsoring = new Map<string, number>()
  for (const account of chain.accounts) {
    coins += account.balance
    assert(account.balance >= 0n, 'a balance below zero')
    const sponsors = [
      account.sponsor,
      account.sponsor,
      ...[...account.data.values()].map(({ sponsor }) => sponsor),
      ...account.signers.map(({ sponsor }) => sponsor),
    ].filter((sponsor) => sponsor !== undefined)
    assert.equal(account.numSponsored, sponsors.length, 'what is sponsored of an account')
    for (const sponsor of sponsors) sponsoring.set(sponsor, (sponsoring.get(sponsor) ?? 0) + 1)
    assert(minimumBalance(account, 5_000_000n) >= 0n)
  }
  for (const account of chain.accounts) {
    assert.equal(account.numSponsoring, sponsoring.get(account.id) ?? 0, 'what an account sponsors')
    sponsoring.delete(account.id)
  }
  assert.equal(sponsoring.size, 0, 'a sponsor that does not exist')
  assert.equal(coins, TOTAL, 'coins appeared or vanished')
}

describe('devnet ledger, any transactions', () => {
  it('keeps every coin, every reserve and every sequence number, and its ledgers verify', function () {
    this.timeout(20_000)
    const seen = { applied: 0, succeeded: 0, refused: 0 }
    fc.assert(
      fc.property(fc.array(plan, { minLength: 5, maxLength: 25 }), (plans) => {
        const chain = newChain()
        let now = 2n
        const close = (): void => {
          now += 1n
          const before = new Map([...chain.accounts].map((account) => [account.id, account]))
          const pool = chain.head.header.feePool
          const past = chain.adopt(chain.next(now))
          check(chain)
          let fees = 0n
          for (const { verdict, envelope } of past.transactions) {
            fees += verdict.feeCharged
            assert(verdict.feeCharged <= envelope.fee, 'more charged than was offered')
            seen.applied += 1
            if (verdict.verdict.code === 'txSuccess') seen.succeeded += 1
          }
          assert.equal(past.feePool - pool, fees)
          for (const account of chain.accounts) {
            const earlier = before.get(account.id)
            // One that was merged away and made again starts above all that it used.
            if (earlier !== undefined) assert(account.sequence >= earlier.sequence, 'a sequence number went back')
          }
          const { hash, previous, ledger } = lightCheck(
            PASSPHRASE,
            proofView(chain, past) as unknown as Parameters<typeof lightCheck>[1],
          )
          assert.equal(ledger, past.ledger)
          const parent = chain.ledger(ledger - 1)
          assert(typeof parent === 'object')
          assert.equal(previous, Buffer.from(parent.hash).toString('hex'))
          assert.equal(hash, Buffer.from(past.hash).toString('hex'))
        }
        for (const one of plans) {
          const envelope = envelopeOf(chain, one)
          if (envelope === undefined) continue
          const { status } = chain.submit(envelope, now, now)
          if (status !== 'PENDING') seen.refused += 1
          if (one.closeAfter) close()
        }
        close()
      }),
      { numRuns: 80, seed: 6 },
    )
    // The property says something only where transactions got in, and some of them went through.
    assert(seen.applied > 400 && seen.succeeded > 100 && seen.refused > 100, JSON.stringify(seen))
  })

  it('leaves nothing of a failed transaction but its fee and its sequence number', function () {
    this.timeout(20_000)
    let failed = 0
    fc.assert(
      fc.property(fc.array(plan, { minLength: 3, maxLength: 10 }), (plans) => {
        const chain = newChain()
        let now = 2n
        for (const one of plans) {
          const envelope = envelopeOf(chain, one)
          if (envelope === undefined || chain.submit(envelope, now, now).status !== 'PENDING') continue
          const before = new Map([...chain.accounts].map((account) => [account.id, account]))
          now += 1n
          const [applied] = chain.adopt(chain.next(now)).transactions
          if (applied === undefined || applied.verdict.verdict.code === 'txSuccess') continue
          failed += 1
          const { tx, feeSource } = envelope
          for (const account of chain.accounts) {
            const expected = { ...before.get(account.id)! }
            const changes: Partial<Account> = {
              ...(account.id === feeSource && { balance: expected.balance - applied.verdict.feeCharged }),
              ...(account.id === tx.source && {
                sequence: tx.sequence,
                sequenceLedger: applied.ledger,
                sequenceTime: now,
              }),
            }
            const touched: Partial<Account> | false = Object.keys(changes).length > 0 && { lastModified: applied.ledger }
            assert.deepEqual(account, { ...expected, ...changes, ...touched })
          }
        }
      }),
      { numRuns: 40, seed: 7 },
    )
    assert(failed > 40, String(failed))
  })
})

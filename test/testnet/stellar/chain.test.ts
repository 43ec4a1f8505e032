import assert from 'node:assert/strict'
import { Operation, type xdr } from '@stellar/stellar-sdk/base'
import { Chain } from '../../../testnet/stellar/chain.ts'
import { NodeKey, networkOf } from '../../../testnet/stellar/ledger.ts'
import { answerRpc } from '../../../testnet/stellar/rpc.ts'
import { type Envelope, readEnvelopeBase64 } from '../../../testnet/stellar/transaction.ts'
import { proofView } from '../../../testnet/stellar/views.ts'
import { lightCheck } from './light-check.ts'
import { base64Of, build, Person } from './people.ts'

const PASSPHRASE = 'chain tests'
const root = Person.root(PASSPHRASE)
type ProofJson = Parameters<typeof lightCheck>[1]

const newChain = (protocol: 19 | 22 = 22, kept?: number): Chain =>
  new Chain(networkOf(PASSPHRASE, protocol), new NodeKey(new Uint8Array(32).fill(3)), kept)

const envelope = (
  chain: Chain,
  from: Person,
  sequence: bigint,
  operations: readonly xdr.Operation[],
  maxTime?: number,
): Envelope => {
  const transaction = build(PASSPHRASE, {
    source: from,
    sequence,
    operations,
    signers: [from],
    ...(maxTime !== undefined && { maxTime }),
  })
  return readEnvelopeBase64(chain.network.id, base64Of(transaction))
}
const nothing = (count: number): xdr.Operation[] => Array.from({ length: count }, () => Operation.bumpSequence({ bumpTo: '0' }))

const proofOf = (chain: Chain, sequence: number): ProofJson => {
  const past = chain.ledger(sequence)
  assert(typeof past === 'object')
  return proofView(chain, past) as unknown as ProofJson
}

describe('devnet ledger, its chain', () => {
  it('puts no more into a ledger than fits; the rest waits in order, and what is too much is refused', () => {
    const chain = newChain()
    const statuses = Array.from({ length: 41 }, (_, i) => {
      const { status } = chain.submit(envelope(chain, root, BigInt(i + 1), nothing(100)), 0n, 1n)
      return status
    })
    assert.deepEqual(statuses, [...Array.from({ length: 40 }, () => 'PENDING'), 'TRY_AGAIN_LATER'])
    for (let ledger = 0; ledger < 4; ledger++) {
      const { transactions } = chain.adopt(chain.next(1n))
      const sequences = transactions.map(({ envelope: { tx } }) => Number(tx.sequence))
      assert.deepEqual(
        sequences,
        Array.from({ length: 10 }, (_, i) => ledger * 10 + i + 1),
      )
    }
    assert.equal(chain.adopt(chain.next(1n)).transactions.length, 0)
  })

  it('drops what became too late while it waited, and what came after it of the same account', () => {
    const chain = newChain()
    assert.equal(chain.submit(envelope(chain, root, 1n, nothing(1), 100), 0n, 100n).status, 'PENDING')
    assert.equal(chain.submit(envelope(chain, root, 2n, nothing(1)), 0n, 100n).status, 'PENDING')
    assert.equal(chain.adopt(chain.next(101n)).transactions.length, 0)
    assert.equal(chain.waiting.length, 0)
    assert.equal(chain.get(root.id)!.sequence, 0n)
  })

  for (const protocol of [19, 22] as const) {
    it(`makes ledgers of protocol ${protocol} that verify by hashing alone, and not when a bit of them changes`, () => {
      const chain = newChain(protocol)
      for (let i = 1n; i <= 3n; i++) {
        const name = Operation.manageData({ name: `n${i}`, value: 'v' })
        assert.equal(chain.submit(envelope(chain, root, i, [name]), i, i).status, 'PENDING')
        if (i !== 2n) chain.adopt(chain.next(i))
      }
      const proof = proofOf(chain, 3)
      assert.equal(lightCheck(PASSPHRASE, proof).transactions, 2)
      assert.equal(lightCheck(PASSPHRASE, proof).previous, lightCheck(PASSPHRASE, proofOf(chain, 2)).hash)
      for (const field of ['header_xdr', 'tx_set_xdr', 'results_xdr'] as const) {
        const bytes = Buffer.from(proof[field], 'base64')
        for (let at = 3; at < bytes.length; at += 5) {
          const wrong = Buffer.from(bytes)
          wrong[at]! ^= 1
          // A change in the header gives another ledger: its hash or its signature is wrong then.
          assert.throws(() => lightCheck(PASSPHRASE, { ...proof, [field]: wrong.toString('base64') }), `${field} at ${at}`)
        }
      }
      assert.throws(() => lightCheck('another network', proof), /signature/)
    })
  }

  it('notes the state of every fiftieth ledger in the headers after it', () => {
    const chain = newChain()
    const states = new Map<number, string>()
    for (let i = 2; i <= 120; i++) {
      const name = Operation.manageData({ name: 'n', value: String(i) })
      if (i % 10 === 0) assert.equal(chain.submit(envelope(chain, root, BigInt(i / 10), [name]), 1n, 1n).status, 'PENDING')
      chain.adopt(chain.next(1n))
      states.set(i, Buffer.from(chain.head.header.bucketListHash.toBytes()).toString('hex'))
    }
    const [first, second] = chain.head.header.skipList.map((hash) => Buffer.from(hash.toBytes()).toString('hex'))
    assert.equal(first, states.get(100))
    assert.equal(second, '0'.repeat(64))
    assert.notEqual(states.get(100), states.get(99))
  })

  it('forgets old ledgers without transactions, and no others', () => {
    const chain = newChain(22, 10)
    assert.equal(chain.submit(envelope(chain, root, 1n, nothing(1)), 1n, 1n).status, 'PENDING')
    for (let i = 0; i < 50; i++) chain.adopt(chain.next(1n))
    // 51 is the last; 42 to 51 are the ten kept.
    assert.deepEqual(
      [1, 3, 41].map((sequence) => chain.ledger(sequence)),
      ['pruned', 'pruned', 'pruned'],
    )
    assert.equal(chain.ledger(52), undefined)
    assert.equal(chain.elder, 42)
    assert.equal(lightCheck(PASSPHRASE, proofOf(chain, 2)).transactions, 1)
    for (let sequence = 42; sequence <= 51; sequence++)
      assert.equal(lightCheck(PASSPHRASE, proofOf(chain, sequence)).ledger, sequence)
    const { result } = answerRpc(chain, '{"jsonrpc":"2.0","id":1,"method":"getHealth"}', '') as { result: unknown }
    assert.deepEqual(result, { status: 'healthy', latestLedger: 51, oldestLedger: 42, ledgerRetentionWindow: 10 })
  })

  it('gives transactions by page, each once', () => {
    const chain = newChain()
    for (let i = 1; i <= 10; i++) {
      assert.equal(chain.submit(envelope(chain, root, BigInt(i), nothing(1)), 1n, 1n).status, 'PENDING')
      if (i % 4 === 0) chain.adopt(chain.next(1n))
      if (i === 4) chain.adopt(chain.next(1n))
    }
    chain.adopt(chain.next(1n))
    const page = (params: object): { transactions: { txHash: string; ledger: number }[]; cursor: string } => {
      const answer = answerRpc(chain, JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'getTransactions', params }), '')
      return (answer as { result: ReturnType<typeof page> }).result
    }
    const seen: string[] = []
    let { transactions, cursor } = page({ startLedger: 2, pagination: { limit: 3 } })
    while (transactions.length > 0) {
      seen.push(...transactions.map(({ txHash }) => txHash))
      ;({ transactions, cursor } = page({ pagination: { cursor, limit: 3 } }))
    }
    assert.equal(seen.length, 10)
    assert.equal(new Set(seen).size, 10)
    assert.deepEqual(
      page({ startLedger: 4 }).transactions.map(({ ledger }) => ledger),
      [4, 4, 4, 4, 5, 5],
    )
  })
})

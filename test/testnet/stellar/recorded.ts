import { readFile } from 'node:fs/promises'
import { Chain } from '../../../testnet/stellar/chain.ts'
import { NodeKey, networkOf } from '../../../testnet/stellar/ledger.ts'
import { MalformedError, readEnvelopeBase64 } from '../../../testnet/stellar/transaction.ts'
import { resultOf } from '../../../testnet/stellar/verdict.ts'

/** Signed envelopes in the order they were sent, each with what was answered. */
export interface Recording {
  readonly core: string
  readonly passphrase: string
  readonly records: readonly RecordedEnvelope[]
}

export interface RecordedEnvelope {
  readonly label: string
  readonly env: string
  readonly hash: string
  readonly status: string
  /** A refusal in words. */
  readonly admission?: string | null
  /** Result XDR of a refusal. */
  readonly error?: string
  /** Result XDR and ledger of what got in. */
  readonly result?: string
  readonly ledger?: number
  /** The result in words. */
  readonly applied?: string
}

export const readRecording = async (url: URL): Promise<Recording> => JSON.parse(await readFile(url, 'utf8')) as Recording

/** What this ledger answers, in the recording's form. */
export type Answer = Pick<RecordedEnvelope, 'status' | 'error' | 'result' | 'ledger'>

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/**
 * Replays a recording under its passphrase, from the same genesis: each envelope is sent when the ledger before its own has closed,
 * and those of one ledger together.
 */
export const replay = ({ passphrase, records }: Recording): { chain: Chain; answers: Answer[] } => {
  const chain = new Chain(networkOf(passphrase, 19), new NodeKey(new Uint8Array(32).fill(7)))
  let now = 1_700_000_000n
  const close = (): void => {
    now += 1n
    chain.adopt(chain.next(now))
  }
  // Like a stellar-core of its own, which votes for protocol and reserve in ledger 2.
  close()
  const answers = records.map(({ env, ledger }, i): Answer => {
    if (ledger !== undefined) while (chain.head.header.ledgerSeq < ledger - 1) close()
    try {
      const envelope = readEnvelopeBase64(chain.network.id, env)
      const admission = chain.submit(envelope, chain.closeTime, now)
      const { status } = admission
      if (status === 'ERROR') {
        const error = base64(resultOf(envelope, admission.verdict).toXdr())
        return { status, error }
      }
      if (status !== 'PENDING') return { status }
      // One without a ledger was replaced while it waited. The ledger closes unless the next of the same is still to come.
      if (ledger === undefined) return { status }
      if (records.slice(i + 1).find((next) => next.ledger !== undefined)?.ledger === ledger) return { status }
      close()
      return { status }
    } catch (error) {
      if (error instanceof MalformedError) return { status: 'MALFORMED' }
      throw error
    }
  })
  return {
    chain,
    answers: answers.map((answer, i) => {
      const applied = chain.transaction(records[i]!.hash)
      if (answer.status !== 'PENDING' || applied === undefined) return answer
      return { ...answer, result: base64(applied.result.toXdr()), ledger: applied.ledger }
    }),
  }
}

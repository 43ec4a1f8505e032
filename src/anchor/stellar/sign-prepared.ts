import { equals, formatClusterId } from '../../../protocols/wire/index.ts'
import { RefusedError } from '../../base/index.ts'
import type { HandoverTransaction } from '../anchor.ts'
import { xdrFromBase64 } from '../xdr.ts'
import type { Funder } from './funder.ts'
import { ENVELOPE_BYTES_MAX, envelopeText, openEnvelope, readGenesis, transactionHash } from './genesis.ts'
import { networkId } from './networks.ts'
import { genesisCost } from './publish.ts'

/** What a funder is asked to pay for, as read from the transaction itself. */
export interface SignedPrepared extends HandoverTransaction {
  readonly cluster: string
  readonly operations: number
  /** The most that the fee can be, in stroops (10⁻⁷ XLM). */
  readonly feeAtMost: number
  /** Locked for good, in stroops. */
  readonly reserve: number
}

/** A funder never offers more for one operation, in stroops: a hundred times the ledger's floor. */
const OPERATION_FEE_MAX = 10_000

/**
 * The funder's part, on the funder's machine: signs a genesis and nothing else, so that whoever prepared it can take no more than
 * its fee and its reserve. Throws RefusedError.
 */
export const signPrepared = async (prepared: HandoverTransaction, funder: Funder): Promise<SignedPrepared> => {
  const { body, signatures } = await openEnvelope(xdrFromBase64(prepared.envelope, 'transaction', ENVELOPE_BYTES_MAX))
  const genesis = await readGenesis(body, prepared.passphrase)
  if (signatures.length > 0) {
    throw new RefusedError('already_signed', 'the transaction is signed already', { next: 'sign what `anchor prepare` printed' })
  }
  if (!equals(genesis.funder, funder.account)) {
    throw new RefusedError(
      'another_funder',
      `the transaction is paid by ${formatClusterId(genesis.funder)}, the secret is that of ${formatClusterId(funder.account)}`,
      { next: 'give the secret of that account, or start the node with this one as --funder' },
    )
  }
  if (genesis.operationFee > OPERATION_FEE_MAX) {
    throw new RefusedError('fee_too_high', `it offers ${genesis.operationFee} stroops an operation, at most ${OPERATION_FEE_MAX}`)
  }
  const hash = transactionHash(networkId(prepared.passphrase), body)
  const signature = await funder.sign({ body, hash, passphrase: prepared.passphrase, maxTime: genesis.maxTime })
  const entries = 4 + genesis.entries.boot.length
  const { reserve, operations } = genesisCost(entries)
  return {
    envelope: envelopeText(body, [{ publicKey: funder.account, signature }]),
    passphrase: prepared.passphrase,
    funder: formatClusterId(funder.account),
    maxTime: genesis.maxTime,
    cluster: formatClusterId(genesis.clusterId),
    operations,
    feeAtMost: operations * genesis.operationFee,
    reserve,
  }
}

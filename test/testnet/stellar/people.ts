import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { Account, type FeeBumpTransaction, Keypair, type Transaction, TransactionBuilder, xdr } from '@stellar/stellar-sdk/base'

/** Somebody with a key, made from a name: the same in every run. */
export class Person {
  readonly id: string
  readonly pair: Keypair
  readonly #key: KeyObject

  constructor(seed: Uint8Array) {
    this.pair = Keypair.fromRawEd25519Seed(seed)
    this.id = this.pair.publicKey()
    this.#key = createPrivateKey({
      key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
      format: 'der',
      type: 'pkcs8',
    })
  }

  static named(name: string): Person {
    return new Person(createHash('sha256').update(`devnet test ${name}`).digest())
  }

  /** The account all coins start in. */
  static root(passphrase: string): Person {
    return new Person(createHash('sha256').update(passphrase).digest())
  }

  /** node:crypto is some twenty times faster here than the SDK. */
  sign(transaction: Transaction | FeeBumpTransaction): void {
    transaction.addDecoratedSignature(
      new xdr.DecoratedSignature({
        hint: this.pair.signatureHint(),
        signature: new Uint8Array(sign(null, transaction.hash(), this.#key)),
      }),
    )
  }
}

export interface Draft {
  readonly source: Person
  readonly sequence: bigint
  readonly operations: readonly xdr.Operation[]
  readonly signers: readonly Person[]
  /** Stroops for the whole. @default 100 for each operation */
  readonly fee?: number
  /** Unix seconds. @default 0, which is none */
  readonly maxTime?: number
  readonly change?: (builder: TransactionBuilder) => void
}

/** Exactly this transaction, right or wrong. */
export const build = (
  passphrase: string,
  { source, sequence, operations, signers, fee, maxTime = 0, change }: Draft,
): Transaction => {
  const builder = new TransactionBuilder(new Account(source.id, String(sequence - 1n)), {
    fee: String(fee === undefined ? 100 : Math.ceil(fee / Math.max(1, operations.length))),
    networkPassphrase: passphrase,
    timebounds: { minTime: 0, maxTime },
  })
  for (const operation of operations) builder.addOperation(operation)
  change?.(builder)
  const transaction = builder.build()
  for (const signer of signers) signer.sign(transaction)
  return transaction
}

export const bump = (passphrase: string, payer: Person, inner: Transaction, feePerOperation: number): FeeBumpTransaction => {
  const transaction = TransactionBuilder.buildFeeBumpTransaction(payer.pair, String(feePerOperation), inner, passphrase)
  payer.sign(transaction)
  return transaction
}

export const base64Of = (transaction: Transaction | FeeBumpTransaction): string =>
  Buffer.from(transaction.toEnvelope().toXdr()).toString('base64')

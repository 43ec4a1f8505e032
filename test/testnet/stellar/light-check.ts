import { createHash, createPublicKey, verify } from 'node:crypto'
import { xdr } from '@stellar/stellar-sdk/base'

const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const verifySignature = (key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
  verify(
    null,
    message,
    createPublicKey({
      key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key]),
      format: 'der',
      type: 'spki',
    }),
    signature,
  )

/** The transaction set's hash, from its own bytes: of the whole since protocol 20, of its parts before. */
const setHash = (protocol: number, bytes: Uint8Array): { hash: Buffer; previous: Uint8Array; transactions: Uint8Array[] } => {
  if (protocol >= 20) {
    const set = xdr.GeneralizedTransactionSet.fromXdr(bytes).value
    const transactions = set.phases.flatMap((phase) =>
      phase.type === 'v0Components' ? phase.v0Components.flatMap(({ value }) => value.txs.map((tx) => tx.toXdr())) : [],
    )
    return { hash: sha256(bytes), previous: set.previousLedgerHash.toBytes(), transactions }
  }
  const set = xdr.TransactionSet.fromXdr(bytes)
  const previous = set.previousLedgerHash.toBytes()
  const transactions = set.txs.map((tx) => tx.toXdr())
  return { hash: sha256(previous, ...transactions), previous, transactions }
}

/**
 * Verifies one ledger by hashing alone, written apart from what made it. Returns its hash and what it links to, or throws what does not hold.
 */
export const lightCheck = (
  passphrase: string,
  proof: { header_xdr: string; tx_set_xdr: string; results_xdr: string },
): { ledger: number; hash: string; previous: string; nodeId: string; transactions: number } => {
  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))
  const { header, hash } = xdr.LedgerHeaderHistoryEntry.fromXdr(bytes(proof.header_xdr))
  const own = sha256(header.toXdr())
  const claim = (good: boolean, what: string): void => {
    if (!good) throw new Error(`${what} of ledger ${header.ledgerSeq} does not hold`)
  }
  claim(own.equals(hash.toBytes()), 'hash')
  const { scpValue } = header
  const set = setHash(header.ledgerVersion, bytes(proof.tx_set_xdr))
  claim(set.hash.equals(scpValue.txSetHash.toBytes()), 'transaction set')
  claim(Buffer.from(set.previous).equals(header.previousLedgerHash.toBytes()), 'previous hash in the transaction set')
  claim(sha256(bytes(proof.results_xdr)).equals(header.txSetResultHash.toBytes()), 'result set')
  const { results } = xdr.TransactionResultSet.fromXdr(bytes(proof.results_xdr))
  claim(results.length === set.transactions.length, 'number of results')
  const sorted = set.transactions.map((tx) => sha256(tx).toString('hex'))
  claim(sorted.join() === [...sorted].sort().join(), 'order of the transaction set')
  if (scpValue.ext.type !== 'stellarValueSigned') throw new Error('the value is not signed')
  const { nodeId, signature } = scpValue.ext.lcValueSignature
  const tail = Buffer.alloc(8)
  tail.writeBigUInt64BE(scpValue.closeTime)
  const message = Buffer.concat([sha256(Buffer.from(passphrase)), Buffer.from([0, 0, 0, 4]), scpValue.txSetHash.toBytes(), tail])
  const hex = (...parts: Uint8Array[]): string => parts.map((part) => Buffer.from(part).toString('hex')).join(' ')
  const [key, signed] = [nodeId.ed25519.toBytes(), signature.toBytes()]
  claim(verifySignature(key, message, signed), `signature (key, message, signature: ${hex(key, message, signed)})`)
  return {
    ledger: header.ledgerSeq,
    hash: own.toString('hex'),
    previous: Buffer.from(header.previousLedgerHash.toBytes()).toString('hex'),
    nodeId: Buffer.from(nodeId.ed25519.toBytes()).toString('hex'),
    transactions: results.length,
  }
}

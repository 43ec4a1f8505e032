import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  decodeEvidence,
  decodeGenesisBundle,
  decodeGenesisRecord,
  encodeEvidence,
  encodeGenesisRecord,
  genesisBinding,
  genesisHash,
  openMemberRecord,
  verifyCredential,
  verifyGenesisSignature,
} from '../../../protocols/records/index.ts'
import { peerPublicKey, reportData } from '../../../protocols/wire/index.ts'
import { Keyring } from '../../../src/keys/index.ts'
import { hex, unhex } from '../support.ts'
import { records } from '../vectors.ts'

/** `ok` as the vectors call it, or the code of what was thrown. */
const outcomeOf = (ok: string, run: () => unknown): string => {
  try {
    const result = run()
    return typeof result === 'string' ? result : ok
  } catch (error) {
    return String((error as { code?: string }).code)
  }
}

describe('the vectors of records', () => {
  it('give the keys of a cluster', () => {
    const keyring = Keyring.fromSecrets([{ epoch: 0, secret: unhex(records.cluster.rootSecret) }])
    const { cluster, k256Root, caRoot } = keyring.publicKeys()
    assert.equal(hex(cluster), records.cluster.clusterId)
    assert.equal(hex(k256Root), records.cluster.k256RootPublicKey)
    assert.equal(hex(caRoot), records.cluster.caRootPublicKey)
  })

  it('give genesis records and bundles', () => {
    const { genesis } = records
    for (const { outcome, bytes, ...rest } of genesis.records) {
      assert.equal(
        outcomeOf('decodes', () => decodeGenesisRecord(unhex(bytes))),
        outcome,
        JSON.stringify(rest),
      )
      if (outcome === 'decodes') assert.equal(hex(encodeGenesisRecord(decodeGenesisRecord(unhex(bytes)))), bytes)
    }
    const record = unhex(genesis.records[0]!.bytes)
    assert.equal(hex(genesisHash(record)), genesis.records[0]!.hash)
    assert.equal(hex(reportData(genesisBinding(record))), genesis.reportData)
    assert.equal(createHash('sha256').update(unhex(genesis.policy)).digest('hex'), genesis.policyHash)
    assert.equal(hex(decodeGenesisRecord(record).policyHash), genesis.policyHash)
    for (const { outcome, bytes, ...rest } of genesis.bundles) {
      const run = () => verifyGenesisSignature(decodeGenesisBundle(unhex(bytes))) ?? 'bad_signature'
      assert.equal(outcomeOf('holds', run), outcome, JSON.stringify(rest))
    }
  })

  it('give credentials', () => {
    const { nowMs, lifetimeMs, signingPublicKeys, cases } = records.credentials
    for (const { outcome, bytes, ...rest } of cases) {
      const run = () => {
        const verified = verifyCredential(unhex(bytes), {
          clusterId: unhex(records.cluster.clusterId),
          signingPublicKey: (epoch) => (epoch === 0 ? unhex(signingPublicKeys[0]) : undefined),
          lifetimeMs,
          nowMs,
        })
        return verified.ok ? undefined : verified.fault
      }
      assert.equal(outcomeOf('holds', run), outcome, JSON.stringify(rest))
    }
  })

  it('give member records', async () => {
    const { record, cases } = records.memberRecords
    for (const { outcome, bytes, ...rest } of cases) {
      const opened = await openMemberRecord(unhex(bytes)).then(
        () => 'opens',
        (error: { code?: string }) => error.code,
      )
      assert.equal(opened, outcome, JSON.stringify(rest))
    }
    const first = await openMemberRecord(unhex(cases[0]!.bytes))
    assert.deepEqual(
      {
        ...first,
        clusterId: hex(first.clusterId),
        peerId: hex(first.peerId),
        sequence: `${first.sequence}`,
        credential: hex(first.credential),
      },
      record,
    )
    assert.ok(peerPublicKey(first.peerId))
  })

  it('give evidence', () => {
    for (const { outcome, bytes, ...rest } of records.evidence) {
      assert.equal(
        outcomeOf('decodes', () => decodeEvidence(unhex(bytes))),
        outcome,
        JSON.stringify(rest),
      )
      if (outcome === 'decodes') assert.equal(hex(encodeEvidence(decodeEvidence(unhex(bytes)))), bytes)
    }
  })
})

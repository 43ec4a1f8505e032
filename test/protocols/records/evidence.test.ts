import assert from 'node:assert/strict'
import { Evidence as EvidenceMessage } from '../../../protocols/records/evidence.pb.ts'
import { decodeEvidence, type Evidence, encodeEvidence } from '../../../protocols/records/index.ts'
import { EVIDENCE_LIMIT_BYTES, MalformedError } from '../../../protocols/wire/index.ts'
import { bytes } from '../../attest/support.ts'
import { testCluster } from '../onboard/cluster.ts'
import { bytesOf, len } from '../wire/protobuf.ts'

let evidence: Evidence
before(async () => {
  evidence = (await testCluster()).onboarder.evidence
})
const malformed = (encoded: Uint8Array) => assert.throws(() => decodeEvidence(encoded), MalformedError)

describe('evidence', () => {
  it('of a TD comes back as it was written, with and without its collateral', () => {
    const encoded = encodeEvidence(evidence)
    assert.deepEqual(encodeEvidence(decodeEvidence(encoded)), encoded)
    const { collateral: _, ...without } = evidence
    assert.equal(decodeEvidence(encodeEvidence(without)).collateral, undefined)
  })

  it('cut off at any byte is malformed', () => {
    const encoded = encodeEvidence(evidence)
    for (let length = 0; length < encoded.length; length++) malformed(encoded.subarray(0, length))
  })

  it('with a part missing is malformed', () => {
    const { quote, binding, eventLog, collateral } = evidence
    malformed(EvidenceMessage.encode({ eventLog, binding }))
    malformed(EvidenceMessage.encode({ eventLog, quote }))
    malformed(encodeEvidence({ ...evidence, binding: { ...binding, context: '' } }))
    for (const part of Object.keys(collateral!)) {
      malformed(
        encodeEvidence({
          ...evidence,
          collateral: { ...collateral!, [part]: typeof collateral![part as 'tcbInfo'] === 'string' ? '' : new Uint8Array(0) },
        }),
      )
    }
  })

  it('with a part twice is malformed', () => {
    const encoded = encodeEvidence(evidence)
    malformed(bytesOf(encoded, len(1, [1])))
    malformed(bytesOf(encoded, len(4, len(1, Buffer.from('x')))))
  })

  it('with too much of anything is malformed', () => {
    const { binding } = evidence
    malformed(encodeEvidence({ ...evidence, quote: bytes(16 * 1024 + 1, 1) }))
    malformed(encodeEvidence({ ...evidence, eventLog: Array.from({ length: 257 }, () => ({ name: 'a', payload: bytes(1, 1) })) }))
    malformed(encodeEvidence({ ...evidence, eventLog: [{ name: 'a'.repeat(65), payload: bytes(1, 1) }] }))
    malformed(encodeEvidence({ ...evidence, eventLog: [{ name: 'a', payload: bytes(1025, 1) }] }))
    malformed(encodeEvidence({ ...evidence, binding: { ...binding, fields: Array.from({ length: 9 }, () => bytes(1, 1)) } }))
    malformed(encodeEvidence({ ...evidence, binding: { ...binding, fields: [bytes(2049, 1)] } }))
    malformed(bytesOf(encodeEvidence(evidence), len(99, new Uint8Array(EVIDENCE_LIMIT_BYTES))))
  })
})

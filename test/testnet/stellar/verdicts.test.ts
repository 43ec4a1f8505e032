import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { type Recording, readRecording, replay } from './recorded.ts'

const REFERENCE = new URL('../../../../shared/reference/stellar-core19-verdicts.json', import.meta.url)

const assertSameVerdicts = (recording: Recording): void => {
  const { answers } = replay(recording)
  for (const [i, { label, status, error, result, ledger }] of recording.records.entries()) {
    // Byte for byte: admission, result XDR and the ledger it got into.
    const expected = {
      status,
      ...(error !== undefined && { error }),
      ...(result !== undefined && { result }),
      ...(ledger !== undefined && { ledger }),
    }
    assert.deepEqual(answers[i], expected, label)
  }
}

describe('devnet ledger, recorded verdicts', () => {
  it('gives the verdicts that a stellar-core 19.0.1 gave', async function () {
    if (!existsSync(REFERENCE)) {
      console.log('        not run: the recording of stellar-core is not beside this project')
      return this.skip()
    }
    assertSameVerdicts(await readRecording(REFERENCE))
  })
})

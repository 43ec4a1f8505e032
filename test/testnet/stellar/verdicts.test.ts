import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { startDevnet } from '../../../testnet/stellar/index.ts'
import { type Answer, type RecordedEnvelope, type Recording, readRecording, replay } from './recorded.ts'
import { inWords } from './words.ts'

/** By a real stellar-core; not part of this project. */
const REFERENCE = new URL('../../../../shared/reference/stellar-core19-verdicts.json', import.meta.url)
/** Made by record.ts. */
const OWN = new URL('../../vectors/stellar-devnet.json', import.meta.url)

/** Byte for byte: admission, result XDR and the ledger it got into. */
const expected = ({ status, error, result, ledger }: RecordedEnvelope): Answer => ({
  status,
  ...(error !== undefined && { error }),
  ...(result !== undefined && { result }),
  ...(ledger !== undefined && { ledger }),
})

const assertSameVerdicts = (recording: Recording, answers: readonly Answer[]): void => {
  assert.equal(answers.length, recording.records.length)
  for (const [i, record] of recording.records.entries()) assert.deepEqual(answers[i], expected(record), record.label)
}

/** The same over HTTP, where ledgers close when this test says so. */
const replayOverHttp = async ({ passphrase, records }: Recording): Promise<Answer[]> => {
  const devnet = await startDevnet({ port: 0, closeEveryMs: 3_600_000, passphrase })
  try {
    const answers: Answer[] = []
    for (const [i, { env, ledger }] of records.entries()) {
      if (ledger !== undefined) while (devnet.head.ledger < ledger - 1) devnet.closeLedger()
      const response = await fetch(`${devnet.url}/transactions_async`, { method: 'POST', body: new URLSearchParams({ tx: env }) })
      const { tx_status: status, error_result_xdr: error } = (await response.json()) as Record<string, string>
      answers.push({ status: status!, ...(error !== undefined && { error }) })
      const nextLedger = records.slice(i + 1).find((next) => next.ledger !== undefined)?.ledger
      if (status === 'PENDING' && ledger !== undefined && nextLedger !== ledger) devnet.closeLedger()
    }
    for (const [i, { hash, ledger }] of records.entries()) {
      if (ledger === undefined) continue
      const response = await fetch(`${devnet.url}/transactions/${hash}`)
      assert.equal(response.status, 200, records[i]!.label)
      const found = (await response.json()) as { result_xdr: string; ledger: number }
      answers[i] = { ...answers[i]!, result: found.result_xdr, ledger: found.ledger }
    }
    return answers
  } finally {
    await devnet.stop()
  }
}

describe('devnet ledger, recorded verdicts', () => {
  it('gives the verdicts that a stellar-core 19.0.1 gave', async function () {
    if (!existsSync(REFERENCE)) {
      console.log('        not run: the recording of stellar-core is not beside this project')
      return this.skip()
    }
    const recording = await readRecording(REFERENCE)
    assert.equal(recording.records.length, 50)
    assertSameVerdicts(recording, replay(recording).answers)
  })

  it('gives them over HTTP too, under the protocol it runs', async function () {
    if (!existsSync(REFERENCE)) {
      console.log('        not run: the recording of stellar-core is not beside this project')
      return this.skip()
    }
    const recording = await readRecording(REFERENCE)
    assertSameVerdicts(recording, await replayOverHttp(recording))
  })

  it('gives the verdicts of its own recording, written by hand', async () => {
    const recording = await readRecording(OWN)
    assertSameVerdicts(recording, replay(recording).answers)
    for (const { label, admission, error, applied, result } of recording.records) {
      assert.equal(error && inWords(error), admission ?? undefined, label)
      assert.equal(result && inWords(result), applied, label)
    }
  })

  it('gives those over HTTP too', async () => {
    const recording = await readRecording(OWN)
    assertSameVerdicts(recording, await replayOverHttp(recording))
  })
})

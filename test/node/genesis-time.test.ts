import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Attester } from '../../src/attest/attester.ts'
import { createVerifier, parseQuote, policyFromQuote, quoteRoot, rootNameOf } from '../../src/attest/index.ts'
import { type Clock, type Log, type LogFields, systemClock } from '../../src/base/index.ts'
import { type AnchorSettings, anchorOf } from '../../src/node/anchors.ts'
import { type RunningDevnet, startDevnet } from '../../testnet/stellar/index.ts'
import { InProcess, Recorder } from './support.ts'

const DAY_MS = 24 * 60 * 60_000

/**
 * A founder whose clock is off until its genesis is made, and who does not judge itself: what it claims is for others to check.
 * Its genesis comes with collateral that was fresh at `collateralAtMs`; later ones with fresh collateral.
 */
const founder = (mesh: InProcess, clockOffMs: number, collateralAtMs: number) => {
  let offMs = clockOffMs
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + offMs }
  const log = new Recorder()
  const quoted: Log = {
    ...log,
    debug: log.debug,
    info: (event: string, fields?: LogFields) => {
      log.info(event, fields)
      if (event === 'bootstrap.quoted') offMs = 0
    },
    warn: log.warn,
    error: log.error,
    child: () => quoted,
  }
  const td = mesh.td()
  const old = mesh.td({ clock: { ...systemClock, now: () => collateralAtMs } })
  const attester: Attester = {
    tee: td.tee,
    extend: (events) => td.extend(events),
    eventLog: () => td.eventLog(),
    quote: (data, stop) => td.quote(data, stop),
    collateral: (stop) => (offMs === 0 ? td : old).collateral(stop),
  }
  // Judged now, whenever it says that it was made; and by collateral of today.
  const verifier: NonNullable<Parameters<InProcess['node']>[1]['verifier']> = (policy) => {
    const strict = createVerifier({ policy, clock: systemClock })
    return {
      judge: (evidence, expected, options) =>
        strict.judge(evidence, expected, options?.atMs === undefined ? options : { ...options, atMs: collateralAtMs }),
    }
  }
  return { clock, log: quoted, attester, verifier }
}

describe('the collateral of a genesis', function () {
  this.timeout(60_000)
  let mesh: InProcess
  let devnet: RunningDevnet
  beforeEach(async () => {
    mesh = await InProcess.open()
    devnet = await startDevnet({ port: 0, closeEveryMs: 200 })
  })
  afterEach(async () => {
    await mesh.close()
    await devnet.stop()
  })

  const onLedger = (settings: AnchorSettings = {}) => ({
    anchor: anchorOf({ anchor: 'devnet', horizon: [devnet.url], ...settings }, mesh.folder),
  })
  const onFile = () => ({ anchor: anchorOf({ anchor: `file:${join(mesh.folder, 'anchor')}` }, mesh.folder) })
  const policy = async () => {
    const quote = parseQuote(await mesh.td().quote(new Uint8Array(64)))
    return policyFromQuote(quote.td, { rootName: rootNameOf(quoteRoot(quote)), minEvaluationDataNumber: 0 })
  }
  const founded = async (clockOffMs: number, collateralAtMs: number, anchor: ReturnType<typeof onFile>) => {
    const first = await mesh.node('first', {
      entry: { kind: 'new', policy: await policy() },
      ...founder(mesh, clockOffMs, collateralAtMs),
      ...anchor,
    })
    await first.start()
    return first
  }
  const joins = async (first: Awaited<ReturnType<typeof founded>>, anchor: ReturnType<typeof onFile>, name = 'joiner') => {
    const joiner = await mesh.node(name, { entry: mesh.entry(first, 5_000), ...anchor })
    await joiner.start()
    return joiner.status().genesis
  }

  it('that had expired when the genesis claims to be made, but not when its ledger closed, is good', async () => {
    const now = systemClock.now()
    const first = await founded(60 * DAY_MS, now, onLedger({ friendbot: true }))
    const genesis = await joins(first, onLedger())
    assert.ok(Math.abs(Date.parse(genesis!.publicSince!) - now) < 60_000)
    assert.ok(Date.parse(genesis!.createdAt) > now + 59 * DAY_MS)
    // Without the ledger's word there is only that of the genesis.
    await assert.rejects(
      joins(first, onLedger({ horizon: ['http://127.0.0.1:9'], anchorOptional: true }), 'alone'),
      /genesis' evidence/,
    )
  })

  it('that was good when the genesis claims to be made, but had expired when its ledger closed, is not', async () => {
    const then = systemClock.now() - 60 * DAY_MS
    const first = await founded(-60 * DAY_MS, then, onLedger({ friendbot: true }))
    await assert.rejects(joins(first, onLedger()), /genesis' evidence/)
    // Nobody saw when it was made: as good as its own word, and shown as that.
    const unwitnessed = onLedger({ horizon: ['http://127.0.0.1:9'], anchorOptional: true })
    assert.equal((await joins(first, unwitnessed, 'alone'))?.publicSince, null)
  })

  it('is judged at the claimed time where the anchor is a file, and shown as unwitnessed', async () => {
    const then = systemClock.now() - 60 * DAY_MS
    const first = await founded(-60 * DAY_MS, then, onFile())
    const genesis = await joins(first, onFile())
    assert.equal(genesis?.publicSince, null)
    assert.ok(Date.parse(genesis!.createdAt) < then + 60_000)
  })
})

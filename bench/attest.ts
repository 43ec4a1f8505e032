// Quote verification beside npm's one library for it, in one process and over the same inputs:
//   npx tsx bench/attest.ts [--json]
// Every number is a median in milliseconds on one core. The inputs are emulated: Intel's formats under another root.
import { randomBytes, sign } from 'node:crypto'
import { cpus } from 'node:os'
import { QuoteVerifier } from '@phala/dcap-qvl'
import { collateralToJson, parseQuote, prepareCollateral, verifyQuote } from '../src/attest/dcap/index.ts'
import { createEmulatedPki } from '../src/attest/emulator/index.ts'

const ROUNDS = 300
const LIBRARY_ROUNDS = 60

const nowMs = Date.now()
const pki = createEmulatedPki({ nowMs })
const collateral = pki.collateral(nowMs)
const libraryCollateral = collateralToJson(collateral)
const library = QuoteVerifier.newWithRootCa(Buffer.from(pki.rootDer))

/** Runs `run` over `inputs` and gives the median of what one costs. The first third warms up. */
const median = <T>(inputs: readonly T[], run: (input: T) => unknown): number => {
  const times = inputs.map((input) => {
    const start = process.hrtime.bigint()
    run(input)
    return Number(process.hrtime.bigint() - start) / 1e6
  })
  const measured = times.slice(Math.floor(times.length / 3)).sort((a, b) => a - b)
  return measured[Math.floor(measured.length / 2)]!
}

const many = <T>(make: (index: number) => T): T[] => Array.from({ length: ROUNDS }, (_, index) => make(index))
const expectOk = (quote: Uint8Array) => {
  const result = verifyQuote(quote, prepared, nowMs)
  if (!result.ok) throw new Error(`a sound quote was refused: ${result.detail}`)
}
const expectRefused = (quote: Uint8Array) => {
  if (verifyQuote(quote, prepared, nowMs).ok) throw new Error('garbage was accepted')
}
const libraryOk = (quote: Uint8Array) => {
  const { status } = library.verify(quote, libraryCollateral as never, nowMs / 1000)
  if (status !== 'UpToDate') throw new Error(`the library says ${status}`)
}
const libraryRefused = (quote: Uint8Array) => {
  try {
    library.verify(quote, libraryCollateral as never, nowMs / 1000)
  } catch {
    return
  }
  throw new Error('the library accepted garbage')
}

const prepared = prepareCollateral(collateral, pki.rootDer, nowMs)
const platform = pki.platform()
const sound = platform.quote()
/** What a real quoting enclave does: the same certification for every quote, another body. */
const sameEnclave = (): Uint8Array => {
  const { signed, certification } = parseQuote(sound)
  const body = Buffer.concat([signed.subarray(0, signed.length - 64), randomBytes(64)])
  const signature = sign('sha256', body, { key: platform.attestation.privateKey, dsaEncoding: 'ieee-p1363' })
  const length = Buffer.alloc(4)
  length.writeUInt32LE(64 + certification.length)
  return Buffer.concat([body, length, signature, certification])
}
const tampered = (quote: Uint8Array, at: number): Uint8Array => {
  const copy = Uint8Array.from(quote)
  copy[at] = copy[at]! ^ 1
  return copy
}
const foreign = createEmulatedPki({ nowMs })
/** A PCK certificate of one's own making, under the names, and with the genuine certificates, of CA and root. */
const impostor = foreign.platform({
  chainPem: (pck) => pck + pki.platformCa.certificate.pem + pki.root.certificate.pem,
})

const MR_TD_AT = 48 + 136

// The compiler gets its time before the first row, for both.
for (const quote of many(() => pki.platform().quote())) expectOk(quote)
for (const quote of many(() => platform.quote()).slice(0, LIBRARY_ROUNDS)) libraryOk(quote)

const rows = [
  {
    name: 'new platform (cold PCK)',
    ours: median(
      many(() => pki.platform().quote()),
      expectOk,
    ),
    library: median(many(() => pki.platform().quote()).slice(0, LIBRARY_ROUNDS), libraryOk),
  },
  {
    name: 'known platform (cached PCK)',
    ours: median(
      many(() => platform.quote({ reportData: randomBytes(64) })),
      expectOk,
    ),
    library: median(many(() => platform.quote({ reportData: randomBytes(64) })).slice(0, LIBRARY_ROUNDS), libraryOk),
  },
  {
    name: 'known quoting enclave (cached attestation key)',
    ours: median(many(sameEnclave), expectOk),
    library: median(many(sameEnclave).slice(0, LIBRARY_ROUNDS), libraryOk),
  },
  {
    name: 'garbage: random bytes',
    ours: median(
      many(() => Buffer.concat([sound.subarray(0, 48), randomBytes(sound.length - 48)])),
      expectRefused,
    ),
    library: median(
      many(() => Buffer.concat([sound.subarray(0, 48), randomBytes(sound.length - 48)])).slice(0, LIBRARY_ROUNDS),
      libraryRefused,
    ),
  },
  {
    name: 'garbage: foreign PKI',
    ours: median(
      many(() => foreign.platform().quote()),
      expectRefused,
    ),
    library: median(many(() => foreign.platform().quote()).slice(0, LIBRARY_ROUNDS), libraryRefused),
  },
  {
    name: 'garbage: forged PCK under the true CA',
    ours: median(
      many(() => impostor.quote()),
      expectRefused,
    ),
    library: median(many(() => impostor.quote()).slice(0, LIBRARY_ROUNDS), libraryRefused),
  },
  {
    name: 'garbage: tampered TD report of a known enclave',
    ours: median(
      many((index) => tampered(sameEnclave(), MR_TD_AT + (index % 48))),
      expectRefused,
    ),
    library: median(many((index) => tampered(sameEnclave(), MR_TD_AT + (index % 48))).slice(0, LIBRARY_ROUNDS), libraryRefused),
  },
  {
    name: 'collateral prepared (once for many quotes)',
    ours: median(
      many(() => pki.collateral(nowMs)),
      (input) => prepareCollateral(input, pki.rootDer, nowMs),
    ),
    library: undefined,
  },
].map((row) => ({ ...row, ratio: row.library === undefined ? undefined : row.library / row.ours }))

if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ node: process.version, cpu: cpus()[0]?.model, rows }, null, 2))
} else {
  console.log(`Node ${process.version}, ${cpus()[0]?.model}; medians in ms, one core`)
  console.table(
    Object.fromEntries(
      rows.map(({ name, ours, library, ratio }) => [
        name,
        {
          'this verifier': ours.toFixed(4),
          'per second': Math.round(1000 / ours),
          '@phala/dcap-qvl': library?.toFixed(3) ?? '',
          ratio: ratio === undefined ? '' : `${ratio.toFixed(1)}x`,
        },
      ]),
    ),
  )
}

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Ajv } from 'ajv'
import fc from 'fast-check'
import { formatClusterId } from '../../../protocols/wire/cluster-id.ts'
import { TCB_STATUSES } from '../../../src/attest/dcap/index.ts'
import {
  canonicalPolicy,
  describePolicy,
  insecurities,
  isInsecure,
  type PolicyDocument,
  PolicyError,
  parsePolicy,
  policyHash,
} from '../../../src/attest/policy/index.ts'
import schema from '../../../src/attest/policy/policy.schema.json' with { type: 'json' }
import { bytes, hex } from '../support.ts'

const register = (value: number) => hex(bytes(48, value))
const sha256 = (value: number) => `sha256:${hex(bytes(32, value))}`
const emulator = (value: number) => `emulator:${hex(bytes(32, value))}`
const account = (value: number) => formatClusterId(bytes(32, value))
const recipient = (letter: string) => `age1pq1${letter.repeat(1951)}`
const strict: PolicyDocument = {
  version: 1,
  roots: ['intel'],
  tee: ['tdx'],
  measurements: [{ name: 'image 0.1.0', mrTd: register(1), rtmr1: register(2), rtmr2: register(3) }],
}
const full: PolicyDocument = {
  ...strict,
  measurements: [
    {
      ...strict.measurements[0]!,
      rtmr0: register(4),
      mrConfigId: register(5),
      mrOwner: register(6),
      mrOwnerConfig: register(7),
      xfam: 'e702060000000000',
      mrSeam: register(8),
    },
    { name: 'image 0.1.1', mrTd: register(1), rtmr1: register(2), rtmr2: register(9) },
  ],
  apps: [{ appId: hex(bytes(20, 1)), compose: [sha256(1), sha256(2)] }],
  tcb: {
    accept: ['UpToDate', 'SWHardeningNeeded'],
    graceDays: 14,
    minEvaluationDataNumber: 17,
    denyAdvisories: ['INTEL-SA-00837'],
    collateralMaxAgeDays: 30,
  },
  tdAttributes: { debug: false, septVeDisable: true, migratable: false },
  platforms: [sha256(3)],
  credentialLifetime: '90m',
  lapsedServe: '2d',
  recovery: {
    custodians: [
      { name: 'ann', recipient: recipient('q') },
      { name: 'bob', recipient: recipient('p') },
    ],
    threshold: 2,
  },
  governance: { keys: [account(1), account(2), account(3)], threshold: 2, delay: '72h' },
}
const parse = (document: unknown) => parsePolicy(JSON.stringify(document))

describe('a policy', () => {
  it('has the strict defaults where it says nothing', () => {
    const policy = parse(strict)
    assert.deepEqual(
      { ...policy.tcb, accept: [...policy.tcb.accept], denyAdvisories: [...policy.tcb.denyAdvisories] },
      { accept: ['UpToDate'], graceDays: 0, minEvaluationDataNumber: 0, denyAdvisories: [], collateralMaxAgeDays: 7 },
    )
    assert.deepEqual(policy.tdAttributes, { debug: false, septVeDisable: true, migratable: false })
    assert.equal(policy.apps, undefined)
    assert.equal(policy.platforms, undefined)
    assert.equal(policy.recovery, undefined)
    assert.equal(policy.governance, undefined)
    assert.equal(policy.credentialLifetimeMs, 3_600_000)
    assert.equal(policy.lapsedServeMs, 86_400_000)
  })

  it('says all that can be said', () => {
    const policy = parse(full)
    assert.deepEqual([...policy.tcb.accept], ['UpToDate', 'SWHardeningNeeded'])
    assert.deepEqual([...policy.apps!.get(hex(bytes(20, 1)))!], [hex(bytes(32, 1)), hex(bytes(32, 2))])
    assert.deepEqual([...policy.platforms!], [hex(bytes(32, 3))])
    assert.equal(policy.measurements[1]?.registers.rtmr2, register(9))
    assert.equal(policy.credentialLifetimeMs, 90 * 60_000)
    assert.equal(policy.lapsedServeMs, 2 * 86_400_000)
    assert.equal(policy.recovery?.threshold, 2)
    assert.deepEqual(policy.governance, { keys: [account(1), account(2), account(3)], threshold: 2, delayMs: 72 * 3_600_000 })
  })

  it('can be read from bytes as from text, and is frozen', () => {
    const policy = parsePolicy(Buffer.from(JSON.stringify(full)))
    assert.deepEqual(policyHash(policy), policyHash(parse(full)))
    assert.throws(() => {
      ;(policy.document as PolicyDocument).roots.push('emulator:')
    }, TypeError)
    assert.throws(() => {
      ;(policy as { credentialLifetimeMs: number }).credentialLifetimeMs = 1
    }, TypeError)
  })

  it('knows every status that the verifier can give, and no other', () => {
    assert.doesNotThrow(() => parse({ ...strict, tcb: { accept: TCB_STATUSES } }))
    for (const status of ['Revoked', 'uptodate', '', 'UpToDate '])
      assert.throws(() => parse({ ...strict, tcb: { accept: [status] } }), PolicyError)
  })

  it('has a schema that is one', () => {
    const ajv = new Ajv({ strict: true, strictRequired: false, allErrors: true })
    assert.ok(ajv.validateSchema(schema), ajv.errorsText())
    ajv.compile(schema)
  })
})

describe('a policy is refused', () => {
  const first = strict.measurements[0]!
  const recovery = full.recovery!
  const governance = full.governance!
  const cases: [string, unknown, RegExp?][] = [
    ['that is no object', []],
    ['that is null', null],
    ...Object.keys(strict).map((key): [string, unknown, RegExp] => [
      `without ${key}`,
      Object.fromEntries(Object.entries(strict).filter(([name]) => name !== key)),
      new RegExp(`required property '${key}'`),
    ]),
    ['with an unknown key', { ...strict, rootz: ['intel'] }, /unknown key "rootz"/],
    ['with an unknown key inside', { ...strict, tcb: { acept: ['UpToDate'] } }, /tcb has an unknown key "acept"/],
    ['of another version', { ...strict, version: 2 }],
    ['of a version in words', { ...strict, version: '1' }],
    ['without a root', { ...strict, roots: [] }],
    ['with an unknown root', { ...strict, roots: ['amd'] }],
    ['with a root in capitals', { ...strict, roots: ['Intel'] }],
    ['with half a hash of a root', { ...strict, roots: [emulator(1).slice(0, -1)] }],
    ['with the hash of a root in capitals', { ...strict, roots: [`emulator:${'AB'.repeat(32)}`] }],
    ['with the same root twice', { ...strict, roots: [emulator(1), emulator(1)] }],
    ['that trusts Intel and an emulator', { ...strict, roots: ['intel', emulator(1)] }, /both Intel and an emulator/],
    ['for another TEE', { ...strict, tee: ['sev'] }],
    ['without measurements', { ...strict, measurements: [] }],
    ...(['mrTd', 'rtmr1', 'rtmr2'] as const).map((name): [string, unknown, RegExp] => [
      `that pins no ${name}`,
      { ...strict, measurements: [{ ...first, [name]: undefined }] },
      new RegExp(`measurements/0 must have required property '${name}'`),
    ]),
    ['that pins nothing', { ...strict, measurements: [{}] }],
    ['with "any" and a register', { ...strict, measurements: [{ any: true, mrTd: register(1) }] }, /cannot have "mrTd" beside/],
    ['with "any": false', { ...strict, measurements: [{ ...first, any: false }] }],
    ['with a register in capitals', { ...strict, measurements: [{ ...first, mrTd: 'AB'.repeat(48) }] }],
    ['with a short register', { ...strict, measurements: [{ ...first, mrTd: register(1).slice(2) }] }],
    ['with a line end after a register', { ...strict, measurements: [{ ...first, mrTd: `${register(1)}\n` }] }],
    ['that pins RTMR3', { ...strict, measurements: [{ ...first, rtmr3: register(1) }] }],
    ['with a short xfam', { ...strict, measurements: [{ ...first, xfam: 'e7020600000000' }] }],
    ['with a measurement twice', { ...strict, measurements: [first, first] }],
    [
      'with two measurements of one name',
      { ...strict, measurements: [first, { ...first, rtmr2: register(9) }] },
      /two alternatives named/,
    ],
    ['with a name that a terminal would obey', { ...strict, measurements: [{ ...first, name: 'x\u001b[2J' }] }],
    [
      'with 65 measurements',
      {
        ...strict,
        measurements: Array.from({ length: 65 }, (_, i) => ({ ...first, rtmr2: register(i) })).map((m, i) => ({
          ...m,
          name: `${i}`,
        })),
      },
    ],
    ['with an empty list of apps', { ...strict, apps: [] }],
    ['with an app twice', { ...strict, apps: [full.apps![0], { ...full.apps![0], compose: [sha256(9)] }] }, /twice/],
    ['with an app without compose files', { ...strict, apps: [{ appId: hex(bytes(20, 1)), compose: [] }] }],
    [
      'with a compose hash without its algorithm',
      { ...strict, apps: [{ appId: hex(bytes(20, 1)), compose: [register(1).slice(32)] }] },
    ],
    ['with a short app id', { ...strict, apps: [{ appId: hex(bytes(19, 1)), compose: [sha256(1)] }] }],
    ['that accepts no status', { ...strict, tcb: { accept: [] } }],
    ['that accepts a status twice', { ...strict, tcb: { accept: ['UpToDate', 'UpToDate'] } }],
    ['with negative grace', { ...strict, tcb: { graceDays: -1 } }],
    ['with half a day of grace', { ...strict, tcb: { graceDays: 0.5 } }],
    ['with a number in words', { ...strict, tcb: { minEvaluationDataNumber: '17' } }],
    ['with an advisory that is none', { ...strict, tcb: { denyAdvisories: ['INTEL-SA-837'] } }],
    ['with collateral of no age', { ...strict, tcb: { collateralMaxAgeDays: 0 } }],
    ['with attributes in words', { ...strict, tdAttributes: { debug: 'false' } }],
    ['with an unknown attribute', { ...strict, tdAttributes: { perfmon: true } }],
    ['with an empty list of platforms', { ...strict, platforms: [] }],
    ['with a platform twice', { ...strict, platforms: [sha256(1), sha256(1)] }],
    ['with a lifetime without a unit', { ...strict, credentialLifetime: '60' }],
    ['with a lifetime of nothing', { ...strict, credentialLifetime: '0s' }, /credentialLifetime/],
    ['with a lifetime of 8 days', { ...strict, credentialLifetime: '8d' }, /credentialLifetime/],
    ['with a lifetime written oddly', { ...strict, credentialLifetime: '01h' }],
    ['that lets the lapsed serve for a year', { ...strict, lapsedServe: '365d' }, /lapsedServe/],
    ['with more custodians needed than there are', { ...strict, recovery: { ...recovery, threshold: 3 } }, /recovery.threshold/],
    [
      'with a custodian twice',
      { ...strict, recovery: { ...recovery, custodians: [recovery.custodians[0], recovery.custodians[0]] } },
      /twice/,
    ],
    [
      'with two custodians of one key',
      {
        ...strict,
        recovery: { ...recovery, custodians: recovery.custodians.map(({ name }) => ({ name, recipient: recipient('q') })) },
      },
      /a recipient twice/,
    ],
    [
      'with a classic recipient',
      { ...strict, recovery: { threshold: 1, custodians: [{ name: 'ann', recipient: `age1${'q'.repeat(58)}` }] } },
    ],
    [
      'with more governors needed than there are',
      { ...strict, governance: { ...governance, threshold: 4 } },
      /governance.threshold/,
    ],
    ['with no governor needed', { ...strict, governance: { ...governance, threshold: 0 } }],
    ['with a governor twice', { ...strict, governance: { ...governance, keys: [account(1), account(1)] } }],
    [
      'with a mistyped governor',
      {
        ...strict,
        governance: { ...governance, keys: [account(1).replace(/.$/, (c) => (c === 'A' ? 'B' : 'A'))], threshold: 1 },
      },
      /not a Stellar account/,
    ],
    ['with governance without delay', { ...strict, governance: { keys: governance.keys, threshold: 1 } }],
  ]
  for (const [what, document, message] of cases) {
    it(what, () => {
      assert.throws(
        () => parse(document),
        (error) =>
          error instanceof PolicyError && error.code === 'policy_invalid' && (message ?? /./).test(error.problems.join('\n')),
      )
    })
  }

  it('with all that is wrong with it told at once', () => {
    assert.throws(
      () => parse({ ...strict, version: 2, roots: ['amd'], tcb: { graceDays: -1 } }),
      (error) => error instanceof PolicyError && error.problems.length === 3,
    )
  })
})

describe('hostile JSON is refused', () => {
  const text = JSON.stringify(strict)
  const inside = (extra: string) => `{${extra},${text.slice(1)}`
  const cases: [string, string | Uint8Array, RegExp][] = [
    ['with a key twice', inside('"version":1'), /"version" comes twice/],
    ['with a key twice, once escaped', inside('"\\u0076ersion":1'), /"version" comes twice/],
    ['with a key twice, inside', text.replace('{"name"', '{"mrTd":"00","name"'), /"mrTd" comes twice/],
    ['with __proto__', inside('"__proto__":{"governance":{}}'), /"__proto__" is not allowed/],
    ['with __proto__, escaped', inside('"__pro\\u0074o__":{}'), /"__proto__" is not allowed/],
    ['with __proto__ deep inside', text.replace('{"name"', '{"__proto__":{"any":true},"name"'), /"__proto__" is not allowed/],
    ['with constructor', inside('"constructor":{}'), /unknown key "constructor"/],
    ['with a comma too many', text.replace('}]', ',}]'), /not JSON/],
    ['with a comment', `${text}// strict`, /not JSON/],
    ['that is empty', '', /not JSON/],
    ['cut off', text.slice(0, -1), /not JSON/],
    ['twice', text + text, /not JSON/],
    ['with a byte order mark', `\ufeff${text}`, /not JSON/],
    ['with a byte order mark, as bytes', Buffer.from(`\ufeff${text}`), /not JSON/],
    ['that is not UTF-8', Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.of(0xff)]), /not JSON/],
    ['with half a surrogate pair', text.replace('image', '\ud800'), /not JSON/],
    ['larger than 64 KiB', text + ' '.repeat(64 * 1024), /at most 65536/],
    ['nested deeply', inside(`"tcb":${'['.repeat(20_000)}${']'.repeat(20_000)}`), /nested too deeply/],
    ['with a number beyond all', inside('"tcb":{"graceDays":1e400}'), /graceDays/],
  ]
  for (const [what, input, message] of cases) {
    it(what, () => {
      assert.throws(
        () => parsePolicy(input),
        (error) => error instanceof PolicyError && message.test(error.message),
      )
    })
  }

  it('without polluting any prototype', () => {
    assert.throws(() => parsePolicy(inside('"__proto__":{"polluted":1}')), PolicyError)
    assert.equal((Object.prototype as { polluted?: number }).polluted, undefined)
  })

  it('and what braces and quotes inside strings look like does not matter', () => {
    // Not a valid name, but well-formed: it must get as far as the schema.
    assert.throws(
      () => parse({ ...strict, measurements: [{ ...strict.measurements[0], name: '}],"roots":["\\"' }] }),
      (error) => error instanceof PolicyError && /measurements\/0\/name must match/.test(error.message),
    )
  })
})

describe('the canonical form of a policy', () => {
  it('is RFC 8785, and its SHA-256 the policy hash (vector)', () => {
    const text = `{
      "version": 1.0, "tee": ["tdx"], "roots": ["intel"],
      "tcb": { "minEvaluationDataNumber": 17e0, "accept": ["UpToDate"] },
      "measurements": [ { "rtmr2": "${register(3)}", "rtmr1": "${register(2)}", "mrTd": "${register(1)}", "name": "\\u0069mage 0.1.0" } ]
    }`
    const canonical =
      `{"measurements":[{"mrTd":"${'01'.repeat(48)}","name":"image 0.1.0","rtmr1":"${'02'.repeat(48)}","rtmr2":"${'03'.repeat(48)}"}],` +
      '"roots":["intel"],"tcb":{"accept":["UpToDate"],"minEvaluationDataNumber":17},"tee":["tdx"],"version":1}'
    const policy = parsePolicy(text)
    assert.equal(canonicalPolicy(policy), canonical)
    assert.equal(hex(policyHash(policy)), '39fcfdf46b44d97f966be5e45cf130ecfb7bfb56545e2f015607a7b8915c0522')
    assert.equal(hex(policyHash(policy)), createHash('sha256').update(canonical).digest('hex'))
  })

  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((value) => `sha256:${hex(value)}`)
  const hashes = fc.uniqueArray(hash, { minLength: 1, maxLength: 4 })
  const duration = fc.tuple(fc.integer({ min: 1, max: 24 }), fc.constantFrom('m', 'h')).map(([n, unit]) => `${n}${unit}`)
  const anyRegister = fc.uint8Array({ minLength: 48, maxLength: 48 }).map(hex)
  const document = fc.record(
    {
      version: fc.constant(1),
      roots: fc.constantFrom(['intel'], [emulator(1)], [emulator(1), emulator(2)]),
      tee: fc.constant(['tdx']),
      measurements: fc.uniqueArray(
        fc.record(
          { mrTd: anyRegister, rtmr1: anyRegister, rtmr2: anyRegister, rtmr0: anyRegister, mrSeam: anyRegister },
          { requiredKeys: ['mrTd', 'rtmr1', 'rtmr2'] },
        ),
        { minLength: 1, maxLength: 4, selector: ({ mrTd }) => mrTd },
      ),
      apps: fc.uniqueArray(fc.record({ appId: fc.uint8Array({ minLength: 20, maxLength: 20 }).map(hex), compose: hashes }), {
        minLength: 1,
        maxLength: 4,
        selector: ({ appId }) => appId,
      }),
      tcb: fc.record(
        { graceDays: fc.nat(3650), accept: fc.uniqueArray(fc.constantFrom(...TCB_STATUSES), { minLength: 1 }) },
        { requiredKeys: [] },
      ),
      platforms: hashes,
      credentialLifetime: duration,
      lapsedServe: duration,
    },
    { requiredKeys: ['version', 'roots', 'tee', 'measurements'] },
  )
  /** The same document with the keys of every object in another order, and white space between. */
  const shuffled = (value: unknown, seed: number): string => {
    if (Array.isArray(value)) return `[ ${value.map((item) => shuffled(item, seed)).join(' ,\n')} ]`
    if (typeof value !== 'object' || value === null) return JSON.stringify(value)
    const keys = Object.entries(value).sort(
      ([a], [b]) => ((a.length * seed) % 7) - ((b.length * seed) % 7) || (seed % 2 ? 1 : -1),
    )
    return `{\t${keys.map(([key, item]) => `${JSON.stringify(key)} : ${shuffled(item, seed)}`).join(',')} }`
  }

  it('does not depend on how the policy was written, and is itself that policy (property)', () => {
    fc.assert(
      fc.property(document, fc.integer({ min: 1, max: 1_000 }), (written, seed) => {
        const policy = parse(written)
        const canonical = canonicalPolicy(policy)
        assert.equal(canonicalPolicy(parsePolicy(shuffled(written, seed))), canonical)
        assert.equal(canonicalPolicy(parsePolicy(canonical)), canonical)
        assert.deepEqual(policyHash(parsePolicy(Buffer.from(canonical))), policyHash(policy))
      }),
    )
  })

  it('is another one for another policy (property)', () => {
    fc.assert(
      fc.property(document, document, (a, b) => {
        const same = canonicalPolicy(parse(a)) === canonicalPolicy(parse(b))
        assert.equal(hex(policyHash(parse(a))) === hex(policyHash(parse(b))), same)
      }),
      { numRuns: 50 },
    )
  })

  it('never comes out of text that is not a policy: anything parses or is a PolicyError (property)', () => {
    const near = fc.tuple(document, fc.nat(), fc.string({ minLength: 1, maxLength: 3 })).map(([written, at, noise]) => {
      const text = JSON.stringify(written)
      return text.slice(0, at % text.length) + noise + text.slice(at % text.length)
    })
    fc.assert(
      fc.property(fc.oneof(near, fc.json(), fc.string({ unit: 'binary' })), (text) => {
        try {
          parsePolicy(text)
        } catch (error) {
          assert.ok(error instanceof PolicyError, String(error))
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('a policy in words', () => {
  it('marks what gives away a protection, and nothing else', () => {
    assert.equal(isInsecure(parse(full)), false)
    assert.ok(!describePolicy(parse(full)).some((line) => line.includes('INSECURE')))
    for (const [document, word] of [
      [{ ...strict, roots: [emulator(1)] }, 'emulator'],
      [{ ...strict, measurements: [{ any: true }] }, 'any software'],
      [{ ...strict, measurements: [...strict.measurements, { name: 'all', any: true }] }, '"all"'],
      [{ ...strict, tdAttributes: { debug: true } }, 'debugged'],
    ] as const) {
      const policy = parse(document)
      assert.equal(insecurities(policy).length, 1)
      assert.ok(isInsecure(policy))
      assert.ok(
        describePolicy(policy).some((line) => line.startsWith('INSECURE: ') && line.includes(word)),
        word,
      )
    }
  })

  it('tells the hash, the root and every rule', () => {
    const text = describePolicy(parse(full)).join('\n')
    for (const word of [
      hex(policyHash(parse(full))),
      'Intel',
      'image 0.1.0',
      'image 0.1.1',
      hex(bytes(20, 1)),
      'SWHardeningNeeded',
      '14 days',
      '17 or later',
      '30 days old',
      'INTEL-SA-00837',
      '1 listed',
      '5400 s',
      '48 h',
      'any 2 of 2 custodians (ann, bob) could restore the secret',
      'recovery: this version does not carry it out',
      'any 2 of 3 keys could replace this policy by another, 72 h after they announced it',
      ...[1, 2, 3].map((index) => `governance: key ${account(index)}`),
      'no cluster is made, and none is joined',
    ]) {
      assert.ok(text.includes(word), word)
    }
  })
})

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, truncateSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createEmulatedPki, EMULATED_FMSPC, pem } from '../../src/attest/emulator/index.ts'
import { systemClock } from '../../src/base/index.ts'
import { collateralToJson } from '../../src/index.ts'
import { bytes, hex, MEASUREMENTS } from '../attest/support.ts'
import { makeEventLog } from '../support/event-log.ts'
import { inPairs, Workshop } from './support.ts'

/** Samples that are not part of this repository. They are looked for beside it. */
const shared = fileURLToPath(new URL('../../../shared/', import.meta.url))
const HUGE_BYTES = 100 * 1024 * 1024

interface Line {
  id: string | number | null
  ok: boolean
  status: string | null
  reasons: string[]
  td: Record<string, unknown> | null
}

describe('judging on the command line', function () {
  this.timeout(60_000)
  const nowMs = systemClock.now()
  const at = Math.floor(nowMs / 1000)
  const pki = createEmulatedPki({ nowMs })
  const platform = pki.platform()
  const collateral = collateralToJson(pki.collateral(nowMs))
  const sound = platform.quote({ ...MEASUREMENTS })
  const debugged = platform.quote({ ...MEASUREMENTS, tdAttributes: Uint8Array.of(1, 0, 0, 0x10, 0, 0, 0, 0) })
  const forged = Uint8Array.from(sound)
  forged[600]! ^= 1
  const policy = {
    version: 1,
    roots: [pki.rootName],
    tee: ['tdx'],
    measurements: [
      { name: 'image', mrTd: hex(MEASUREMENTS.mrTd), rtmr1: hex(MEASUREMENTS.rtmr1), rtmr2: hex(MEASUREMENTS.rtmr2) },
    ],
  }

  let shop: Workshop
  let paths: { quote: string; collateral: string; root: string; policy: string; huge: string; missing: string }
  before(async () => {
    shop = await Workshop.open()
    paths = {
      quote: await shop.file('quote', sound),
      collateral: await shop.file('collateral.json', collateral),
      root: await shop.file('root.der', pki.rootDer),
      policy: await shop.file('policy.json', policy),
      huge: await shop.file('huge', ''),
      missing: shop.path('missing'),
    }
    truncateSync(paths.huge, HUGE_BYTES)
  })
  after(() => shop.close())

  const verify = (...more: string[]) => ['quote', 'verify', '--quote', paths.quote, '--collateral', paths.collateral, ...more]
  const json = async <T>(args: readonly string[]): Promise<{ code: number | null; answer: T }> => {
    const { code, stdout, stderr } = await shop.run([...args, '--json'])
    assert.equal(stderr, '')
    return { code, answer: JSON.parse(stdout) as T }
  }
  interface Answer {
    ok: boolean
    status: string | null
    reasons: { code: string; reason: string }[]
    warnings: string[]
    insecure?: string[]
    verified: boolean
    fmspc?: string
    td: Record<string, string> | null
  }

  it('shows examples in the help of every command', async () => {
    await inPairs(
      [
        'policy check',
        'policy hash',
        'policy explain',
        'policy from-quote',
        'quote verify',
        'event-log replay',
        'cert verify',
      ].map((command) => async () => {
        const { code, stdout } = await shop.run([...command.split(' '), '--help'])
        assert.equal(code, 0)
        assert.match(stdout, /Examples?:\n/)
        assert.match(stdout, /--json/)
      }),
    )
  })

  it('exits with 2, and names what is wrong, on files that are not there or too large and on values that are none', async () => {
    const { quote, missing, huge, policy, collateral } = paths
    const cases: [RegExp, ...string[]][] = [
      [/cannot read the policy: .*missing/, 'policy', 'check', missing],
      [/larger than/, 'policy', 'check', huge],
      [/cannot read the policy/, 'policy', 'hash', shop.folder],
      [/cannot read the quote/, 'policy', 'explain', policy, missing],
      [/cannot read the collateral/, 'policy', 'explain', policy, quote, '--collateral', missing],
      [/larger than/, 'quote', 'verify', '--quote', huge, '--collateral', collateral],
      [/larger than/, 'quote', 'verify', '--quote', quote, '--collateral', huge],
      [/no --collateral/, 'quote', 'verify', '--quote', quote],
      [/cannot be used with/, ...verify('--lines')],
      [/not one certificate/, ...verify('--root', policy)],
      [/ISO 8601/, ...verify('--at', 'yesterday')],
      [/ISO 8601/, ...verify('--at', '2025-02-30')],
      [/ISO 8601/, ...verify('--at', '99999999999999999999')],
      [/whole number/, 'policy', 'from-quote', quote, '--min-evaluation-data-number', '1e999'],
      [/larger than/, 'event-log', 'replay', huge],
      [/cannot read the boot event log/, 'event-log', 'replay', missing],
      [/--app/, 'cert', 'verify', quote],
      [/40 hex digits/, 'cert', 'verify', quote, '--app', 'ff'],
    ]
    await inPairs(
      cases.map(
        ([words, ...args]) =>
          () =>
            shop.fails(2, words, ...args),
      ),
    )
  })

  describe('quote verify', () => {
    it('accepts by Intel’s root unless another is named, DER or PEM', async () => {
      const der = await json<Answer>(verify('--root', paths.root))
      assert.deepEqual([der.code, der.answer.ok, der.answer.status, der.answer.reasons], [0, true, 'UpToDate', []])
      assert.equal(der.answer.fmspc, EMULATED_FMSPC.toLowerCase())
      assert.equal(der.answer.td?.mr_td, hex(MEASUREMENTS.mrTd))
      const asPem = await json<Answer>(verify('--root', await shop.file('root.pem', pem(pki.rootDer))))
      assert.equal(asPem.code, 0)
      const intel = await json<Answer>(verify())
      assert.deepEqual([intel.code, intel.answer.reasons[0]?.code, intel.answer.verified], [1, 'root_untrusted', false])
    })

    it('refuses what was changed, what has expired, and what is no quote or no collateral', async () => {
      const cases: [string, ...string[]][] = [
        ['quote_signature', '--quote', await shop.file('forged', forged)],
        ['quote_malformed', '--quote', await shop.file('cut', sound.subarray(0, 700))],
        ['quote_malformed', '--quote', await shop.file('empty', '')],
        ['unsupported', '--quote', await shop.file('text', 'what is a quote?')],
        ['expired', '--at', '2099-01-01T00:00:00Z'],
        ['not_yet_valid', '--at', '2020-01-01'],
        ['collateral_malformed', '--collateral', await shop.file('not.json', '{')],
        ['collateral_malformed', '--collateral', await shop.file('null.json', 'null')],
        ['collateral_malformed', '--collateral', await shop.file('eight.json', { ...collateral, tcb_info: undefined })],
        ['collateral_malformed', '--collateral', await shop.file('number.json', { ...collateral, tcb_info: 1e308 })],
        [
          'collateral_malformed',
          '--collateral',
          await shop.file('proto.json', `{"__proto__": ${JSON.stringify(collateral)}, "constructor": {}}`),
        ],
      ]
      await inPairs(
        cases.map(([code, ...more]) => async () => {
          const { code: exit, answer } = await json<Answer>(verify('--root', paths.root, ...more))
          assert.deepEqual([exit, answer.ok, answer.status, answer.reasons[0]?.code], [1, false, null, code], more.join(' '))
        }),
      )
    })

    it('warns of a debugged TD, which only a policy refuses', async () => {
      const quote = await shop.file('debugged', debugged)
      const alone = await json<Answer>([
        'quote',
        'verify',
        '--quote',
        quote,
        '--collateral',
        paths.collateral,
        '--root',
        paths.root,
      ])
      assert.equal(alone.code, 0)
      assert.match(alone.answer.warnings.join(), /debug/)
      const judged = await json<Answer>([
        ...['quote', 'verify', '--quote', quote, '--collateral', paths.collateral, '--policy', paths.policy],
      ])
      assert.equal(judged.code, 1)
      assert.match(judged.answer.reasons.map(({ reason }) => reason).join(), /DEBUG/)
      assert.equal(judged.answer.status, 'UpToDate', 'it verifies; it is the policy that refuses')
    })

    it('takes the root from the policy, and tells everything that the policy refuses at once', async () => {
      assert.equal((await json<Answer>(verify('--policy', paths.policy))).code, 0)
      const other = await shop.file('other.json', {
        ...policy,
        measurements: [{ mrTd: hex(bytes(48, 9)), rtmr1: hex(bytes(48, 9)), rtmr2: hex(bytes(48, 9)) }],
        tcb: { minEvaluationDataNumber: 4_000_000_000 },
        platforms: [`sha256:${'0'.repeat(64)}`],
      })
      const { code, answer } = await json<Answer>(verify('--policy', other))
      assert.equal(code, 1)
      assert.deepEqual(
        answer.reasons.map((reason) => reason.code),
        ['measurement_unacceptable', 'collateral_expired', 'platform_unacceptable'],
      )
      const intel = await shop.file('intel.json', { ...policy, roots: ['intel'] })
      assert.equal((await json<Answer>(verify('--policy', intel))).answer.reasons.at(-1)?.code, 'root_untrusted')
      const both = await json<Answer>(verify('--policy', intel, '--root', paths.root))
      assert.equal(both.answer.reasons.at(-1)?.code, 'root_untrusted', 'a root that the policy does not trust')
    })

    it('speaks to people too, plainly where there is no terminal', async () => {
      const { code, stdout } = await shop.run(verify('--policy', paths.policy))
      assert.equal(code, 0)
      assert.match(stdout, /^accepted as of .*Z\n/)
      assert.match(stdout, /INSECURE: root of trust: an emulator/)
      assert.match(stdout, /TCB status +UpToDate/)
      assert.match(stdout, /attributes +SEPT_VE_DISABLE/)
      assert.ok(!stdout.includes('\u001b'))
    })
  })

  describe('quote verify --lines', () => {
    const question = (id: unknown, quote: Uint8Array, more: object = {}): string =>
      `${JSON.stringify({ id, quote: hex(quote), collateral, root: hex(pki.rootDer), at, ...more })}\n`
    const lines = async (input: Iterable<string | Uint8Array>, ...args: string[]): Promise<Line[]> => {
      const { code, stdout, stderr } = await shop.run(['quote', 'verify', '--lines', ...args], input)
      assert.deepEqual([code, stderr], [0, ''])
      return stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Line)
    }

    it('answers each line in order: what the verifier alone says', async () => {
      const answers = await lines([question('a', sound), question(7, forged), question('c', debugged)])
      assert.deepEqual(
        answers.map(({ id, ok, status, reasons }) => [id, ok, status, reasons]),
        [
          ['a', true, 'UpToDate', []],
          [7, false, null, ['quote_signature']],
          ['c', true, 'UpToDate', []],
        ],
      )
      assert.equal(answers[0]!.td?.mr_td, hex(MEASUREMENTS.mrTd))
      assert.equal(answers[1]!.td, null, 'nothing that anybody could have written')
      assert.deepEqual(answers[2]!.td?.attributes, ['DEBUG', 'SEPT_VE_DISABLE'])
      assert.equal(answers[2]!.td?.td_attributes, '0100001000000000')
    })

    it('puts lines together however they arrive', async () => {
      const text = ['short', 'long', 'last']
        .map((id) => question(id, sound, { pad: 'x'.repeat(id === 'long' ? 300_000 : 0) }))
        .join('')
      const pieces = text.match(/[\s\S]{1,997}/g)!
      assert.deepEqual(
        (await lines(pieces)).map(({ id, ok }) => [id, ok]),
        [
          ['short', true],
          ['long', true],
          ['last', true],
        ],
      )
    })

    it('lets the policy decide where there is one, and finds the root in it', async () => {
      const answers = await lines(
        [question('a', sound, { root: undefined }), question('b', debugged, { root: undefined })],
        '--policy',
        paths.policy,
      )
      assert.deepEqual(
        answers.map(({ ok, reasons }) => [ok, reasons]),
        [
          [true, []],
          [false, ['measurement_unacceptable']],
        ],
      )
    })

    it('answers every malformed line with a reason, and goes on', async () => {
      const malformed: [string | Uint8Array, string, unknown?][] = [
        ['\n', 'line_malformed'],
        ['nonsense\n', 'line_malformed'],
        ['null\n', 'line_malformed'],
        ['[]\n', 'line_malformed'],
        ['{}\n', 'line_malformed'],
        [Buffer.from([0x7b, 0xff, 0xfe, 0x7d, 0x0a]), 'line_malformed'],
        [`${'['.repeat(1_000_000)}\n`, 'line_malformed'],
        [question({ an: 'object' }, sound, { quote: 7 }), 'line_malformed'],
        [`{"__proto__": {"quote": "00"}, "id": "p"}\n`, 'line_malformed', 'p'],
        [question('h', sound, { quote: '0g' }), 'line_malformed', 'h'],
        [question('r', sound, { root: 'zz' }), 'line_malformed', 'r'],
        [question('s', sound, { root: 'ff' }), 'certificate_malformed', 's'],
        [question('t', sound, { at: -1 }), 'line_malformed', 't'],
        [question('u', sound, { at: 1e308 }), 'line_malformed', 'u'],
        [question('v', sound, { at: '2025' }), 'line_malformed', 'v'],
        [question('w', sound, { collateral: undefined }), 'collateral_missing', 'w'],
        [question('x', sound, { collateral: [] }), 'collateral_malformed', 'x'],
        [question('y', sound, { root: undefined }), 'root_untrusted', 'y'],
        [question('z', new Uint8Array(0)), 'quote_malformed', 'z'],
      ]
      const answers = await lines([...malformed.map(([line]) => line), question('last', sound).trimEnd()])
      assert.equal(answers.length, malformed.length + 1)
      for (const [index, [line, reason, id]] of malformed.entries()) {
        const answer = answers[index]!
        assert.deepEqual([answer.ok, answer.reasons, answer.id], [false, [reason], id ?? null], String(line).slice(0, 80))
      }
      assert.deepEqual([answers.at(-1)!.id, answers.at(-1)!.ok], ['last', true])
    })

    it('holds no more than its limit of a line of 100 MB, and answers what comes after it', async () => {
      const program = shop.start(['quote', 'verify', '--lines'], ['pipe', 'pipe', 'pipe'])
      const piece = Buffer.alloc(1024 * 1024, 'x')
      for (let sent = 0; sent < HUGE_BYTES; sent += piece.length) {
        await new Promise<void>((resolve, reject) =>
          program.child.stdin!.write(piece, (error) => (error ? reject(error) : resolve())),
        )
      }
      program.child.stdin!.write(`\n${question('after', sound)}`)
      await program.firstLine()
      const peakKb = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${program.child.pid}/status`, 'utf8'))![1])
      assert.ok(peakKb < 300_000, `${peakKb} kB`)
      program.child.stdin!.end()
      assert.equal((await program.end()).code, 0)
      const [long, after] = program.stdout.trimEnd().split('\n') as [string, string]
      assert.deepEqual((JSON.parse(long) as Line).reasons, ['line_too_long'])
      assert.equal((JSON.parse(after) as Line).ok, true)
    })

    it('answers 100,000 lines', async () => {
      const count = 100_000
      function* many() {
        for (let from = 0; from < count; from += 1_000) {
          yield Array.from({ length: 1_000 }, (_, i) => `{"id":${from + i},"quote":"00"}\n`).join('')
        }
      }
      const answers = await lines(many())
      assert.equal(answers.length, count)
      assert.ok(answers.every(({ id, ok, reasons }, index) => id === index && !ok && reasons[0] === 'quote_malformed'))
    })

    it('ends quietly when its reader goes away', async () => {
      const program = shop.start(['quote', 'verify', '--lines'], ['pipe', 'pipe', 'pipe'])
      program.child.stdin!.on('error', () => {})
      const feed = (): void => {
        if (program.child.stdin!.write('{"id":1,"quote":"00"}\n'.repeat(1_000))) setImmediate(feed)
        else program.child.stdin!.once('drain', feed)
      }
      feed()
      await program.firstLine()
      program.child.stdout!.destroy()
      assert.equal((await program.end()).code, 0)
      assert.equal(program.stderr, '')
    })

    it('gives Intel’s verdicts on 200 random TCBs', async function () {
      const tool = `${shared}reference/qvl/tcb-fuzz.mjs`
      if (!existsSync(tool)) return this.skip()
      const input = execFileSync(process.execPath, [tool, '0', '200'], { maxBuffer: HUGE_BYTES, timeout: 20_000 })
      const intels = JSON.parse(readFileSync(`${shared}reference/qvl/verdicts-0-999.json`, 'utf8')) as Record<string, string>
      const answers = await lines([input])
      assert.equal(answers.length, 200)
      for (const { id, ok, status } of answers) {
        const verdict = intels[String(id)]!
        assert.equal(ok ? status : 'reject', verdict.startsWith('reject') ? 'reject' : verdict, String(id))
      }
    })
  })

  describe('policy', () => {
    it('check tells a policy in words, and hash names it however it is written', async () => {
      const { code, stdout } = await shop.run(['policy', 'check', paths.policy])
      assert.equal(code, 0)
      assert.match(stdout, /^INSECURE: root of trust: an emulator/m)
      const spread = await shop.file('spread.json', JSON.stringify(Object.fromEntries(Object.entries(policy).reverse()), null, 4))
      const [one, other] = await Promise.all([paths.policy, spread].map((path) => shop.run(['policy', 'hash', path])))
      assert.match(one!.stdout, /^[0-9a-f]{64}\n$/)
      assert.equal(one!.stdout, other!.stdout)
      assert.ok(stdout.includes(one!.stdout.trim()))
    })

    it('check tells all problems at once', async () => {
      const bad = await shop.file('bad.json', { version: 2, roots: ['intel', 'amd'], tee: ['sgx'], colour: 'red' })
      const { code, answer } = await json<{ valid: boolean; problems: string[] }>(['policy', 'check', bad])
      assert.deepEqual([code, answer.valid], [1, false])
      for (const words of [/version/, /roots\/1/, /tee\/0/, /measurements/, /"colour"/]) {
        assert.ok(
          answer.problems.some((problem) => words.test(problem)),
          `${words}: ${answer.problems.join('; ')}`,
        )
      }
    })

    it('check refuses what JSON would let pass, and no text in it reaches the terminal raw', async () => {
      const text = JSON.stringify(policy)
      const cases: [string, RegExp][] = [
        ['', /not JSON/],
        ['{"version":1', /not JSON/],
        [text.replace('{', '{"__proto__":{},'), /__proto__/],
        [text.replace('{', '{"version":1,'), /twice/],
        ['['.repeat(20) + ']'.repeat(20), /nested/],
        [text.replace('"version":1', '"version":1e999'), /version/],
        [text.replace('{', '{"\\u001b[2J\\u202e":1,'), /unknown key/],
        [`${' '.repeat(70_000)}${text}`, /at most/],
      ]
      await inPairs(
        cases.map(([content, words], index) => async () => {
          const { code, stdout, stderr } = await shop.run(['policy', 'check', await shop.file(`case${index}`, content)])
          assert.deepEqual([code, stderr], [1, ''], content.slice(0, 60))
          assert.match(stdout, words)
          for (const mark of ['\u001b', '\u202e']) assert.ok(!stdout.includes(mark))
        }),
      )
    })

    it('explain refuses without collateral, but says what the policy says to the TD itself', async () => {
      const explain = ['policy', 'explain', paths.policy]
      const accepted = await json<Answer>([...explain, paths.quote, '--collateral', paths.collateral])
      assert.deepEqual([accepted.code, accepted.answer.ok], [0, true])
      const bare = await json<Answer>([...explain, paths.quote])
      assert.deepEqual([bare.code, bare.answer.reasons.map(({ code }) => code)], [1, ['collateral_missing']])
      const other = await json<Answer>([...explain, await shop.file('debugged', debugged)])
      assert.deepEqual(
        other.answer.reasons.map(({ code }) => code),
        ['measurement_unacceptable', 'collateral_missing'],
      )
    })

    it('from-quote makes a policy that accepts this TD and no other', async () => {
      const made = await shop.run(['policy', 'from-quote', paths.quote, '--collateral', paths.collateral, '--name', 'my image'])
      assert.equal(made.code, 0)
      assert.match(made.stderr, /INSECURE: root of trust: an emulator/)
      const own = await shop.file('own.json', made.stdout)
      assert.equal((await json<Answer>(verify('--policy', own))).code, 0)
      const document = JSON.parse(made.stdout) as { measurements: { name: string }[]; tcb: { minEvaluationDataNumber: number } }
      assert.equal(document.measurements[0]!.name, 'my image')
      assert.ok(document.tcb.minEvaluationDataNumber > 0)
      const stranger = await shop.file('stranger', platform.quote({ ...MEASUREMENTS, rtmr0: bytes(48, 9) }))
      const refused = await json<Answer>(['policy', 'explain', own, stranger, '--collateral', paths.collateral])
      assert.deepEqual([refused.code, refused.answer.reasons[0]?.code], [1, 'measurement_unacceptable'])
    })

    it('from-quote says what it did not verify, and refuses a quote that the collateral does not', async () => {
      const bare = await shop.run(['policy', 'from-quote', paths.quote])
      assert.equal(bare.code, 0)
      assert.match(bare.stderr, /not verified/)
      assert.match(bare.stderr, /minEvaluationDataNumber is 0/)
      assert.equal((JSON.parse(bare.stdout) as { tcb: { minEvaluationDataNumber: number } }).tcb.minEvaluationDataNumber, 0)
      const debug = await shop.run(['policy', 'from-quote', await shop.file('debugged', debugged)])
      assert.match(debug.stderr, /does not accept the TD: .*DEBUG/)
      await shop.fails(
        1,
        /quote_signature/,
        ...['policy', 'from-quote', await shop.file('forged', forged), '--collateral', paths.collateral],
      )
    })
  })

  describe('event-log replay', () => {
    const events = [
      { register: 1, type: 0x1, data: 'firmware\u001b[2J' },
      { register: 2, type: 0x4, data: 'separator' },
      { register: 3, type: 0xd, data: 'kernel_cmdline: quiet' },
    ]

    it('names the events and computes the registers; those of the quote decide', async () => {
      const log = await shop.file('ccel', makeEventLog(events))
      const { code, answer } = await json<{ rtmrs: { replayed: string }[]; events: { name: string }[] }>([
        'event-log',
        'replay',
        log,
      ])
      assert.equal(code, 0)
      assert.deepEqual(
        answer.events.map(({ name }) => name).filter((name) => name !== 'EV_NO_ACTION'),
        ['EV_POST_CODE', 'EV_SEPARATOR', 'EV_IPL'],
      )
      const [rtmr0, rtmr1, rtmr2] = answer.rtmrs.map(({ replayed }) => Uint8Array.from(Buffer.from(replayed, 'hex')))
      const registers = { rtmr0: rtmr0!, rtmr1: rtmr1!, rtmr2: rtmr2!, rtmr3: bytes(48, 5) }
      const right = await shop.run(['event-log', 'replay', log, '--quote', await shop.file('right', platform.quote(registers))])
      assert.equal(right.code, 0, 'RTMR3 is extended after boot')
      assert.match(right.stdout, /kernel_cmdline: quiet/)
      assert.ok(!right.stdout.includes('\u001b'))
      for (const register of ['rtmr0', 'rtmr1', 'rtmr2']) {
        const quote = await shop.file('wrong', platform.quote({ ...registers, [register]: bytes(48, 7) }))
        const wrong = await shop.run(['event-log', 'replay', log, '--quote', quote])
        assert.equal(wrong.code, 1)
        assert.match(wrong.stdout, new RegExp(`${register} .*quoted otherwise`))
      }
    })

    it('refuses what is no log', async () => {
      const log = makeEventLog(events)
      await inPairs(
        [log.subarray(0, log.length - 20).subarray(0, 120), Buffer.from('{}'), Buffer.alloc(0)].map(
          (content, index) => async () =>
            shop.fails(1, /boot event log/, 'event-log', 'replay', await shop.file(`log${index}`, content)),
        ),
      )
    })
  })

  describe('samples of real hardware', () => {
    it('are judged as Intel’s verifier judges them', async function () {
      if (!existsSync(`${shared}quotes/phala`)) return this.skip()
      const sample = (name: string, at: string) => [
        ...['quote', 'verify', '--quote', `${shared}quotes/phala/${name}`],
        ...['--collateral', `${shared}quotes/phala/${name}_collateral.json`, '--at', at],
      ]
      for (const [name, at, code, verdict] of [
        ['tdx_quote', '2025-06-19T10:32:26Z', 1, 'not_yet_valid'],
        ['tdx_quote', '2025-06-19T10:32:27Z', 0, 'UpToDate'],
        ['tdx_quote', '2025-07-19T10:00:35Z', 0, 'UpToDate'],
        ['tdx_quote', '2025-07-19T10:00:36Z', 1, 'expired'],
        ['tdx_quote_outdated', '2026-03-01', 1, 'tcb_not_supported'],
      ] as const) {
        const { code: exit, answer } = await json<Answer>(sample(name, at))
        assert.deepEqual([exit, answer.status ?? answer.reasons[0]?.code], [code, verdict], `${name} ${at}`)
      }
    })

    it('replay a boot log to the registers of its quote', async function () {
      const folder = `${shared}quotes/google`
      if (!existsSync(folder)) return this.skip()
      const replayed = await shop.run([
        ...['event-log', 'replay', `${folder}/ccel_data.dat`, '--quote', `${folder}/cos-113-tdx-quote.dat`],
      ])
      assert.equal(replayed.code, 0)
      assert.match(replayed.stdout, /SecureBoot/)
      const other = await shop.run([
        ...['event-log', 'replay', `${folder}/ccel_data.dat`, '--quote', `${folder}/tdx_prod_quote_SPR_E4.dat`],
      ])
      assert.equal(other.code, 1)
    })
  })
})

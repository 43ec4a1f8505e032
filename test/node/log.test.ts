import assert from 'node:assert/strict'
import { hkdfSync } from 'node:crypto'
import { createLog, type Log, type Random, systemRandom } from '../../src/base/index.ts'
import { configureNode, type MeshNode, type NodeInit } from '../../src/index.ts'
import { Keyring } from '../../src/keys/index.ts'
import { keyDeriver } from '../../src/node/parts.ts'
import { ask, within } from '../mesh/support.ts'
import { InProcess } from './support.ts'

const LIMIT_MS = 10_000
type Line = Readonly<Record<string, unknown>> & { readonly event: string }

/** A node's real log, at its most talkative. */
class Written {
  text = ''
  readonly log: Log = createLog('debug', 'json', { write: (line) => this.#write(line) })
  #wake: () => void = () => {}
  #write(line: string): void {
    this.text += line
    this.#wake()
  }
  get lines(): Line[] {
    return this.text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line)
  }
  /** The first line of one of these events. */
  async seen(...events: string[]): Promise<Line> {
    const look = async (): Promise<Line> => {
      for (;;) {
        const found = this.lines.find(({ event }) => events.includes(event))
        if (found !== undefined) return found
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
    return within(LIMIT_MS, events.join(' or '), look())
  }
}

/** All that could give a secret away, in the ways a program writes bytes. */
const writtenForms = (secret: Uint8Array): string[] => {
  const bytes = Buffer.from(secret)
  // Inside a longer text in base64, a secret looks one of three ways; its outermost characters depend on its neighbours.
  const shifted = [0, 1, 2].map((by) =>
    Buffer.concat([Buffer.alloc(by), bytes])
      .toString('base64')
      .slice(4, -4),
  )
  const middle = bytes.subarray(4, -4)
  return [
    middle.toString('hex'),
    ...shifted,
    ...shifted.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
    [...middle].join(','),
    middle.toString('latin1'),
  ]
}

/** In a text and the same in lower case. */
const holds = ([text, lower]: readonly [string, string], secret: Uint8Array): boolean =>
  writtenForms(secret).some((form) => text.includes(form) || lower.includes(form.toLowerCase()))
const searched = (text: string): readonly [string, string] => [text, text.toLowerCase()]

describe('the log of a node', function () {
  this.timeout(40_000)
  let mesh: InProcess
  beforeEach(async () => {
    mesh = await InProcess.open()
  })
  afterEach(() => mesh.close())

  describe('ties both sides of an exchange together by its joinId', () => {
    let atMember: Written
    let atJoiner: Written
    let member: MeshNode
    beforeEach(async () => {
      atMember = new Written()
      atJoiner = new Written()
      member = await mesh.first({ log: atMember.log })
    })
    const fails = async (init: Partial<NodeInit>): Promise<void> => {
      const joiner = await mesh.node('joiner', { entry: mesh.entry(member, 2_000), log: atJoiner.log, ...init })
      await assert.rejects(joiner.start())
    }
    /** The id on the joiner's lines, which is on every one of them and on the member's last word too. */
    const sameId = async (event: 'onboard.refused' | 'onboard.failed' | 'onboard.admitted'): Promise<Line> => {
      const last = await atMember.seen(event)
      assert.match(last.joinId as string, /^[0-9a-f]{12}$/)
      const ofJoin = atJoiner.lines.filter((line) => line.event.startsWith('join.') && !/dial|waiting/.test(line.event))
      const first = ofJoin.slice(0, ofJoin.findIndex(({ event }) => event === 'join.failed' || event === 'join.opened') + 1)
      assert.ok(first.length > 1)
      assert.deepEqual(new Set(first.map(({ joinId }) => joinId)), new Set([last.joinId]))
      const ofMember = atMember.lines.filter(({ joinId }) => joinId === last.joinId)
      assert.equal(ofMember.at(-1)?.event, event)
      return last
    }

    it('when it succeeds', async () => {
      const joiner = await mesh.node('joiner', { entry: mesh.entry(member), log: atJoiner.log })
      await joiner.start()
      await sameId('onboard.admitted')
      assert.deepEqual(
        atMember.lines.filter(({ joinId }) => joinId !== undefined).map(({ event }) => event),
        ['challenged', 'judged', 'sealed', 'admitted'].map((step) => `onboard.${step}`),
      )
    })

    it('when the joiner is refused for what it is', async () => {
      await fails({ attester: mesh.td({ measurements: { rtmr2: systemRandom.bytes(48) } }) })
      assert.equal((await sameId('onboard.refused')).code, 'measurement_unacceptable')
    })

    it('when it is refused at the first word, before there was a challenge', async () => {
      const other = await mesh.node('other', { entry: { kind: 'new' } })
      await other.start()
      await fails({ entry: { kind: 'join', cluster: other.status().cluster!, peers: member.addresses(), timeoutMs: 2_000 } })
      assert.equal((await sameId('onboard.refused')).code, 'wrong_cluster')
    })

    it('when it breaks off in the middle', async () => {
      const td = mesh.td()
      await fails({
        attester: {
          ...td,
          quote: () => Promise.reject(new Error('no quote today')),
        },
      })
      await sameId('onboard.failed')
    })
  })

  it('is as the settings say, which have no other words for it', async () => {
    for (const wrong of [{ logLevel: 'loud' }, { logFormat: 'xml' }]) {
      await assert.rejects(configureNode({ new: true, ...wrong }, {}), { code: 'bad_configuration' })
    }
    const { log } = await configureNode({ new: true, logLevel: 'silent', logFormat: 'json' }, {})
    assert.ok(log !== undefined)
  })

  it('holds no secret, no nonce and nothing else that was random, in any form', async () => {
    const drawn: Uint8Array[] = []
    const random: Random = {
      ...systemRandom,
      bytes: (length) => {
        const bytes = systemRandom.bytes(length)
        if (length >= 16) drawn.push(Uint8Array.from(bytes))
        return bytes
      },
    }
    const roots: Uint8Array[] = []
    const keys = {
      ...keyDeriver(random),
      adopt: (entries: Parameters<typeof Keyring.fromSecrets>[0]) => {
        for (const { secret } of entries) roots.push(Uint8Array.from(secret))
        return Keyring.fromSecrets(entries)
      },
    }
    const [atFirst, atSecond] = [new Written(), new Written()]
    const first = await mesh.first({ log: atFirst.log, random, keys })
    const second = await mesh.node('second', { entry: mesh.entry(first), log: atSecond.log, random, keys })
    await second.start()
    await atFirst.seen('onboard.admitted')

    const secrets = [...drawn]
    for (const name of ['first', 'second']) {
      const text = async (path: string, body?: unknown) => (await ask(mesh.socket(name), path, body)).text
      const { key } = JSON.parse(await text('/GetKey', { path: 'p' })) as { key: string }
      const tls = JSON.parse(await text('/GetTlsKey', { subject: 'app' })) as { key: string }
      secrets.push(Buffer.from(key, 'hex'), Buffer.from(await text('/getkey/tag'), 'hex'))
      secrets.push(Buffer.from(tls.key.replace(/-----[^-]*-----|\s/g, ''), 'base64'))
      // What goes wrong is told too.
      for (const path of ['/GetKey', '/Sign', '/GetQuote', '/nowhere'])
        await text(path, { path: 7, key, data: key, report_data: key })
    }
    const [root] = roots
    assert.ok(
      root !== undefined && drawn.some((bytes) => Buffer.compare(bytes, root) === 0),
      'the root secret is among what was drawn',
    )
    for (const label of ['cluster-signing', 'k256-root', 'ca-root']) {
      secrets.push(new Uint8Array(hkdfSync('sha256', root, 'dstack-mesh/v1', label, 32)))
    }
    await Promise.all([first.stop(), second.stop()])

    assert.ok(secrets.length > 10)
    const texts = [atFirst, atSecond].map(({ text }) => searched(text))
    for (const secret of secrets) for (const text of texts) assert.ok(!holds(text, secret), Buffer.from(secret).toString('hex'))
    // The search finds what is there: each form, in a line of its own.
    for (const form of writtenForms(root)) assert.ok(holds(searched(`${atFirst.text}{"x":"..${form}.."}`), root), form)
    assert.ok(texts.every(([text]) => text.includes('"event":"node.stopped"')))
  })
})

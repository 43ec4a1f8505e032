import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { decodeGenesisBundle, verifyGenesisSignature } from '../../protocols/records/index.ts'
import { formatClusterId } from '../../protocols/wire/index.ts'
import { createEmulatedPki } from '../../src/attest/emulator/index.ts'
import { appReportData } from '../../src/attest/index.ts'
import { RefusedError, systemClock, systemRandom } from '../../src/base/index.ts'
import { type Clock, controlSocketPath } from '../../src/index.ts'
import { type ClusterKeys, keyDeriver } from '../../src/node/parts.ts'
import { policyFor } from '../attest/support.ts'
import { ask, getKey } from '../mesh/support.ts'
import { InProcess, Recorder } from './support.ts'

const rejectsWith = (code: string) => (error: unknown) => error instanceof Error && 'code' in error && error.code === code

describe('a node', function () {
  this.timeout(30_000)
  let mesh: InProcess
  beforeEach(async () => {
    mesh = await InProcess.open()
  })
  afterEach(() => mesh.close())

  it('is composed of parts that its user brings', async () => {
    const calls: string[] = []
    const td = mesh.td()
    const deriver = keyDeriver(systemRandom)
    const noted =
      <A extends unknown[], R>(name: string, part: (...args: A) => R) =>
      (...args: A): R => {
        calls.push(name)
        return part(...args)
      }
    const first = await mesh.first({
      attester: { ...td, quote: noted('quote', td.quote) },
      keys: { generate: noted('generate', deriver.generate), adopt: deriver.adopt },
      appRoutes: async (host, place) => {
        calls.push(`routes ${Buffer.from(host.keys(0).getKey('p', '', '').key).length}`)
        return { path: place.path, stop: async () => void calls.push('routes stopped') }
      },
    })
    await first.stop()
    assert.deepEqual(calls, ['generate', 'quote', 'quote', 'quote', 'routes 32', 'routes stopped'])
  })

  it('says in every quote which app runs and which cluster feeds it, before its sockets open', async () => {
    const first = await mesh.first()
    const info = JSON.parse((await ask(mesh.socket('first'), '/Info', {})).text) as {
      tcb_info: string
      key_provider_info: string
    }
    const { event_log } = JSON.parse(info.tcb_info) as { event_log: { event: string; event_payload: string }[] }
    assert.deepEqual(
      event_log.map(({ event }) => event),
      ['app-id', 'compose-hash', 'instance-id', 'key-provider'],
    )
    assert.ok(
      info.key_provider_info.includes(first.status().cluster!) ||
        Buffer.from(info.key_provider_info, 'hex').includes(first.status().cluster!),
    )
  })

  it('states the same instance after a restart in the same data folder, and another in another', async () => {
    const first = await mesh.first()
    const second = await mesh.node('second', { entry: mesh.entry(first) })
    await second.start()
    const instanceOf = async (name: string) =>
      (JSON.parse((await ask(mesh.socket(name), '/Info', {})).text) as { instance_id: string }).instance_id
    const before = await instanceOf('second')
    assert.match(before, /^[0-9a-f]{40}$/)
    assert.notEqual(before, await instanceOf('first'))
    await second.stop()
    const again = await mesh.node('second', { entry: { kind: 'join', peers: first.addresses() } })
    await again.start()
    assert.equal(await instanceOf('second'), before)
  })

  it('tells its apps which cluster feeds them, with the evidence of its genesis', async () => {
    const first = await mesh.first()
    const cluster = JSON.parse((await ask(mesh.socket('first'), '/v1/cluster', {})).text) as Record<string, string>
    assert.equal(cluster.cluster_id, first.status().cluster)
    assert.equal(cluster.witness, 'file')
    const genesis = decodeGenesisBundle(Uint8Array.from(Buffer.from(cluster.genesis!, 'hex')))
    const record = verifyGenesisSignature(genesis)
    assert.equal(formatClusterId(record!.clusterPublicKey), cluster.cluster_id)
    assert.equal(Buffer.from(record!.k256RootPublicKey).toString('hex'), cluster.k256_root_public_key)
  })

  it('serves tappd.sock beside a socket named dstack.sock, and takes both away again', async () => {
    const [dstack, tappd] = [join(mesh.folder, 'dstack.sock'), join(mesh.folder, 'tappd.sock')]
    const first = await mesh.first({ apps: [{ name: 'app', socket: { path: dstack, mode: 0o600 } }] })
    assert.equal((await ask(tappd, '/prpc/Tappd.Info?json', {})).status, 200)
    assert.equal(statSync(tappd).mode & 0o777, 0o600)
    await first.stop()
    assert.ok(!existsSync(dstack) && !existsSync(tappd))
  })

  it('lets an app have no quote that a member could have made', async () => {
    await mesh.first()
    const prefix = Buffer.from('dstack-mesh/v1\0\0').toString('hex')
    for (const data of [prefix, `${prefix}${'00'.repeat(48)}`, Buffer.from('dstack-mesh/v1').toString('hex'), `0x${prefix}ff`]) {
      for (const [route, body] of [
        ['/GetQuote', { report_data: data }],
        ['/v0/GetQuote', { report_data: data }],
        ['/Attest', { report_data: data }],
        ['/v1/Attest', { report_data: data }],
        ['/prpc/Tappd.RawQuote', { report_data: data }],
        ['/prpc/RawQuote', { report_data: data }],
        ['/prpc/Tappd.TdxQuote', { report_data: data.replace('0x', '').padEnd(128, '0'), hash_algorithm: 'raw' }],
      ] as const) {
        const { status } = await ask(mesh.socket('first'), route, body)
        // A socket of its own serves Tappd; where a route is not mounted here there is nothing to refuse.
        assert.ok(status === 400 || status === 404, `${route} ${data}: ${status}`)
      }
    }
    assert.throws(() => appReportData(Buffer.from(prefix, 'hex')))
  })

  it('refuses a joiner that runs another program, another root or a debug TD, and tells the log why', async () => {
    const log = new Recorder()
    const first = await mesh.first({ log })
    const foreign = createEmulatedPki({ nowMs: systemClock.now() })
    for (const [name, attester, code] of [
      ['program', mesh.td({ measurements: { rtmr2: systemRandom.bytes(48) } }), 'measurement_unacceptable'],
      ['root', mesh.td({ pki: foreign }), 'quote_invalid'],
      ['debug', mesh.td({ quoteFields: { tdAttributes: Uint8Array.of(1, 0, 0, 0x10, 0, 0, 0, 0) } }), 'measurement_unacceptable'],
    ] as const) {
      const joiner = await mesh.node(name, { entry: mesh.entry(first), attester })
      await assert.rejects(joiner.start(), (error: Error) => error.message.includes(`refused: ${code}`), name)
      assert.ok(!existsSync(mesh.socket(name)), 'no app socket of a node that is no member')
      assert.ok(!existsSync(join(mesh.folder, name, 'genesis')), 'nothing is remembered of a cluster that was not joined')
    }
    const refusals = log.all('onboard.refused')
    assert.equal(refusals.length, 3)
    for (const { reasons, joinId } of refusals) {
      assert.ok((reasons as string[]).length > 0)
      assert.match(joinId as string, /^[0-9a-f]{12}$/)
    }
    assert.equal(first.members().length, 1)
  })

  it('ties the two logs of one exchange together', async () => {
    const [atFirst, atSecond] = [new Recorder(), new Recorder()]
    const first = await mesh.first({ log: atFirst })
    const second = await mesh.node('second', { entry: mesh.entry(first), log: atSecond })
    await second.start()
    await atFirst.seen('onboard.admitted')
    const id = atSecond.all('join.opened')[0]!.joinId
    for (const step of ['challenged', 'judged', 'sealed', 'admitted'])
      assert.deepEqual(atFirst.all(`onboard.${step}`), [{ joinId: id }])
    assert.deepEqual(
      first
        .members()
        .map(({ peerId }) => peerId)
        .sort(),
      second
        .members()
        .map(({ peerId }) => peerId)
        .sort(),
    )
  })

  it('tries the next peer when one is dead, and a member of another cluster is no way in', async () => {
    const first = await mesh.first()
    const other = await mesh.node('other', { entry: { kind: 'new' } })
    await other.start()
    const log = new Recorder()
    const joiner = await mesh.node('joiner', {
      entry: {
        kind: 'join',
        cluster: first.status().cluster!,
        peers: ['/ip4/127.0.0.1/tcp/1', ...other.addresses(), ...first.addresses()],
      },
      // The lot says: in the order given.
      random: { ...systemRandom, uniform: () => 0.999 },
      log,
    })
    await joiner.start()
    assert.deepEqual(
      log.all('join.failed').map(({ answer }) => String(answer).startsWith('refused: wrong_cluster')),
      [false, true],
    )
    assert.equal(await getKey(mesh.socket('joiner'), 'p'), await getKey(mesh.socket('first'), 'p'))
  })

  it('waits for a member that is not there yet', async () => {
    const first = await mesh.first()
    const [address] = first.addresses()
    const cluster = first.status().cluster!
    const second = await mesh.node('second', { entry: mesh.entry(first), listen: ['/ip4/127.0.0.1/tcp/0'] })
    await second.start()
    await first.stop()
    const log = new Recorder()
    const late = await mesh.node('late', { entry: { kind: 'join', cluster, peers: [address!] }, log })
    const joining = late.start()
    await log.seen('join.waiting')
    const again = await mesh.node('again', { entry: { kind: 'join', cluster, peers: second.addresses() }, listen: [address!] })
    await again.start()
    await joining
    assert.equal(late.status().credential!.issuer, again.status().peerId)
  })

  it('can be stopped while it joins', async () => {
    const first = await mesh.first()
    await first.stop()
    const log = new Recorder()
    const joiner = await mesh.node('joiner', {
      entry: { kind: 'join', cluster: first.status().cluster!, peers: ['/ip4/127.0.0.1/tcp/1'] },
      log,
    })
    const joining = assert.rejects(joiner.start(), rejectsWith('stopping'))
    await log.seen('join.waiting')
    await joiner.stop()
    await joining
    assert.ok(!existsSync(controlSocketPath(join(mesh.folder, 'joiner'))))
  })

  it('leaves nothing open, published or held when it is stopped at any moment of its start', async () => {
    const deriver = keyDeriver(systemRandom)
    for (const moment of ['secret', 'quote', 'network', 'anchor', 'routes'] as const) {
      const td = mesh.td()
      let made: ClusterKeys | undefined
      let [published, routes] = [0, 0]
      const stopAt = (here: string): void => {
        if (here === moment) void node.stop()
      }
      const log = new Recorder()
      const node = await mesh.node(moment, {
        entry: { kind: 'new' },
        log: { ...log, info: (event) => stopAt(event === 'net.listening' ? 'network' : ''), child: () => log },
        // Parts that know nothing of signals: whatever they were asked for comes.
        attester: {
          ...td,
          quote: (data) => {
            stopAt('quote')
            return td.quote(data)
          },
        },
        keys: {
          generate: () => {
            stopAt('secret')
            made = deriver.generate()
            return made
          },
          adopt: deriver.adopt,
        },
        anchor: {
          witness: 'file',
          network: Buffer.from('file'),
          read: async () => undefined,
          publish: async () => {
            stopAt('anchor')
            published++
          },
        },
        appRoutes: async (_host, place) => {
          stopAt('routes')
          routes++
          return { path: place.path, stop: async () => void routes-- }
        },
      })
      await assert.rejects(node.start(), rejectsWith('stopping'), moment)
      await node.stop()
      assert.equal(published, moment === 'anchor' || moment === 'routes' ? 1 : 0, moment)
      assert.equal(routes, 0, moment)
      assert.ok(!existsSync(controlSocketPath(join(mesh.folder, moment))), moment)
      assert.equal(node.status().state, 'stopped', moment)
      assert.throws(() => made!.withSecrets(() => {}), moment)
    }
  })

  it('wipes the secret when its own anchor does not bear out what was just published', async () => {
    const deriver = keyDeriver(systemRandom)
    let made: ClusterKeys | undefined
    const node = await mesh.node('first', {
      entry: { kind: 'new' },
      keys: {
        generate: () => {
          made = deriver.generate()
          return made
        },
        adopt: deriver.adopt,
      },
      anchor: {
        witness: 'file',
        network: Buffer.from('file'),
        read: async () => undefined,
        publish: async () => Uint8Array.of(1),
        verify: async () => {
          throw new RefusedError('anchor_changed', 'another one is there')
        },
      },
    })
    await assert.rejects(node.start(), rejectsWith('anchor_changed'))
    assert.throws(() => made!.withSecrets(() => {}))
  })

  it('holds the joiner to the anchor: another genesis than the published one is refused before a quote is made', async () => {
    const first = await mesh.first()
    const quotes: Uint8Array[] = []
    const td = mesh.td()
    const anchored = {
      clusterId: new Uint8Array(32),
      genesisHash: systemRandom.bytes(32),
      quoteHash: systemRandom.bytes(32),
      policyHash: systemRandom.bytes(32),
    }
    const joiner = await mesh.node('joiner', {
      entry: mesh.entry(first),
      attester: { ...td, quote: (data, signal) => td.quote(data, signal).finally(() => quotes.push(data)) },
      anchor: { witness: 'file', network: new Uint8Array(4), read: async () => anchored, publish: async () => {} },
    })
    await assert.rejects(joiner.start(), (error: Error) => error.message.includes('another genesis than the anchor'))
    assert.equal(quotes.length, 0)
  })

  it('insists on a policy when told to', async () => {
    const first = await mesh.first()
    const entry = mesh.entry(first)
    const joiner = await mesh.node('joiner', { entry: { ...entry, policy: policyFor(mesh.pki) } as typeof entry })
    await assert.rejects(joiner.start(), (error: Error) => error.message.includes('insist'))
  })

  it('would not admit itself, so it makes no cluster', async () => {
    const anchor = join(mesh.folder, 'first', 'anchor.jsonl')
    const policy = policyFor(mesh.pki, {
      measurements: [{ mrTd: '00'.repeat(48), rtmr1: '00'.repeat(48), rtmr2: '00'.repeat(48) }],
    })
    await assert.rejects(mesh.first({ entry: { kind: 'new', policy } }), rejectsWith('policy_refuses_self'))
    assert.ok(!existsSync(anchor))
    assert.deepEqual(readdirSync(join(mesh.folder, 'first')), ['instance'])
  })

  it('writes the cluster id and the genesis, for its user alone', async () => {
    const first = await mesh.first()
    const folder = join(mesh.folder, 'first')
    assert.deepEqual(readdirSync(folder).sort(), ['anchor.jsonl', 'cluster', 'control.sock', 'genesis', 'instance'])
    assert.equal(readFileSync(join(folder, 'cluster'), 'utf8'), `${first.status().cluster}\n`)
    assert.equal(statSync(folder).mode & 0o777, 0o700)
    assert.equal(statSync(join(folder, 'genesis')).mode & 0o777, 0o600)
  })

  describe('whose time passes', () => {
    /** Real waiting, but a wall clock and a monotonic clock that the test can push. */
    const pushable = () => {
      let ahead = 0
      const clock: Clock & { push(ms: number): void } = {
        now: () => systemClock.now() + ahead,
        monotonicMs: () => systemClock.monotonicMs() + ahead,
        // Sleeps are short in the test's eyes: whoever sleeps long looks at the clock again soon.
        sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 20), signal),
        deadline: systemClock.deadline,
        push: (ms) => {
          ahead += ms
        },
      }
      return clock
    }

    it('renews its own credential while it is alone', async () => {
      const clock = pushable()
      const log = new Recorder()
      const first = await mesh.first({ clock, log, attester: mesh.td({ clock }) })
      const before = first.status().credential!
      clock.push(46 * 60_000)
      await log.seen('member.renewed')
      const after = first.status().credential!
      assert.ok(after.selfIssued)
      assert.ok(after.expiresAt > before.expiresAt)
      assert.deepEqual(log.all('alarm.on'), [])
    })

    it('lapses when it cannot quote: refuses joiners, serves its apps for a while, then stops serving, and comes back', async () => {
      const clock = pushable()
      const log = new Recorder()
      const td = mesh.td({ clock })
      let broken = false
      const first = await mesh.first({
        clock,
        log,
        attester: {
          ...td,
          quote: (data, signal) => (broken ? Promise.reject(new Error('no quoting service')) : td.quote(data, signal)),
        },
      })
      const key = await getKey(mesh.socket('first'), 'p')
      broken = true
      clock.push(61 * 60_000)
      assert.equal((await log.seen('alarm.on')).alarm, 'lapsed')
      assert.equal(first.status().state, 'lapsed')
      assert.equal(await getKey(mesh.socket('first'), 'p'), key)
      const joiner = await mesh.node('joiner', { entry: mesh.entry(first, 1_500) })
      await assert.rejects(joiner.start(), (error: Error) => error.message.includes('refused: lapsed'))

      clock.push(24 * 3_600_000)
      assert.equal((await ask(mesh.socket('first'), '/GetKey', { path: 'p' })).status, 503)

      broken = false
      // Past the pause after tries that failed.
      clock.push(10 * 60_000)
      await log.seen('member.renewed')
      assert.equal(first.status().state, 'member')
      assert.equal(await getKey(mesh.socket('first'), 'p'), key)
    })
  })

  describe("'s control socket", () => {
    const control = () => controlSocketPath(join(mesh.folder, 'first'))
    const send = (bytes: string | Buffer): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect(control())
        let text = ''
        socket.on('data', (chunk) => {
          text += chunk.toString()
        })
        socket.on('error', reject)
        socket.on('close', () => resolve(text))
        socket.end(bytes)
      })

    it('answers what is no request with an error and goes on', async () => {
      await mesh.first()
      assert.equal((await ask(control(), '/nothing')).status, 400)
      for (const body of [
        '',
        '{',
        '[]',
        'null',
        '{"path":7}',
        '{"path":"p","app":[]}',
        '{"path":"p","app":"nobody"}',
        `{"path":"${'x'.repeat(70_000)}"}`,
      ]) {
        const answer = await new Promise<number>((resolve, reject) => {
          const asked = request({ socketPath: control(), path: '/key', method: 'POST', timeout: 5_000 }, (response) => {
            response.resume()
            resolve(response.statusCode!)
          })
          asked.on('error', reject)
          asked.end(body)
        })
        assert.equal(answer, 400, body.slice(0, 40))
      }
      assert.match(await send(systemRandom.bytes(200) as Buffer), /400 Bad Request|^$/)
      assert.equal((await ask(control(), '/status')).status, 200)
      assert.equal((await ask(control(), '/members')).status, 200)
    })
  })
})

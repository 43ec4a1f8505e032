import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, createPublicKey, X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, connect as tlsConnect } from 'node:tls'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { type Clock, systemClock, systemRandom } from '../../src/base/index.ts'
import { AppCertificates, CERTIFICATE_LIFETIME_S, type LeafRequest } from '../../src/keys/app-certificates.ts'
import { DSTACK_OID, dstackExtension, makeCertificate, signerOf, USAGE_APP, USAGE_APP_CA } from '../../src/keys/certificate.ts'
import { Keyring } from '../../src/keys/keyring.ts'
import { p256Spki } from '../../src/keys/p256.ts'
import { type CertificateExpectation, verifyAppCertificate } from '../../src/keys/verify-certificate.ts'
import { bytes, hex } from './vectors.ts'

const run = promisify(execFile)
const openssl = (args: readonly string[]) => run('openssl', [...args], { timeout: 8_000 })

const appId = bytes('00112233445566778899aabbccddeeff00112233')
const otherApp = bytes('ff112233445566778899aabbccddeeff00112233')
const ring = () => Keyring.fromSecrets([{ epoch: 0, secret: new Uint8Array(32).fill(7) }])
const keyring = ring()
const nowMs = Date.UTC(2026, 5, 1)
const clock: Clock = { ...systemClock, now: () => nowMs }
const certificates = (of = keyring, app = appId) => new AppCertificates(of, app, { clock, random: systemRandom })
const request = (more: Partial<LeafRequest> = {}): LeafRequest => ({
  subject: 'app.example.org',
  altNames: ['app.example.org', '*.app.example.org', '192.0.2.7', '2001:db8::7'],
  serverAuth: true,
  clientAuth: true,
  ...more,
})
const expectation = (more: Partial<CertificateExpectation> = {}): CertificateExpectation => ({
  caRootPublicKey: keyring.publicKeys().caRoot,
  nowMs,
  appId,
  usage: 'server',
  serverName: 'app.example.org',
  ...more,
})
const refused = (why: RegExp) => ({ code: 'bad_certificate', message: why })

describe('app certificates', () => {
  it('are verified by OpenSSL up to the root, for a server, a client and each name', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'certificates-'))
    try {
      const file = (name: string) => join(directory, name)
      const { key, chain } = await certificates().issue(request())
      await Promise.all(
        [
          ['leaf.pem', chain[0]!],
          ['app.pem', chain[1]!],
          ['root.pem', chain[2]!],
          ['key.pem', key],
        ].map(([name, text]) => writeFile(file(name!), text!)),
      )
      const base = [
        'verify',
        '-x509_strict',
        '-attime',
        String(nowMs / 1000),
        '-CAfile',
        file('root.pem'),
        '-untrusted',
        file('app.pem'),
      ]
      for (const more of [
        ['-purpose', 'sslserver', '-verify_hostname', 'app.example.org'],
        ['-purpose', 'sslserver', '-verify_hostname', 'a.app.example.org'],
        ['-purpose', 'sslclient', '-verify_ip', '192.0.2.7'],
        ['-verify_ip', '2001:db8::7'],
      ]) {
        const { stdout } = await openssl([...base, ...more, file('leaf.pem')])
        assert.match(stdout, /leaf\.pem: OK/)
      }
      await assert.rejects(openssl([...base, '-verify_hostname', 'b.example.org', file('leaf.pem')]))
      const { stdout: shown } = await openssl(['x509', '-in', file('leaf.pem'), '-noout', '-text'])
      assert.match(
        shown,
        /DNS:app\.example\.org, DNS:\*\.app\.example\.org, IP Address:192\.0\.2\.7, IP Address:2001:DB8:0:0:0:0:0:7/,
      )
      const { stdout: fromKey } = await openssl(['pkey', '-in', file('key.pem'), '-pubout'])
      const { stdout: fromLeaf } = await openssl(['x509', '-in', file('leaf.pem'), '-noout', '-pubkey'])
      assert.equal(fromKey, fromLeaf)
      // The leaf may sign nothing: a chain that goes through it is refused.
      await writeFile(file('forged.pem'), forgeUnder(key, chain[0]!))
      await assert.rejects(openssl([...base, '-untrusted', file('leaf.pem'), file('forged.pem')]))
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it('carry a TLS connection on which both sides verify the other', async () => {
    const issuer = new AppCertificates(keyring, appId, { clock: systemClock, random: systemRandom })
    const [server, client] = [await issuer.issue(request()), await issuer.issue(request())]
    const ca = issuer.rootCertificate()
    const listener = createServer({
      key: server.key,
      cert: server.chain.join(''),
      ca,
      requestCert: true,
      rejectUnauthorized: true,
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    const seen = new Promise<string>((resolve, reject) => {
      listener.once('secureConnection', (socket) => {
        socket.once('error', reject)
        socket.once('data', (data) => resolve(data.toString()))
      })
      listener.once('tlsClientError', reject)
    })
    const socket = tlsConnect({
      port: (listener.address() as { port: number }).port,
      host: '127.0.0.1',
      servername: 'app.example.org',
      ca,
      key: client.key,
      cert: client.chain.join(''),
    })
    socket.once('secureConnect', () => socket.end('hello'))
    assert.equal(await seen, 'hello')
    socket.destroy()
    listener.close()
  })

  it('have CAs that are the same to the byte on every member, and leaves that are not', async () => {
    const [a, b] = [await certificates().issue(request()), await certificates(ring()).issue(request())]
    assert.deepEqual(a.chain.slice(1), b.chain.slice(1))
    assert.notEqual(a.key, b.key)
    assert.notEqual(a.chain[0], b.chain[0])
    assert.equal(certificates(ring(), otherApp).rootCertificate(), a.chain[2])
    assert.notEqual((await certificates(ring(), otherApp).issue(request())).chain[1], a.chain[1])
    const root = new X509Certificate(a.chain[2]!)
    assert.deepEqual(
      root.publicKey.export({ format: 'jwk' }),
      createPublicKey({ key: spki(keyring.publicKeys().caRoot), format: 'der', type: 'spki' }).export({ format: 'jwk' }),
    )
    const other = Keyring.generate(systemRandom)
    assert.notEqual(certificates(other).rootCertificate(), a.chain[2])
  })

  it('last 90 days unless they are told otherwise', async () => {
    const validity = async (more: Partial<LeafRequest>) => {
      const leaf = new X509Certificate((await certificates().issue(request(more))).chain[0]!)
      return [leaf.validFromDate.getTime() / 1000, leaf.validToDate.getTime() / 1000]
    }
    const now = nowMs / 1000
    assert.deepEqual(await validity({}), [now - 300, now + CERTIFICATE_LIFETIME_S])
    assert.deepEqual(await validity({ notBefore: now - 9, notAfter: now + 9 }), [now - 9, now + 9])
    assert.deepEqual(await validity({ notAfter: now - 1000 }), [now - 1001, now - 1000])
    assert.deepEqual(await validity({ notBefore: now + 1000 }), [now + 1000, now + 1000 + CERTIFICATE_LIFETIME_S])
    assert.deepEqual(await validity({ notAfter: 4_000_000_000 }), [now - 300, 4_000_000_000])
    for (const [notBefore, notAfter] of [
      [5, 5],
      [6, 5],
      [0, 0],
      [undefined, 0],
      [0, 253_402_300_800],
    ] as const) {
      await assert.rejects(certificates().issue(request({ notBefore, notAfter })), { code: 'bad_validity' })
    }
  })

  it('refuse names that no certificate can carry', async () => {
    for (const name of [
      '',
      'ä.example',
      'a b',
      'a..b',
      '.a',
      'a.',
      'x'.repeat(254),
      '*',
      '*.',
      'a.*.b',
      'fe80::1%eth0',
      'a\0b',
    ]) {
      await assert.rejects(certificates().issue(request({ altNames: [name] })), { code: 'bad_alt_name' }, name)
    }
    await assert.rejects(certificates().issue(request({ altNames: Array(101).fill('a.example') })), { code: 'bad_alt_name' })
    await assert.rejects(certificates().issue(request({ subject: 'x'.repeat(513) })), { code: 'bad_subject' })
  })

  it('carry IP addresses in whatever form they are written', async () => {
    const named = async (altNames: readonly string[]) =>
      new X509Certificate((await certificates().issue(request({ altNames }))).chain[0]!)
    for (const [text, canonical] of [
      ['::', '::'],
      ['1::', '1::'],
      ['2001:0DB8:0:0:0:0:0:0007', '2001:db8::7'],
      ['::ffff:192.0.2.7', '::ffff:c000:207'],
      ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
      ['255.255.255.255', '255.255.255.255'],
    ] as const) {
      const leaf = await named([text])
      assert.equal(leaf.checkIP(canonical), canonical, text)
      assert.equal(leaf.checkIP('1::1'), undefined)
    }
    await fc.assert(
      fc.asyncProperty(fc.array(fc.ipV6(), { minLength: 20, maxLength: 20 }), async (addresses) => {
        const leaf = await named(addresses)
        for (const address of addresses) assert.equal(leaf.checkIP(address), address)
      }),
      { numRuns: 10 },
    )
  })

  it('write times as RFC 5280 wants them: two digits of the year through 2049, four from 2050', async () => {
    const leaf = async (notBefore: number, notAfter: number) =>
      new X509Certificate((await certificates().issue(request({ notBefore, notAfter }))).chain[0]!)
    for (const [begin, end, written] of [
      [0, 1, ['700101000000Z', '700101000001Z']],
      [Date.UTC(2049, 11, 31, 23, 59, 59), Date.UTC(2050, 0, 1), ['491231235959Z', '20500101000000Z']],
      [Date.UTC(2050, 0, 1), 253_402_300_799_000, ['20500101000000Z', '99991231235959Z']],
    ] as const) {
      const { raw } = await leaf(Math.floor(begin / 1000), Math.max(1, end / 1000))
      for (const text of written) assert.ok(raw.includes(text), text)
    }
  })

  it('bind a fresh quote to their key when they are asked for RA-TLS', async () => {
    let asked: Uint8Array | undefined
    const evidence = async (reportData: Uint8Array) => {
      asked = reportData
      return { quote: Uint8Array.of(1, 2, 3), eventLog: '[]', attestation: new Uint8Array(70_000).fill(9) }
    }
    const { chain } = await certificates().issue(request({ evidence, appInfo: Uint8Array.of(0x80) }))
    const verified = await verifyAppCertificate(chain, expectation())
    const key = new X509Certificate(chain[0]!).publicKey.export({ format: 'der', type: 'spki' })
    const bound = createHash('sha512').update('ratls-cert:').update(key).digest()
    assert.equal(hex(asked!), hex(bound))
    assert.equal(hex(verified.reportData), hex(bound))
    assert.equal(hex(verified.evidence!.quote), '010203')
    assert.equal(verified.evidence!.eventLog, '[]')
    assert.equal(verified.evidence!.attestation.length, 70_000)
    const failing = async () => Promise.reject(new Error('no quote'))
    await assert.rejects(certificates().issue(request({ evidence: failing })), { message: 'no quote' })
  })

  it('are shown without a key that anybody could use', async () => {
    const issuer = certificates()
    const [one, two] = [await issuer.show(request()), await issuer.show(request())]
    assert.notEqual((await verifyAppCertificate(one, expectation())).spki, (await verifyAppCertificate(two, expectation())).spki)
    assert.equal(one.join('').includes('PRIVATE'), false)
    await assert.rejects(issuer.show(request({ notBefore: 2, notAfter: 1 })), { code: 'bad_validity' })
  })

  it('certify a key that is given', async () => {
    const key = keyring.app(appId).p256Key('tls')
    const { chain } = await certificates().issue(request({ key }))
    assert.equal(hex((await verifyAppCertificate(chain, expectation())).spki), hex(p256Spki(key)))
  })

  it('are requested for a domain with the key that every member holds', async () => {
    const domains = ['app.example.org', 'www.app.example.org']
    const [a, b] = [certificates().forDomain(domains), certificates(ring()).forDomain(domains)]
    assert.deepEqual(a, b)
    assert.notEqual(certificates(ring(), otherApp).forDomain(domains).key, a.key)
    assert.notEqual(certificates().forDomain(['other.example']).key, a.key)
    const directory = await mkdtemp(join(tmpdir(), 'request-'))
    try {
      const file = join(directory, 'request.pem')
      await writeFile(file, a.request)
      const { stdout, stderr } = await openssl(['req', '-in', file, '-verify', '-noout', '-text'])
      assert.match(stdout + stderr, /verify OK/)
      assert.match(stdout, /CN\s*=\s*app\.example\.org/)
      assert.match(stdout, /DNS:app\.example\.org, DNS:www\.app\.example\.org/)
    } finally {
      await rm(directory, { recursive: true })
    }
    assert.throws(() => certificates().forDomain([]), { code: 'bad_name' })
    assert.throws(() => certificates().forDomain(['not a name']), { code: 'bad_alt_name' })
  })

  it('are no longer issued once the keyring is wiped', async () => {
    const mine = ring()
    const issuer = certificates(mine)
    await issuer.issue(request())
    mine.wipe()
    await assert.rejects(issuer.issue(request()), { code: 'wiped' })
  })
})

const spki = (point: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'), point])

/** A leaf that claims to be issued by `issuer`, signed with the key of `signer`. */
const scalarOf = (pem: string) => Uint8Array.from(Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64').subarray(36, 68))
const forgeUnder = (issuerKey: string, issuer: string): string => {
  const scalar = scalarOf(issuerKey)
  const own = p256Spki(new Uint8Array(32).fill(5))
  const commonName = /CN=(.*)/.exec(new X509Certificate(issuer).subject)![1]!
  return makeCertificate(
    {
      subject: { commonName: 'app.example.org', spki: own },
      issuer: { commonName, spki: p256Spki(scalar) },
      serial: new Uint8Array(16).fill(3),
      notBeforeMs: nowMs - 1000,
      notAfterMs: nowMs + 1000,
      altNames: ['app.example.org'],
      serverAuth: true,
      extensions: [dstackExtension(DSTACK_OID.appId, appId), dstackExtension(DSTACK_OID.usage, Buffer.from(USAGE_APP))],
    },
    signerOf(scalar),
  )
}

describe('verifyAppCertificate', () => {
  let issued: { key: string; chain: readonly string[] }
  before(async () => {
    issued = await certificates().issue(request())
  })

  it('accepts the certificate of the app, with and without the root, for each use and name', async () => {
    const { chain } = issued
    for (const list of [chain, chain.slice(0, 2), chain.join('')]) {
      const verified = await verifyAppCertificate(list, expectation())
      assert.equal(hex(verified.appId), hex(appId))
      assert.equal(verified.evidence, undefined)
    }
    for (const serverName of ['x.app.example.org', '192.0.2.7', '2001:db8::7']) {
      await verifyAppCertificate(chain, expectation({ serverName }))
    }
    await verifyAppCertificate(chain, expectation({ usage: 'client' }))
  })

  it('refuses another cluster, another app, another name, another time, another use', async () => {
    const { chain } = issued
    const other = Keyring.generate(systemRandom).publicKeys().caRoot
    await assert.rejects(verifyAppCertificate(chain, expectation({ caRootPublicKey: other })), refused(/signature/))
    await assert.rejects(verifyAppCertificate(chain, expectation({ caRootPublicKey: new Uint8Array(33) })), refused(/point/))
    await assert.rejects(verifyAppCertificate(chain, expectation({ appId: otherApp })), refused(/another app/))
    for (const serverName of ['example.org', '192.0.2.8', 'a.b.app.example.org']) {
      await assert.rejects(verifyAppCertificate(chain, expectation({ serverName })), refused(/does not name/))
    }
    for (const at of [nowMs - 301_000, nowMs + (CERTIFICATE_LIFETIME_S + 1) * 1000, Number.NaN]) {
      await assert.rejects(verifyAppCertificate(chain, expectation({ nowMs: at })), refused(/not valid now/))
    }
    const server = await certificates().issue(request({ clientAuth: false }))
    await assert.rejects(verifyAppCertificate(server.chain, expectation({ usage: 'client' })), refused(/not for a client/))
    const neither = await certificates().issue(request({ clientAuth: false, serverAuth: false }))
    await assert.rejects(verifyAppCertificate(neither.chain, expectation()), refused(/not for a server/))
  })

  it('does not take the name from the subject', async () => {
    const { chain } = await certificates().issue(request({ altNames: [] }))
    await assert.rejects(verifyAppCertificate(chain, expectation()), refused(/does not name/))
  })

  it("never takes an app's certificate for a CA, nor a CA for an app's", async () => {
    const { key, chain } = issued
    const forged = forgeUnder(key, chain[0]!)
    await assert.rejects(verifyAppCertificate([forged, chain[0]!, chain[1]!], expectation()), refused(/signature/))
    await assert.rejects(verifyAppCertificate([forged, chain[1]!, chain[2]!], expectation()), refused(/chain|signature/))
    await assert.rejects(verifyAppCertificate([chain[1]!, chain[2]!], expectation()), refused(/app:ca/))
    await assert.rejects(verifyAppCertificate([chain[1]!, chain[1]!], expectation()), refused(/chain/))
  })

  it('refuses a chain across two apps, each of them good', async () => {
    const other = await certificates(keyring, otherApp).issue(request())
    await assert.rejects(verifyAppCertificate([issued.chain[0]!, other.chain[1]!], expectation()), refused(/another app/))
    await assert.rejects(verifyAppCertificate([other.chain[0]!, issued.chain[1]!], expectation()), refused(/chain|signature/))
  })

  it('refuses an app CA that signs for another app, or says that a leaf is a CA', async () => {
    // What a stolen app CA key could sign: the app id of another app, the usage of a CA.
    const caKey = keyring.app(appId).caKey()
    const sign = (app: Uint8Array, usage: string, pathLength?: number) =>
      makeCertificate(
        {
          subject: { commonName: 'x', spki: p256Spki(new Uint8Array(32).fill(5)) },
          issuer: { commonName: 'Dstack App CA', organization: 'Dstack', spki: p256Spki(caKey) },
          serial: new Uint8Array(16).fill(3),
          notBeforeMs: nowMs - 1000,
          notAfterMs: nowMs + 1000,
          altNames: ['app.example.org'],
          serverAuth: true,
          ...(pathLength === undefined ? {} : { pathLength }),
          extensions: [dstackExtension(DSTACK_OID.appId, app), dstackExtension(DSTACK_OID.usage, Buffer.from(usage))],
        },
        signerOf(caKey),
      )
    const chain = (leaf: string) => [leaf, issued.chain[1]!]
    await verifyAppCertificate(chain(sign(appId, USAGE_APP)), expectation())
    await assert.rejects(verifyAppCertificate(chain(sign(otherApp, USAGE_APP)), expectation()), refused(/another app/))
    await assert.rejects(
      verifyAppCertificate(chain(sign(otherApp, USAGE_APP)), expectation({ appId: otherApp })),
      refused(/another app/),
    )
    await assert.rejects(verifyAppCertificate(chain(sign(appId, USAGE_APP_CA)), expectation()), refused(/app:custom/))
    await assert.rejects(verifyAppCertificate(chain(sign(appId, USAGE_APP, 0)), expectation()), refused(/is a CA/))
  })

  it('refuses an unknown critical extension and one that is there twice', async () => {
    const caKey = keyring.app(appId).caKey()
    const own = [dstackExtension(DSTACK_OID.appId, appId), dstackExtension(DSTACK_OID.usage, Buffer.from(USAGE_APP))]
    const critical = dstackExtension('1.2.3.4', Uint8Array.of(1), true)
    for (const [extra, why] of [
      [critical, /critical extension 1\.2\.3\.4/],
      [dstackExtension(DSTACK_OID.usage, Buffer.from('app:ca')), /twice/],
    ] as const) {
      const leaf = makeCertificate(
        {
          subject: { commonName: 'x', spki: p256Spki(new Uint8Array(32).fill(5)) },
          issuer: { commonName: 'Dstack App CA', organization: 'Dstack', spki: p256Spki(caKey) },
          serial: new Uint8Array(16).fill(3),
          notBeforeMs: nowMs - 1000,
          notAfterMs: nowMs + 1000,
          altNames: ['app.example.org'],
          serverAuth: true,
          extensions: [...own, extra],
        },
        signerOf(caKey),
      )
      await assert.rejects(verifyAppCertificate([leaf, issued.chain[1]!], expectation()), refused(why))
    }
  })

  it('refuses what is no chain', async () => {
    const leaf = issued.chain[0]!
    for (const chain of ['', leaf, Array(4).fill(leaf).join(''), 'x'.repeat(1024 * 1024 + 1)]) {
      await assert.rejects(verifyAppCertificate(chain, expectation()), refused(/chain/))
    }
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    await assert.rejects(verifyAppCertificate(broken + broken, expectation()), refused(/cannot be read/))
  })

  it('refuses a chain in which any bit of the leaf or of the CA is another', async () => {
    const der = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
    const pem = (value: Buffer) => `-----BEGIN CERTIFICATE-----\n${value.toString('base64')}\n-----END CERTIFICATE-----\n`
    for (const which of [0, 1]) {
      const original = der(issued.chain[which]!)
      for (let at = 0; at < original.length; at += 7) {
        const changed = Buffer.from(original)
        changed[at]! ^= 1 << (at % 8)
        const chain = [...issued.chain.slice(0, 2)]
        chain[which] = pem(changed)
        await assert.rejects(verifyAppCertificate(chain, expectation()), { code: 'bad_certificate' }, `byte ${at} of ${which}`)
      }
    }
  })
})

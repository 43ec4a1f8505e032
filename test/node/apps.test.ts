import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import packageJson from '../../package.json' with { type: 'json' }
import { hasMemberPrefix, REPORT_DATA_PREFIX } from '../../protocols/wire/index.ts'
import { RPC_ROUTES } from '../../src/api/rpc-routes.ts'
import { parseQuote, verifyAppCertificate } from '../../src/index.ts'
import { policyFor } from '../attest/support.ts'
import { ask } from '../mesh/support.ts'
import { InProcess } from './support.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))
const sha256 = (...parts: (string | Uint8Array)[]) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

interface Info {
  app_id: string
  app_cert: string
  app_name: string
  instance_id: string
  compose_hash: string
  device_id: string
  mr_aggregated: string
  os_image_hash: string
  key_provider_info: string
  cloud_vendor: string
  cloud_product: string
  tcb_info: string
}

describe('the apps of a node', function () {
  this.timeout(30_000)
  let mesh: InProcess
  beforeEach(async () => {
    mesh = await InProcess.open()
  })
  afterEach(() => mesh.close())

  const app = (name: string, more: { mode?: number; appId?: Uint8Array } = {}) => {
    const compose = join(mesh.folder, `${name}.yml`)
    writeFileSync(compose, `services: { ${name}: {} }\n`)
    const { mode, ...rest } = more
    return { name, compose, socket: { path: mesh.socket(name), ...(mode !== undefined && { mode }) }, ...rest }
  }
  const json = async <T>(name: string, path: string, body: unknown = {}): Promise<T> => {
    const { status, text } = await ask(mesh.socket(name), path, body)
    assert.equal(status, 200, `${path}: ${text}`)
    return JSON.parse(text) as T
  }

  it('have each its own id, socket and keys, and one quote states them all', async () => {
    await mesh.first({ apps: [app('one', { mode: 0o600 }), app('two')] })
    const [one, two] = [await json<Info>('one', '/Info'), await json<Info>('two', '/Info')]
    for (const [name, info] of [
      ['one', one],
      ['two', two],
    ] as const) {
      assert.equal(info.compose_hash, sha256(readFileSync(join(mesh.folder, `${name}.yml`))))
      assert.equal(info.app_id, info.compose_hash.slice(0, 40))
      assert.equal(info.app_name, name)
    }
    assert.notEqual(one.instance_id, two.instance_id)
    assert.equal(statSync(mesh.socket('one')).mode & 0o777, 0o600)
    assert.equal(statSync(mesh.socket('two')).mode & 0o777, 0o660)
    const key = async (name: string) => (await json<{ key: string }>(name, '/GetKey', { path: 'db' })).key
    assert.notEqual(await key('one'), await key('two'))

    const stated = (info: Info) =>
      (JSON.parse(info.tcb_info) as { event_log: { event: string; event_payload: string }[] }).event_log
        .filter(({ event }) => event === 'app-id')
        .map(({ event_payload }) => event_payload)
    assert.deepEqual(stated(one), [one.app_id, two.app_id])
    assert.deepEqual(stated(two), stated(one))
  })

  it('cannot take an id that is not the hash of their compose file, unless the policy lists it', async () => {
    const appId = new Uint8Array(20).fill(5)
    const apps = [app('one', { appId })]
    await assert.rejects(mesh.first({ apps }), { code: 'policy_refuses_self', message: /app/ })
    const compose = sha256(readFileSync(join(mesh.folder, 'one.yml')))
    const policy = policyFor(mesh.pki, { apps: [{ appId: hex(appId), compose: [`sha256:${compose}`] }] })
    const listed = await mesh.node('listed', { entry: { kind: 'new', policy }, apps })
    await listed.start()
    assert.equal((await json<Info>('one', '/Info')).app_id, hex(appId))
  })

  it('are told what they are in values that dstack would compute, and by a certificate of their cluster', async () => {
    const first = await mesh.first({ apps: [app('one')] })
    const info = await json<Info>('one', '/Info')
    const tcb = JSON.parse(info.tcb_info) as Record<string, string>
    const quote = parseQuote(unhex((await json<{ quote: string }>('one', '/GetQuote')).quote))
    assert.deepEqual([tcb.mrtd, tcb.rtmr0, tcb.rtmr1, tcb.rtmr2, tcb.rtmr3], [quote.td.mrTd, ...quote.td.rtmr].map(hex))
    assert.equal(info.mr_aggregated, sha256(quote.td.mrTd, ...quote.td.rtmr))
    assert.equal(info.os_image_hash, sha256(quote.td.mrTd, quote.td.rtmr[1], quote.td.rtmr[2]))
    assert.match(info.device_id, /^[0-9a-f]{64}$/)
    assert.deepEqual(JSON.parse(info.key_provider_info), { name: 'dstack-mesh', id: first.status().cluster })
    for (const text of [info.cloud_vendor, info.cloud_product]) assert.ok(text.length <= 128)

    const cluster = await json<{ ca_root_public_key: string; ca_root_certificate: string }>('one', '/v1/cluster')
    const shown = await verifyAppCertificate(info.app_cert, {
      caRootPublicKey: unhex(cluster.ca_root_public_key),
      appId: unhex(info.app_id),
      usage: 'client',
      nowMs: Date.now(),
    })
    assert.ok(info.app_cert.endsWith(cluster.ca_root_certificate))
    const { evidence } = shown
    assert.equal(hex(parseQuote(evidence!.quote).td.reportData), hex(shown.reportData))
    assert.equal(parseQuote(evidence!.quote).td.rtmr.map(hex).join(), quote.td.rtmr.map(hex).join())
    assert.ok(evidence!.eventLog.includes(info.app_id))
    assert.ok(shown.notAfterMs - Date.now() > 24 * 3_600_000)
    // Not another each time, and nobody was ever given its key.
    assert.equal((await json<Info>('one', '/Info')).app_cert, info.app_cert)
    assert.equal(new X509Certificate(info.app_cert).subject, 'CN=one')
  })

  it("answer Version with this program's", async () => {
    await mesh.first({ apps: [app('one')] })
    for (const path of ['/Version', '/v1/Version', '/prpc/Tappd.Version']) {
      assert.deepEqual(await json('one', path), { version: packageJson.version, rev: 'dstack-mesh' })
    }
  })

  it('have no quote made by this TD that begins as the members’ do, on any route', async () => {
    const td = mesh.td()
    const quoted: Uint8Array[] = []
    const attester = {
      ...td,
      quote: (reportData: Uint8Array, signal?: AbortSignal) => {
        quoted.push(Uint8Array.from(reportData))
        return td.quote(reportData, signal)
      },
    }
    await mesh.first({ attester, apps: [app('one')] })
    const own = quoted.length
    assert.equal(quoted.some(hasMemberPrefix), true)
    const member = Buffer.alloc(64)
    member.write(REPORT_DATA_PREFIX)
    for (const { paths, request } of RPC_ROUTES) {
      for (const hash_algorithm of ['raw', 'sha256']) {
        const body: Record<string, unknown> = { hash_algorithm, prefix: REPORT_DATA_PREFIX, algorithm: 'ed25519' }
        for (const [name, { type, repeated }] of Object.entries(request)) {
          if (type === 'bytes' && repeated === undefined) body[name] = hex(member)
          if (name === 'usage_ra_tls') body[name] = true
        }
        await ask(mesh.socket('one'), paths[0]!, body)
      }
    }
    assert.ok(quoted.length >= own + 6, `${quoted.length - own} quotes for the app`)
    assert.equal(quoted.slice(own).some(hasMemberPrefix), false)
    assert.equal((await ask(mesh.socket('one'), '/EmitEvent', { event: 'x', payload: '00' })).status, 400)
    assert.equal(td.eventLog().length, 4)
  })
})

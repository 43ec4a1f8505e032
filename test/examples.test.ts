import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import { pathToFileURL } from 'node:url'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { readSettings } from '../src/index.ts'
import { ask } from './mesh/support.ts'
import { InProcess } from './node/support.ts'

const porting = readFileSync('docs/porting.md', 'utf8')
const certificates = readFileSync('docs/certificates.md', 'utf8')
/** The first code block of a language after some text. */
const block = (after: string, language: string, document: string): string => {
  const rest = document.slice(document.indexOf(after))
  const found = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(rest)?.[1]
  assert.ok(found !== undefined && document.includes(after), `no ${language} after ${after}`)
  return found
}
/** Every replacement must find its text: the example must not have drifted from what is tested. */
const replaced = (text: string, pairs: Readonly<Record<string, string>>): string => {
  let out = text
  for (const [from, to] of Object.entries(pairs)) {
    assert.ok(out.includes(from), from)
    out = out.replace(from, to)
  }
  return out
}

describe('the examples of the documents', function () {
  this.timeout(30_000)
  let mesh: InProcess
  before(async () => {
    mesh = await InProcess.open()
    await mesh.first()
  })
  after(() => mesh.close())
  const json = async <T>(path: string, body: unknown = {}): Promise<T> =>
    JSON.parse((await ask(mesh.socket('first'), path, body)).text) as T

  it('let a TLS client talk to the app of the cluster that it trusts, and to no other', async () => {
    const { cluster_id, ca_root_certificate } = await json<{ cluster_id: string; ca_root_certificate: string }>('/v1/cluster')
    const { app_id } = await json<{ app_id: string }>('/Info')
    const caFile = join(mesh.folder, 'ca-root.pem')
    writeFileSync(caFile, ca_root_certificate)
    const issued = await json<{ key: string; certificate_chain: string[] }>('/GetTlsKey', {
      subject: 'app',
      alt_names: ['app.example.org'],
      usage_server_auth: true,
    })
    const server = createServer({ key: issued.key, cert: issued.certificate_chain.join('') }, (socket) =>
      socket.on('error', () => {}).end('hello'),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }

    let runs = 0
    const run = async (appId: string, name: string): Promise<string> => {
      const example = replaced(block('<!-- checkServerIdentity', 'ts', certificates), {
        "from 'dstack-mesh'": `from ${JSON.stringify(pathToFileURL('src/index.ts').href)}`,
        'G…': cluster_id,
        "readFileSync('genesis')": `readFileSync(${JSON.stringify(join(mesh.folder, 'first', 'genesis'))})`,
        '0123…': appId,
        "host: 'app.example.org', port: 443": `host: '127.0.0.1', port: ${port}, servername: '${name}'`,
        "'ca-root.pem'": JSON.stringify(caFile),
      })
      const file = join(mesh.folder, `example-${runs++}.mts`)
      writeFileSync(file, `${example}\nexport { socket }\n`)
      const { socket } = (await import(pathToFileURL(file).href)) as { socket: TLSSocket }
      return new Promise((resolve) => {
        socket.on('error', ({ message }) => resolve(message))
        socket.on('data', (data) => resolve(data.toString()))
      })
    }
    try {
      assert.equal(await run(app_id, 'app.example.org'), 'hello')
      assert.match(await run('00'.repeat(20), 'app.example.org'), /another app/)
      assert.match(await run(app_id, 'evil.example.org'), /does not name/)
    } finally {
      server.close()
    }
  })

  it('configure several apps', async () => {
    const config = join(mesh.folder, 'config.json')
    writeFileSync(config, block('Several apps stand', 'json', porting))
    const { apps } = await readSettings({ config }, {})
    assert.deepEqual(
      apps?.map(({ name }) => name),
      ['web', 'db'],
    )
  })

  it("show on an EVM chain whose a domain's key is", async () => {
    const { key } = await json<{ key: string }>('/v1/domain', { domains: ['app.example.org'] })
    const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-65)
    assert.ok(certificates.includes('GET /attest/tls/<public key in hex>'))
    const bytes = await fetchBytes(mesh.socket('first'), `/attest/tls/${publicKey.toString('hex')}`)
    assert.match(block('One TLS certificate', 'solidity', certificates), /abi\.encodePacked\("attest", appData\)/)
    const appData = keccak_256(Buffer.concat([Buffer.from('tls'), publicKey]))
    const digest = keccak_256(Buffer.concat([Buffer.from('attest'), appData]))
    const recovered = (v: number, rs: Uint8Array, of: Uint8Array) =>
      secp256k1.recoverPublicKey(Uint8Array.from([v, ...rs]), of, { prehash: false })
    const app = recovered(bytes[0]! - 27, bytes.subarray(1), digest)

    // And the chain of any GetKey ties that key to the root.
    const { signature_chain } = await json<{ signature_chain: string[] }>('/GetKey', {})
    const { app_id } = await json<{ app_id: string }>('/Info')
    const link = Buffer.from(signature_chain[1]!, 'hex')
    const issued = keccak_256(Buffer.concat([Buffer.from('dstack-kms-issued:'), Buffer.from(app_id, 'hex'), app]))
    const root = recovered(link[64]!, link.subarray(0, 64), issued)
    const { k256_root_public_key } = await json<{ k256_root_public_key: string }>('/v1/cluster')
    assert.equal(Buffer.from(root).toString('hex'), k256_root_public_key)
  })
})

/** The routes of the seeds answer bytes. */
const fetchBytes = async (socketPath: string, path: string): Promise<Buffer> => {
  const { request } = await import('node:http')
  return new Promise((resolve, reject) => {
    request({ socketPath, path, timeout: 5_000 }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve(Buffer.concat(chunks)))
    })
      .on('error', reject)
      .end()
  })
}

import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Bench } from '../mesh/support.ts'
import { Workshop } from './support.ts'

const CLUSTER = 'GAR5EYOCWAFTZJ7HQH27TYZVKOHHLCFGNOYVTY7ME52HH2QQCSCFPHE3'

describe('dstack-mesh verify', function () {
  this.timeout(60_000)
  let shop: Workshop
  const servers: Server[] = []
  before(async () => {
    shop = await Workshop.open()
  })
  after(async () => {
    for (const server of servers) {
      server.close()
      server.closeAllConnections()
    }
    await shop.close()
  })
  const hostile = (listener: RequestListener): Promise<string> =>
    new Promise((resolve) => {
      const server = createServer(listener)
      servers.push(server)
      server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`))
    })
  const refuses = async (words: RegExp, listener: RequestListener) =>
    shop.fails(1, words, 'verify', await hostile(listener), '--cluster', CLUSTER)

  it('accepts a member of a running cluster, and says by its exit code what it found', async () => {
    const bench = await Bench.open()
    try {
      const { status } = await bench.up('a', '--new')
      const args = ['verify', status.statusUrl!, '--cluster', status.cluster!]
      // At once: outsiders' quotes are ten seconds apart.
      const [insecure, accepted, other] = await Promise.all([
        shop.run([...args, '--json']),
        shop.run([...args, '--insecure']),
        shop.run(['verify', status.statusUrl!, '--cluster', CLUSTER]),
      ])
      assert.equal(insecure.code, 1)
      const {
        ok,
        insecure: words,
        checks,
      } = JSON.parse(insecure.stdout) as {
        ok: boolean
        insecure: string[]
        checks: { name: string; holds?: boolean }[]
      }
      assert.equal(ok, false)
      assert.match(words[0]!, /emulator/)
      assert.deepEqual(
        checks.filter(({ holds }) => holds === false).map(({ name }) => name),
        ['protection'],
      )
      assert.equal(accepted.code, 0, accepted.stdout + accepted.stderr)
      assert.match(accepted.stdout, /INSECURE: root of trust: an emulator/)
      assert.match(accepted.stdout, new RegExp(`accepted: ${status.peerId} is a member of ${status.cluster}`))
      assert.equal(other.code, 1)
      assert.match(other.stdout, /NO +the cluster made it +it is of another cluster/)
    } finally {
      await bench.close()
    }
  })

  it('refuses a page, a redirect, an error, and an answer without end', async () => {
    const page = await shop.run([
      'verify',
      await hostile((_, response) => response.end('<html>\x1b[2J\u202e</html>')),
      '--cluster',
      CLUSTER,
    ])
    assert.equal(page.code, 1)
    assert.match(page.stdout, /NO +the answer has its form +answer: not JSON/)
    await refuses(/answers 302/, (_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end())
    await refuses(/answers 404: \\u001b\[31mred\\u202e/, (_, response) => response.writeHead(404).end('\x1b[31mred\u202e'))
    await refuses(/answers 503/, (_, response) => response.writeHead(503).end('{}'))
    await refuses(/longer than/, (_, response) => {
      const more = () => {
        while (response.write('x'.repeat(65_536)));
      }
      response.on('drain', more)
      more()
    })
    await refuses(/to the end|does not answer/, (request, response) => {
      response.write('{"version":1')
      setImmediate(() => request.socket.destroy())
    })
  })

  it('says what is wrong with an address or a cluster id', async () => {
    for (const url of ['mesh.example.org', 'ftp://x/', 'http://user:secret@x/', 'http://x/?nonce=1']) {
      await shop.fails(2, /is not the address of a status page/, 'verify', url, '--cluster', CLUSTER)
    }
    await shop.fails(2, /is not a cluster id/, 'verify', 'http://127.0.0.1:1/', '--cluster', CLUSTER.toLowerCase())
    await shop.fails(1, /does not answer/, 'verify', 'http://127.0.0.1:1/', '--cluster', CLUSTER)
  })
})

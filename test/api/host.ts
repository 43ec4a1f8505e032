import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ApiHost, AppFacts, AppQuote, Membership } from '../../src/api/host.ts'
import type { ApiLimits } from '../../src/api/limits.ts'
import { type AppServer, createAppServer } from '../../src/api/server.ts'
import { appReportData } from '../../src/attest/wall.ts'
import { silentLog, systemClock, systemRandom } from '../../src/base/index.ts'
import { AppCertificates } from '../../src/keys/app-certificates.ts'
import { appDataOf } from '../../src/keys/app-keys.ts'
import { Keyring } from '../../src/keys/keyring.ts'
import { verifySignature } from '../../src/keys/verify.ts'

export const APP_ID = Uint8Array.from(Buffer.from('00112233445566778899aabbccddeeff00112233', 'hex'))
export const testKeyring = (): Keyring =>
  Keyring.fromSecrets([
    { epoch: 0, secret: new Uint8Array(32).fill(7) },
    { epoch: 1, secret: new Uint8Array(32).fill(8) },
  ])

const bytesOf = (length: number, fill: number) => new Uint8Array(length).fill(fill)
export const COMPOSE = '{"name":"demo","docker_compose_file":"services: {}"}'

export const FACTS: AppFacts = {
  appId: APP_ID,
  appName: 'demo',
  instanceId: bytesOf(20, 1),
  composeHash: Uint8Array.from(createHash('sha256').update(COMPOSE).digest()),
  appCompose: COMPOSE,
  deviceId: bytesOf(32, 2),
  osImageHash: bytesOf(32, 3),
  measurements: {
    mrtd: bytesOf(48, 4),
    rtmr0: bytesOf(48, 5),
    rtmr1: bytesOf(48, 6),
    rtmr2: bytesOf(48, 7),
    rtmr3: bytesOf(48, 8),
  },
  mrAggregated: bytesOf(32, 9),
  mrSystem: bytesOf(32, 10),
  events: [{ imr: 3, eventType: 0x08000001, digest: bytesOf(48, 11), event: 'app-id', payload: APP_ID }],
  vmConfig: '{"cpu":2}',
  keyProviderInfo: '{"name":"dstack-mesh","id":"G"}',
  cloudVendor: 'vendor',
  cloudProduct: 'product',
}

/** A node as the API sees it, with real keys. A test replaces what it is about. */
export class TestHost implements ApiHost {
  membershipNow: Membership = { member: true }
  /** Every report data that was quoted. */
  readonly quoted: Uint8Array[] = []
  readonly version = { version: '0.6.0', rev: 'test' }
  readonly clock = systemClock
  readonly log = silentLog

  readonly certificates: AppCertificates

  constructor(
    readonly keyring: Keyring = testKeyring(),
    readonly appId: Uint8Array = APP_ID,
  ) {
    this.certificates = new AppCertificates(keyring, appId, { clock: this.clock, random: systemRandom })
  }

  membership = () => this.membershipNow
  keys = (epoch: number) => this.keyring.app(this.appId, epoch)
  verifySignature = verifySignature
  appData = appDataOf
  appCert = async () => 'PEM'
  info = (): AppFacts | Promise<AppFacts> => ({ ...FACTS, appId: this.appId })

  /** As the node composes it: through the wall first. */
  readonly quoter = {
    quoteForApp: async (data: Uint8Array, signal: AbortSignal): Promise<AppQuote> => {
      const reportData = appReportData(data)
      signal.throwIfAborted()
      this.quoted.push(reportData)
      return this.quote(reportData, signal)
    },
  }

  quote = async (reportData: Uint8Array, _signal: AbortSignal): Promise<AppQuote> => ({
    quote: Buffer.concat([Buffer.from('quote:'), reportData]),
    reportData,
    events: FACTS.events,
  })

  cluster = () => ({
    clusterId: 'GTEST',
    genesisHash: bytesOf(32, 12),
    policyHash: bytesOf(32, 13),
    epochs: this.keyring.epochs,
    k256RootPublicKey: this.keyring.publicKeys().k256Root,
    caRootPublicKey: this.keyring.publicKeys().caRoot,
    caRootCertificate: 'PEM',
    peerId: '12D3KooW',
    peerPublicKey: bytesOf(32, 14),
    members: 3,
    lapsed: false,
    witness: 'file',
    genesis: bytesOf(100, 15),
  })
}

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Buffer
  /** The body as JSON; throws when it is none. */
  json<T = Record<string, unknown>>(): T
}

/** A directory and the servers in it; everything stops and goes with `close`. */
export class TestSockets implements AsyncDisposable {
  readonly #servers: AppServer[] = []
  readonly #clients: Socket[] = []

  private constructor(readonly directory: string) {}

  static async create(): Promise<TestSockets> {
    return new TestSockets(await mkdtemp(join(tmpdir(), 'api-')))
  }

  path(name = 'dstack.sock'): string {
    return join(this.directory, name)
  }

  async serve(host: ApiHost, options: { name?: string; limits?: ApiLimits } = {}): Promise<AppServer> {
    const server = await createAppServer(host, options.limits)
    this.#servers.push(server)
    await server.listen({ path: this.path(options.name) })
    return server
  }

  send(
    path: string,
    options: { method?: string; body?: string | Uint8Array; type?: string; socket?: string } = {},
  ): Promise<Answer> {
    const body = options.body === undefined ? undefined : Buffer.from(options.body)
    return new Promise((resolve, reject) => {
      const client = request(
        {
          socketPath: this.path(options.socket),
          path,
          method: options.method ?? (body === undefined ? 'GET' : 'POST'),
          headers: {
            ...(options.type === '' ? {} : { 'content-type': options.type ?? 'application/json' }),
            ...(body === undefined ? {} : { 'content-length': body.length }),
          },
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('end', () => {
            const all = Buffer.concat(chunks)
            resolve({
              status: response.statusCode!,
              headers: response.headers,
              body: all,
              json: () => JSON.parse(all.toString()),
            })
          })
          response.on('error', reject)
        },
      )
      client.on('error', reject)
      client.end(body)
    })
  }

  /** POST of a JSON object. */
  post(path: string, body: unknown, socket?: string): Promise<Answer> {
    return this.send(path, { body: JSON.stringify(body), ...(socket === undefined ? {} : { socket }) })
  }

  /** Sends bytes as they are and gives everything that comes back until the server ends the connection. */
  raw(bytes: string | Uint8Array, options: { end?: boolean; until?: (text: string) => boolean } = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      const client = connect({ path: this.path(), allowHalfOpen: true })
      this.#clients.push(client)
      let text = ''
      client.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1')
        if (options.until?.(text)) {
          client.destroy()
          resolve(text)
        }
      })
      client.on('end', () => {
        client.end()
        resolve(text)
      })
      client.on('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EPIPE' || error.code === 'ECONNRESET' ? resolve(text) : reject(error),
      )
      client.on('connect', () => (options.end ? client.end(bytes) : client.write(bytes)))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.destroy()
    for (const server of this.#servers) await server.stop()
    await rm(this.directory, { recursive: true, force: true })
  }
}

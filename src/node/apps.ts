import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { PeerId } from '@libp2p/interface'
import { encodeGenesisBundle, type Judged } from '../../protocols/records/index.ts'
import { formatClusterId, peerPublicKey } from '../../protocols/wire/index.ts'
import type { WitnessLevel } from '../anchor/index.ts'
import {
  type ApiHost,
  type AppServer,
  certificateEvidence,
  createAppServer,
  loadAppServer,
  type QuotedEvent,
  type SocketPlace,
  type UnixSocket,
} from '../api/index.ts'
import { type AppIdentity, type Attester, appReportData, eventDigest } from '../attest/index.ts'
import { type Clock, type Log, messageOf, type Random, readBounded, UsageError } from '../base/index.ts'
import { AppCertificates, appDataOf, verifySignature } from '../keys/index.ts'
import type { Membership } from './membership.ts'
import { ShownCertificate } from './shown-certificate.ts'

/** An app as its operator configures it. */
export interface AppConfig {
  readonly name: string
  readonly socket: SocketPlace
  /** Path of its compose file; without one the app's id is that of the empty file. */
  readonly compose?: string
  /** 20 bytes; another id than the compose file's hash, where the cluster's policy lists it. */
  readonly appId?: Uint8Array
}

/** An app of this node: who it is, and where it reaches us. */
export interface App {
  readonly name: string
  readonly identity: AppIdentity
  readonly place: SocketPlace
  /** The compose file, to the byte. */
  readonly compose: string
}

/** Opens what an app may ask; part of a node that implementors can replace. */
export type AppRoutes = (host: ApiHost, place: SocketPlace) => Promise<UnixSocket>

const COMPOSE_LIMIT_BYTES = 1024 * 1024
const APP_ID_BYTES = 20
/** dstack's type of RTMR3's run time events. */
const EVENT_TYPE = 0x0800_0001
const MEMBERSHIP_RETRY_MS = 5_000
const DSTACK_SOCKET = 'dstack.sock'
const TAPPD_SOCKET = 'tappd.sock'
const DMI_CHARACTERS_MAX = 128
/** What a VMM of dstack's would tell of the VM: here nobody does. */
const VM_CONFIG = '{}'
const NAME = 'dstack-mesh'
export const VERSION = '0.1.0'

const sha256 = (...parts: (Uint8Array | string)[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return Uint8Array.from(hash.digest())
}

/** Reads the compose files and gives each app its identity: as dstack, an instance id is SHA-256(seed ‖ app id), 20 bytes of it. */
export const readApps = async (configs: readonly AppConfig[], instanceSeed: Uint8Array): Promise<App[]> => {
  const apps: App[] = []
  for (const { name, socket, compose, appId: listedId } of configs) {
    const content = compose === undefined ? '' : await readCompose(compose)
    const composeHash = sha256(content)
    const appId = listedId ?? composeHash.slice(0, APP_ID_BYTES)
    const identity = { appId, composeHash, instanceId: sha256(instanceSeed, appId).slice(0, APP_ID_BYTES) }
    const twin = apps.find((other) => Buffer.compare(other.identity.appId, identity.appId) === 0)
    if (twin !== undefined) {
      throw new UsageError('app_twice', `the apps ${twin.name} and ${name} have the same compose file, and so the same id`, {
        next: 'one app has one socket: leave one of them out',
      })
    }
    apps.push({ name, identity, place: socket, compose: content })
  }
  if (apps.length === 0)
    throw new UsageError('no_apps', 'no app is configured', { next: 'give --socket, or apps in the configuration' })
  return apps
}

const readCompose = async (path: string): Promise<string> => {
  try {
    // Fatal: the app's id is the hash of the bytes, so nothing may be replaced on the way.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readBounded(path, COMPOSE_LIMIT_BYTES))
  } catch (cause) {
    throw new UsageError('compose_unreadable', `cannot read the compose file ${path}: ${messageOf(cause)}`, {
      next: 'check --compose',
      cause,
    })
  }
}

export interface AppContext {
  membership: Membership
  attester: Attester
  clock: Clock
  random: Random
  log: Log
  witness: WitnessLevel
  peerId: PeerId
  members(): number
  routes: AppRoutes | undefined
  onAnswered: ApiHost['onAnswered']
}

/** Loads what {@link openApp} will need, while the node waits for quotes and members. */
export const prepareApps = (routes: AppRoutes | undefined): void => {
  // What fails here fails again, and is told, when the sockets open.
  if (routes === undefined) loadAppServer().catch(() => {})
}

/** Opens an app's socket. The app's routes get only what follows here: never the root secret, never an unwalled quote. */
export const openApp = async (app: App, context: AppContext): Promise<UnixSocket> => {
  const host = hostFor(app, context)
  if (context.routes !== undefined) return context.routes(host, app.place)
  const places = [app.place, ...tappdPlace(app.place)]
  const servers: AppServer[] = []
  const stop = async (): Promise<void> => {
    for (const server of servers) {
      server.forgetKeys()
      await server.stop()
    }
  }
  try {
    // What is in the way is told by whoever opens the socket.
    await mkdir(dirname(app.place.path), { recursive: true }).catch(() => {})
    for (const place of places) {
      const server = await createAppServer(host)
      servers.push(server)
      await server.listen(place)
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { path: app.place.path, stop }
}

/** Old dstack apps look for `tappd.sock` where newer ones look for `dstack.sock`: a socket of that name gets the other beside it. */
const tappdPlace = (place: SocketPlace): SocketPlace[] =>
  basename(place.path) === DSTACK_SOCKET ? [{ ...place, path: join(dirname(place.path), TAPPD_SOCKET) }] : []

const quotedEvents = (attester: Attester): QuotedEvent[] =>
  attester
    .eventLog()
    .map((event) => ({ imr: 3, eventType: EVENT_TYPE, digest: eventDigest(event), event: event.name, payload: event.payload }))

/** What the firmware says of the machine: the host's words, and nothing that anybody should believe. */
const dmi = async (name: string): Promise<string> => {
  const text = await readFile(`/sys/class/dmi/id/${name}`, 'utf8').catch(() => '')
  return text.trim().slice(0, DMI_CHARACTERS_MAX)
}

/** dstack's sums over what was measured: of the system with its key provider, and of all. Nothing counts that is all zeros. */
const sumsOf = ({ mrTd, rtmr, mrConfigId, mrOwner, mrOwnerConfig }: Judged, clusterId: Uint8Array) => {
  const owners = [mrConfigId, mrOwner, mrOwnerConfig]
  const [rtmr0, rtmr1, rtmr2] = rtmr as [Uint8Array, Uint8Array, Uint8Array]
  return {
    osImageHash: sha256(mrTd, rtmr1, rtmr2),
    mrSystem: sha256(mrTd, rtmr0, rtmr1, rtmr2, sha256(clusterId)),
    mrAggregated: sha256(mrTd, ...rtmr, ...(owners.some((bytes) => bytes.some((byte) => byte !== 0)) ? owners : [])),
  }
}

const hostFor = (app: App, context: AppContext): ApiHost => {
  const { membership, attester, clock, log, peerId } = context
  const { keys, record } = membership
  const { appId, composeHash, instanceId } = app.identity
  const clusterId = formatClusterId(keys.clusterId)
  const certificates = new AppCertificates(keys, appId, { clock, random: context.random })
  const quoteForApp: ApiHost['quoter']['quoteForApp'] = async (bytes, signal) => {
    // The wall (protocols: report data): the only way from an app to a quote.
    const reportData = appReportData(bytes)
    return { quote: await attester.quote(reportData, signal), reportData, events: quotedEvents(attester) }
  }
  const shown = new ShownCertificate(
    (notAfter, signal) =>
      certificates.show({
        subject: app.name,
        altNames: [],
        serverAuth: false,
        clientAuth: true,
        notAfter,
        evidence: async (reportData) => certificateEvidence(await quoteForApp(reportData, signal), VM_CONFIG),
      }),
    { clock, log },
  )
  return {
    membership: () =>
      membership.serves()
        ? { member: true }
        : { member: false, why: 'the credential ran out longer ago than the policy allows', retryAfterMs: MEMBERSHIP_RETRY_MS },
    keys: (epoch) => keys.app(appId, epoch),
    verifySignature,
    appData: appDataOf,
    quoter: { quoteForApp },
    certificates,
    appCert: () => shown.pem(),
    async info() {
      const { judged } = membership.credential
      const [rtmr0, rtmr1, rtmr2, rtmr3] = judged.rtmr as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
      return {
        appId,
        appName: app.name,
        instanceId,
        composeHash,
        appCompose: app.compose,
        deviceId: judged.platformId,
        ...sumsOf(judged, keys.clusterId),
        measurements: { mrtd: judged.mrTd, rtmr0, rtmr1, rtmr2, rtmr3 },
        events: quotedEvents(attester),
        vmConfig: VM_CONFIG,
        keyProviderInfo: JSON.stringify({ name: 'dstack-mesh', id: clusterId }),
        cloudVendor: await dmi('sys_vendor'),
        cloudProduct: await dmi('product_name'),
      }
    },
    cluster: async () => ({
      clusterId,
      genesisHash: membership.genesisHash,
      policyHash: record.policyHash,
      epochs: keys.epochs,
      k256RootPublicKey: record.k256RootPublicKey,
      caRootPublicKey: record.caRootPublicKey,
      caRootCertificate: certificates.rootCertificate(),
      peerId: peerId.toString(),
      peerPublicKey: peerPublicKey(peerId.toMultihash().bytes)!,
      members: context.members(),
      lapsed: membership.standing() === 'lapsed',
      witness: context.witness,
      genesis: encodeGenesisBundle(membership.genesis),
    }),
    version: { version: VERSION, rev: NAME },
    clock,
    log: log.child({ app: app.name }),
    onAnswered: context.onAnswered,
  }
}

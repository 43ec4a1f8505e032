import { UsageError } from '../base/index.ts'
import { certificateEvidence, encodeAppInfo, encodeAttestation, eventJson, eventLogJson } from './attestation.ts'
import type { ApiHost, CertificateRequest } from './host.ts'
import { hexOf, type Message, type Values } from './message.ts'
import { appKeyReportData, tappdReportData } from './report-data.ts'

/** What a handler has besides the request: the node, and a signal that aborts when nobody waits for the answer any more. */
export interface RouteContext {
  readonly host: ApiHost
  readonly signal: AbortSignal
}

/** One method of the guest agent's API, in all its encodings and under all its paths. */
export interface RpcRoute<Q extends Message = Message, A extends Message = Message> {
  readonly kind: 'rpc'
  readonly name: string
  /** Of which interface it is a part: what is frozen, what is current, what is ours. */
  readonly surface: 'v0' | 'v1' | 'tappd' | 'worker' | 'mesh'
  readonly paths: readonly string[]
  readonly request: Q
  readonly response: A
  readonly about: string
  /** Whether it is served only by a member; the others need no key and no quote. */
  readonly needsMember: boolean
  /** The request alone decides the answer, and the answer is small: it may be kept. */
  readonly repeatable?: true
  /** Waits for hardware or many steps: bounded in number and time. */
  readonly slow?: true
  handle(request: Values<Q>, context: RouteContext): Values<A> | Promise<Values<A>>
}

const rpc = <Q extends Message, A extends Message>(route: Omit<RpcRoute<Q, A>, 'kind'>): RpcRoute =>
  ({ kind: 'rpc', ...route }) as unknown as RpcRoute

// Messages: names and numbers of dstack's agent_rpc.proto (package dstack_guest) and agent_rpc_v1.proto (dstack.guest.v1).

const empty = {} as const satisfies Message
const keyArgs = {
  path: { type: 'string', number: 1, about: 'Names the key; any text' },
  purpose: { type: 'string', number: 2, about: 'Goes into the signature chain only' },
  algorithm: { type: 'string', number: 3, about: 'secp256k1 (default; alias k256) or ed25519' },
  epoch: { type: 'uint64', about: 'Of which epoch; 0 unless a cluster has made another' },
} as const satisfies Message
const keyResponse = {
  key: { type: 'bytes', number: 1, secret: true },
  signature_chain: { type: 'bytes', number: 2, repeated: true },
} as const satisfies Message
const certificateArgs = {
  subject: { type: 'string', number: 1, about: 'Common name' },
  alt_names: { type: 'string', number: 2, repeated: true, about: 'DNS names and IP addresses' },
  usage_ra_tls: { type: 'bool', number: 3, about: 'Carry a fresh quote that binds the key' },
  usage_server_auth: { type: 'bool', number: 4 },
  usage_client_auth: { type: 'bool', number: 5 },
  not_before: { type: 'uint64', number: 6, optional: true, about: 'Unix seconds' },
  not_after: { type: 'uint64', number: 7, optional: true, about: 'Unix seconds; 90 days from now by default' },
  with_app_info: { type: 'bool', number: 8, about: 'Carry the app info extension' },
} as const satisfies Message
const certificateResponse = {
  key: { type: 'string', number: 1, about: 'PKCS#8 PEM' },
  certificate_chain: { type: 'string', number: 2, repeated: true, about: 'PEM, leaf first' },
} as const satisfies Message
const reportDataArgs = {
  report_data: { type: 'bytes', number: 1, about: 'At most 64 bytes; zeros fill it up' },
} as const satisfies Message
const quoteResponse = {
  quote: { type: 'bytes', number: 1 },
  event_log: { type: 'string', number: 2, about: 'JSON' },
  report_data: { type: 'bytes', number: 3 },
  vm_config: { type: 'string', number: 4, about: 'JSON' },
} as const satisfies Message
const attestResponse = { attestation: { type: 'bytes', number: 1 } } as const satisfies Message
const eventArgs = { event: { type: 'string', number: 1 }, payload: { type: 'bytes', number: 2 } } as const satisfies Message
const appInfo = {
  app_id: { type: 'bytes', number: 1 },
  instance_id: { type: 'bytes', number: 2 },
  app_cert: { type: 'string', number: 3, about: 'PEM chain, leaf first, with a quote of at most a day ago' },
  tcb_info: { type: 'string', number: 4, about: 'JSON' },
  app_name: { type: 'string', number: 5 },
  device_id: { type: 'bytes', number: 8 },
  mr_aggregated: { type: 'bytes', number: 9 },
  os_image_hash: { type: 'bytes', number: 10 },
  key_provider_info: { type: 'string', number: 12, about: 'JSON' },
  compose_hash: { type: 'bytes', number: 13 },
  vm_config: { type: 'string', number: 14, about: 'JSON' },
  cloud_vendor: { type: 'string', number: 15 },
  cloud_product: { type: 'string', number: 16 },
} as const satisfies Message
const versionResponse = { version: { type: 'string', number: 1 }, rev: { type: 'string', number: 2 } } as const satisfies Message
const signArgs = {
  algorithm: { type: 'string', number: 1, about: 'secp256k1 (alias k256), secp256k1_prehashed or ed25519; no default' },
  data: { type: 'bytes', number: 2 },
} as const satisfies Message
const signResponse = {
  signature: { type: 'bytes', number: 1 },
  signature_chain: { type: 'bytes', number: 2, repeated: true },
  public_key: { type: 'bytes', number: 3 },
} as const satisfies Message
const verifyArgs = {
  algorithm: { type: 'string', number: 1 },
  data: { type: 'bytes', number: 2 },
  signature: { type: 'bytes', number: 3 },
  public_key: { type: 'bytes', number: 4 },
} as const satisfies Message
const verifyResponse = { valid: { type: 'bool', number: 1 } } as const satisfies Message
const appKeyAttestationArgs = { algorithm: { type: 'string', number: 1 } } as const satisfies Message

const keyV1Args = {
  domain: { type: 'string', number: 1, about: 'Names the key; any text' },
  algorithm: { type: 'string', number: 2, about: 'secp256k1 or ed25519; no default, no alias' },
  epoch: keyArgs.epoch,
} as const satisfies Message
const keyV1Response = {
  key: { type: 'bytes', number: 1, secret: true },
  public_key: { type: 'bytes', number: 2 },
  signature_chain: { type: 'bytes', number: 3, repeated: true },
} as const satisfies Message
const attestV1Args = {
  ...reportDataArgs,
  include_boottime_gpu_evidence: { type: 'bool', number: 2 },
} as const satisfies Message
const gpuArgs = { nonce: { type: 'bytes', number: 1 } } as const satisfies Message
/** Always empty here, so what one would hold does not matter: repeated messages of field 2, or of field 1 of AttestGpu. */
const attestV1Response = {
  ...attestResponse,
  boottime_gpu_evidence: { type: 'bytes', number: 2, repeated: true, about: 'Always empty: no GPU is attested here' },
} as const satisfies Message
const infoV1Response = {
  app_id: { type: 'bytes', number: 1 },
  app_name: { type: 'string', number: 2 },
  compose_hash: { type: 'bytes', number: 3 },
  app_compose: { type: 'string', number: 4, about: 'The document to the byte; compose_hash is its SHA-256' },
  instance_id: { type: 'bytes', number: 5 },
  device_id: { type: 'bytes', number: 6 },
  os_image_hash: { type: 'bytes', number: 7 },
  mr_aggregated: { type: 'bytes', number: 8 },
  vm_config: { type: 'string', number: 9, about: 'JSON' },
  key_provider_info: { type: 'string', number: 10, about: 'JSON' },
  cloud_vendor: { type: 'string', number: 11 },
  cloud_product: { type: 'string', number: 12 },
} as const satisfies Message

const deriveKeyArgs = {
  path: { type: 'string', number: 1 },
  subject: { type: 'string', number: 2 },
  alt_names: { type: 'string', number: 3, repeated: true },
  usage_ra_tls: { type: 'bool', number: 4 },
  usage_server_auth: { type: 'bool', number: 5 },
  usage_client_auth: { type: 'bool', number: 6 },
  random_seed: { type: 'bool', number: 7, about: 'A fresh key instead of the one at path' },
} as const satisfies Message
const k256KeyResponse = {
  k256_key: { type: 'bytes', number: 1, secret: true },
  k256_signature_chain: { type: 'bytes', number: 2, repeated: true },
} as const satisfies Message
const tdxQuoteArgs = {
  report_data: { type: 'bytes', number: 1 },
  hash_algorithm: {
    type: 'string',
    number: 2,
    about: 'sha512 by default; sha256 … keccak512; raw for exactly 64 bytes as they are',
  },
  prefix: { type: 'string', number: 3, about: 'The tag before the colon; app-data by default' },
} as const satisfies Message
const tdxQuoteResponse = {
  quote: { type: 'bytes', number: 1 },
  event_log: { type: 'string', number: 2, about: 'JSON' },
  hash_algorithm: { type: 'string', number: 3 },
  prefix: { type: 'string', number: 4 },
} as const satisfies Message

// Our own.
const clusterResponse = {
  cluster_id: { type: 'string', number: 1, about: 'A Stellar address' },
  genesis_hash: { type: 'bytes', number: 2 },
  policy_hash: { type: 'bytes', number: 3 },
  epochs: { type: 'uint64', number: 4, repeated: true },
  k256_root_public_key: { type: 'bytes', number: 5, about: 'What dstack calls the KMS root key: anchor of signature chains' },
  ca_root_public_key: { type: 'bytes', number: 6 },
  ca_root_certificate: { type: 'string', number: 7, about: 'PEM' },
  peer_id: { type: 'string', number: 8 },
  members: { type: 'uint64', number: 9 },
  lapsed: { type: 'bool', number: 10 },
  witness: { type: 'string', number: 11, about: 'Who vouches for the genesis: none, file, devnet, testnet or pubnet' },
  genesis: { type: 'bytes', number: 12, about: 'The genesis bundle (protocols/records): record, signature, policy, evidence' },
} as const satisfies Message

const domainArgs = {
  domains: { type: 'string', number: 1, repeated: true, about: 'The first names the key' },
  epoch: { type: 'uint64', number: 2 },
} as const satisfies Message
const domainResponse = {
  key: { type: 'string', number: 1, about: 'PKCS#8 PEM, the same on every member' },
  certificate_request: { type: 'string', number: 2, about: 'PKCS#10 PEM' },
} as const satisfies Message

const getQuote = async ({ host, signal }: RouteContext, reportData: Uint8Array) => {
  const quoted = await host.quoter.quoteForApp(reportData, signal)
  const { vmConfig } = await host.info()
  return { quoted, vmConfig }
}

const quoteAnswer = async (context: RouteContext, reportData: Uint8Array): Promise<Values<typeof quoteResponse>> => {
  const { quoted, vmConfig } = await getQuote(context, reportData)
  return {
    quote: quoted.quote,
    event_log: eventLogJson(quoted.events),
    report_data: quoted.reportData,
    vm_config: vmConfig,
  }
}

const attestation = async (context: RouteContext, reportData: Uint8Array): Promise<Uint8Array> => {
  const { quoted, vmConfig } = await getQuote(context, reportData)
  return encodeAttestation(quoted, vmConfig)
}

interface CertificateFields {
  subject: string
  alt_names: readonly string[]
  usage_ra_tls: boolean
  usage_server_auth: boolean
  usage_client_auth: boolean
  not_before?: number | undefined
  not_after?: number | undefined
  with_app_info?: boolean
}

const issue = async (
  context: RouteContext,
  fields: CertificateFields,
  key?: Uint8Array,
): Promise<Values<typeof certificateResponse>> => {
  const { host } = context
  const request: CertificateRequest = {
    subject: fields.subject,
    altNames: fields.alt_names,
    serverAuth: fields.usage_server_auth,
    clientAuth: fields.usage_client_auth,
    notBefore: fields.not_before,
    notAfter: fields.not_after,
    appInfo: fields.with_app_info ? encodeAppInfo(await host.info()) : undefined,
    key,
    evidence: !fields.usage_ra_tls
      ? undefined
      : async (reportData) => {
          const { quoted, vmConfig } = await getQuote(context, reportData)
          return certificateEvidence(quoted, vmConfig)
        },
  }
  const { key: pem, chain } = await host.certificates.issue(request)
  return { key: pem, certificate_chain: chain }
}

const tdxQuote = async (
  context: RouteContext,
  request: Values<typeof tdxQuoteArgs>,
): Promise<Values<typeof tdxQuoteResponse>> => {
  const { reportData, algorithm, prefix } = tappdReportData(request.report_data, request.hash_algorithm, request.prefix)
  const { quoted } = await getQuote(context, reportData)
  return { quote: quoted.quote, event_log: eventLogJson(quoted.events), hash_algorithm: algorithm, prefix }
}

const infoAnswer = async ({ host }: RouteContext): Promise<Values<typeof appInfo>> => {
  const facts = await host.info()
  return {
    app_id: facts.appId,
    instance_id: facts.instanceId,
    app_cert: await host.appCert(),
    tcb_info: JSON.stringify(
      {
        mrtd: hexOf(facts.measurements.mrtd),
        rtmr0: hexOf(facts.measurements.rtmr0),
        rtmr1: hexOf(facts.measurements.rtmr1),
        rtmr2: hexOf(facts.measurements.rtmr2),
        rtmr3: hexOf(facts.measurements.rtmr3),
        mr_aggregated: hexOf(facts.mrAggregated),
        os_image_hash: hexOf(facts.osImageHash),
        compose_hash: hexOf(facts.composeHash),
        device_id: hexOf(facts.deviceId),
        event_log: facts.events.map(eventJson),
        app_compose: facts.appCompose,
      },
      null,
      2,
    ),
    app_name: facts.appName,
    device_id: facts.deviceId,
    mr_aggregated: facts.mrAggregated,
    os_image_hash: facts.osImageHash,
    key_provider_info: facts.keyProviderInfo,
    compose_hash: facts.composeHash,
    vm_config: facts.vmConfig,
    cloud_vendor: facts.cloudVendor,
    cloud_product: facts.cloudProduct,
  }
}

const getKey = ({ host }: RouteContext, { path, purpose, algorithm, epoch }: Values<typeof keyArgs>) =>
  host.keys(epoch).getKey(path, purpose, algorithm)

const v0 = (name: string) => [`/${name}`, `/v0/${name}`]
const v1 = (name: string) => [`/v1/${name}`]
const tappd = (name: string) => [`/prpc/Tappd.${name}`, `/prpc/${name}`]
const worker = (name: string) => [`/prpc/Worker.${name}`, `/prpc/v0/Worker.${name}`, `/prpc/v0/${name}`]

const EMIT_EVENT_GONE =
  'EmitEvent was removed in dstack 0.6.0; runtime RTMR3 events are system-owned and cannot be extended by apps'

const VERSION_ABOUT =
  "This program's version, and its name; that it answers tells dstack's SDKs that all algorithms and lifetimes are known"

export const RPC_ROUTES: readonly RpcRoute[] = [
  rpc({
    name: 'GetKey',
    surface: 'v0',
    paths: v0('GetKey'),
    request: keyArgs,
    response: keyResponse,
    about: 'The app key at a path, the same on every member, and the chain of signatures up to the k256 root',
    needsMember: true,
    repeatable: true,
    handle: (request, context) => {
      const { key, signatureChain } = getKey(context, request)
      return { key, signature_chain: signatureChain }
    },
  }),
  rpc({
    name: 'GetTlsKey',
    surface: 'v0',
    paths: v0('GetTlsKey'),
    request: certificateArgs,
    response: certificateResponse,
    about: 'A fresh P-256 key and its certificate chain up to the CA root',
    needsMember: true,
    slow: true,
    handle: (request, context) => issue(context, request),
  }),
  rpc({
    name: 'GetQuote',
    surface: 'v0',
    paths: v0('GetQuote'),
    request: reportDataArgs,
    response: quoteResponse,
    about: "A TDX quote over the app's report data",
    needsMember: true,
    slow: true,
    handle: (request, context) => quoteAnswer(context, request.report_data),
  }),
  rpc({
    name: 'Attest',
    surface: 'v0',
    paths: v0('Attest'),
    request: reportDataArgs,
    response: attestResponse,
    about: "A quote over the app's report data in dstack's versioned attestation",
    needsMember: true,
    slow: true,
    handle: async (request, context) => ({ attestation: await attestation(context, request.report_data) }),
  }),
  rpc({
    name: 'Info',
    surface: 'v0',
    paths: v0('Info'),
    request: empty,
    response: appInfo,
    about: 'What this app and this TD are; evidence of none of it',
    needsMember: true,
    handle: (_request, context) => infoAnswer(context),
  }),
  rpc({
    name: 'Sign',
    surface: 'v0',
    paths: v0('Sign'),
    request: signArgs,
    response: signResponse,
    about: 'A signature by the app key at path "vms"',
    needsMember: true,
    handle: ({ algorithm, data }, { host }) => {
      const { signature, signatureChain, publicKey } = host.keys(0).sign(algorithm, data)
      return { signature, signature_chain: signatureChain, public_key: publicKey }
    },
  }),
  rpc({
    name: 'Verify',
    surface: 'v0',
    paths: v0('Verify'),
    request: verifyArgs,
    response: verifyResponse,
    about: 'Whether a signature is good; needs no key of ours',
    needsMember: false,
    handle: ({ algorithm, data, signature, public_key }, { host }) => ({
      valid: host.verifySignature(algorithm, data, signature, public_key),
    }),
  }),
  rpc({
    name: 'EmitEvent',
    surface: 'v0',
    paths: v0('EmitEvent'),
    request: eventArgs,
    response: empty,
    about: 'Always refused: RTMR3 belongs to the node',
    needsMember: false,
    handle: () => {
      throw new UsageError('removed', EMIT_EVENT_GONE)
    },
  }),
  rpc({
    name: 'Version',
    surface: 'v0',
    paths: v0('Version'),
    request: empty,
    response: versionResponse,
    about: VERSION_ABOUT,
    needsMember: false,
    handle: (_request, { host }) => host.version,
  }),

  rpc({
    name: 'GetKey',
    surface: 'v1',
    paths: v1('GetKey'),
    request: keyV1Args,
    response: keyV1Response,
    about: 'The app key of a domain and an algorithm, both of which reach the key',
    needsMember: true,
    repeatable: true,
    handle: ({ domain, algorithm, epoch }, { host }) => {
      const { key, publicKey, signatureChain } = host.keys(epoch).getKeyV1(domain, algorithm)
      return { key, public_key: publicKey, signature_chain: signatureChain }
    },
  }),
  rpc({
    name: 'IssueCert',
    surface: 'v1',
    paths: v1('IssueCert'),
    request: certificateArgs,
    response: certificateResponse,
    about: 'GetTlsKey by its true name',
    needsMember: true,
    slow: true,
    handle: (request, context) => issue(context, request),
  }),
  rpc({
    name: 'Attest',
    surface: 'v1',
    paths: v1('Attest'),
    request: attestV1Args,
    response: attestV1Response,
    about: "A quote over the app's report data in dstack's versioned attestation",
    needsMember: true,
    slow: true,
    handle: async (request, context) => ({
      attestation: await attestation(context, request.report_data),
      boottime_gpu_evidence: [],
    }),
  }),
  rpc({
    name: 'AttestGpu',
    surface: 'v1',
    paths: v1('AttestGpu'),
    request: gpuArgs,
    response: empty,
    about: 'Always refused: no GPU is attested here',
    needsMember: false,
    handle: () => {
      throw new UsageError('no_gpu', 'GPU attestation failed: this TD has no GPU to attest')
    },
  }),
  rpc({
    name: 'Info',
    surface: 'v1',
    paths: v1('Info'),
    request: empty,
    response: infoV1Response,
    about: 'What this app and this TD are, without measurements: those belong to Attest',
    needsMember: true,
    handle: async (_request, { host }) => {
      const facts = await host.info()
      return {
        app_id: facts.appId,
        app_name: facts.appName,
        compose_hash: facts.composeHash,
        app_compose: facts.appCompose,
        instance_id: facts.instanceId,
        device_id: facts.deviceId,
        os_image_hash: facts.osImageHash,
        mr_aggregated: facts.mrAggregated,
        vm_config: facts.vmConfig,
        key_provider_info: facts.keyProviderInfo,
        cloud_vendor: facts.cloudVendor,
        cloud_product: facts.cloudProduct,
      }
    },
  }),
  rpc({
    name: 'Version',
    surface: 'v1',
    paths: v1('Version'),
    request: empty,
    response: versionResponse,
    about: VERSION_ABOUT,
    needsMember: false,
    handle: (_request, { host }) => host.version,
  }),

  rpc({
    name: 'DeriveKey',
    surface: 'tappd',
    paths: tappd('DeriveKey'),
    request: deriveKeyArgs,
    response: certificateResponse,
    about: 'The P-256 key at a path and a certificate for it',
    needsMember: true,
    slow: true,
    handle: async (request, context) => {
      if (request.random_seed) return issue(context, request)
      const key = context.host.keys(0).p256Key(request.path)
      try {
        return await issue(context, request, key)
      } finally {
        key.fill(0)
      }
    },
  }),
  rpc({
    name: 'DeriveK256Key',
    surface: 'tappd',
    paths: tappd('DeriveK256Key'),
    request: keyArgs,
    response: k256KeyResponse,
    about: 'GetKey under its older names',
    needsMember: true,
    repeatable: true,
    handle: (request, context) => {
      const { key, signatureChain } = getKey(context, request)
      return { k256_key: key, k256_signature_chain: signatureChain }
    },
  }),
  rpc({
    name: 'TdxQuote',
    surface: 'tappd',
    paths: tappd('TdxQuote'),
    request: tdxQuoteArgs,
    response: tdxQuoteResponse,
    about: 'A quote over hash(prefix ":" data)',
    needsMember: true,
    slow: true,
    handle: (request, context) => tdxQuote(context, request),
  }),
  rpc({
    name: 'RawQuote',
    surface: 'tappd',
    paths: tappd('RawQuote'),
    request: reportDataArgs,
    response: tdxQuoteResponse,
    about: 'A quote over exactly 64 bytes',
    needsMember: true,
    slow: true,
    handle: ({ report_data }, context) => tdxQuote(context, { report_data, hash_algorithm: 'raw', prefix: '' }),
  }),
  rpc({
    name: 'Info',
    surface: 'tappd',
    paths: [...tappd('Info'), ...worker('Info')],
    request: empty,
    response: appInfo,
    about: 'Info of v0',
    needsMember: true,
    handle: (_request, context) => infoAnswer(context),
  }),
  rpc({
    name: 'Version',
    surface: 'tappd',
    paths: [...tappd('Version'), ...worker('Version')],
    request: empty,
    response: versionResponse,
    about: 'Version of v0',
    needsMember: false,
    handle: (_request, { host }) => host.version,
  }),
  rpc({
    name: 'GetAttestationForAppKey',
    surface: 'worker',
    paths: ['/prpc/GetAttestationForAppKey', ...worker('GetAttestationForAppKey')],
    request: appKeyAttestationArgs,
    response: quoteResponse,
    about: 'A quote that commits to the public key Sign uses (DIP-1)',
    needsMember: true,
    slow: true,
    handle: (request, context) => {
      const algorithm = ['k256', 'secp256k1_prehashed'].includes(request.algorithm) ? 'secp256k1' : request.algorithm
      if (algorithm !== 'secp256k1' && algorithm !== 'ed25519')
        throw new UsageError('unsupported_algorithm', 'Unsupported algorithm')
      const { key, publicKey } = context.host.keys(0).getKey('vms', 'signing', algorithm)
      key.fill(0)
      return quoteAnswer(context, appKeyReportData(algorithm, publicKey))
    },
  }),

  rpc({
    name: 'cluster',
    surface: 'mesh',
    paths: v1('cluster'),
    request: empty,
    response: clusterResponse,
    about: 'The cluster that feeds this app: its id, its public roots, its size as this node sees it',
    needsMember: true,
    handle: async (_request, { host }) => {
      const facts = await host.cluster()
      return {
        cluster_id: facts.clusterId,
        genesis_hash: facts.genesisHash,
        policy_hash: facts.policyHash,
        epochs: facts.epochs,
        k256_root_public_key: facts.k256RootPublicKey,
        ca_root_public_key: facts.caRootPublicKey,
        ca_root_certificate: facts.caRootCertificate,
        peer_id: facts.peerId,
        members: facts.members,
        lapsed: facts.lapsed,
        witness: facts.witness,
        genesis: facts.genesis,
      }
    },
  }),
  rpc({
    name: 'domain',
    surface: 'mesh',
    paths: v1('domain'),
    request: domainArgs,
    response: domainResponse,
    about:
      "TLS that no single machine's end stops: the app's key for a domain, and a request with which an authority certifies it",
    needsMember: true,
    handle: ({ domains, epoch }, { host }) => {
      const { key, request } = host.certificates.forDomain(domains, epoch)
      return { key, certificate_request: request }
    },
  }),
]

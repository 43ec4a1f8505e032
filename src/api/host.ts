import type { Clock, Log } from '../base/index.ts'

// What the API needs of the node, in its own words: the node introduces the rooms to each other. Errors that these throw are
// answered by their class: UsageError and RefusedError 400, TransientError and DeadlineError 503, any other 500.

export interface KeyAnswer {
  key: Uint8Array
  publicKey: Uint8Array
  signatureChain: readonly Uint8Array[]
}

/** The keys of the one app that this socket belongs to, in one epoch. No request can name another app. */
export interface AppKeyDeriver {
  getKey(path: string, purpose: string, algorithm: string): KeyAnswer
  getKeyV1(domain: string, algorithm: string): KeyAnswer
  sign(
    algorithm: string,
    data: Uint8Array,
  ): { signature: Uint8Array; publicKey: Uint8Array; signatureChain: readonly Uint8Array[] }
  /** A P-256 scalar, which the API wipes. */
  p256Key(path: string): Uint8Array
  tagKey(tag: string): Uint8Array
  attestAppData(appData: Uint8Array): Uint8Array
}

/** One entry of a TD's event log, as dstack writes them. */
export interface QuotedEvent {
  /** The register: 0 to 3. */
  readonly imr: number
  readonly eventType: number
  readonly digest: Uint8Array
  readonly event: string
  readonly payload: Uint8Array
}

export interface AppQuote {
  quote: Uint8Array
  /** The 64 bytes that were quoted. */
  reportData: Uint8Array
  events: readonly QuotedEvent[]
}

/**
 * The only way from an app's request to a quote. It pads to 64 bytes and refuses (UsageError) what is longer and what begins
 * with the prefix of the members' own report data; there is no other method, so no route can go round it.
 */
export interface AppQuoter {
  quoteForApp(reportData: Uint8Array, signal: AbortSignal): Promise<AppQuote>
}

export interface CertificateRequest {
  subject: string
  altNames: readonly string[]
  serverAuth: boolean
  clientAuth: boolean
  /** Unix seconds. */
  notBefore?: number | undefined
  notAfter?: number | undefined
  /** dstack's APP_INFO extension, encoded. */
  appInfo?: Uint8Array | undefined
  /** The key to certify, a P-256 scalar; without one a fresh key is made. The API wipes it. */
  key?: Uint8Array | undefined
  /** For RA-TLS: asked for the evidence over the report data that binds the certificate's key. */
  evidence?: ((reportData: Uint8Array) => Promise<CertificateEvidence>) | undefined
}

export interface CertificateEvidence {
  quote: Uint8Array
  /** JSON. */
  eventLog: string
  /** dstack's versioned attestation. */
  attestation: Uint8Array
}

export interface CertificateIssuer {
  /** PEM, PKCS#8; and PEM, leaf first. */
  issue(request: CertificateRequest): Promise<{ key: string; chain: readonly string[] }>
  /** The key that every member's instance of the app holds for these domains, PEM, and a PKCS#10 request for it, PEM. */
  forDomain(domains: readonly string[], epoch: number): { key: string; request: string }
}

/** What this TD and this app are. Nothing here is evidence. */
export interface AppFacts {
  /** 20 bytes. */
  appId: Uint8Array
  appName: string
  /** 20 bytes, or none. */
  instanceId: Uint8Array
  /** 32 bytes: SHA-256 of {@link appCompose}. */
  composeHash: Uint8Array
  /** The compose document, to the byte. */
  appCompose: string
  deviceId: Uint8Array
  osImageHash: Uint8Array
  /** What the TD measured: mrtd and rtmr0 to rtmr3, 48 bytes each. */
  measurements: { mrtd: Uint8Array; rtmr0: Uint8Array; rtmr1: Uint8Array; rtmr2: Uint8Array; rtmr3: Uint8Array }
  /** 32 bytes each: of all of them, and of all but the app's. */
  mrAggregated: Uint8Array
  mrSystem: Uint8Array
  events: readonly QuotedEvent[]
  /** JSON. */
  vmConfig: string
  /** JSON: {"name": …, "id": …}. */
  keyProviderInfo: string
  cloudVendor: string
  cloudProduct: string
}

/** What anyone may know about the cluster that feeds this node. */
export interface ClusterFacts {
  /** A Stellar address. */
  clusterId: string
  /** SHA-256 of the genesis record. */
  genesisHash: Uint8Array
  policyHash: Uint8Array
  epochs: readonly number[]
  /** SEC1 compressed, of epoch 0. */
  k256RootPublicKey: Uint8Array
  caRootPublicKey: Uint8Array
  /** PEM. */
  caRootCertificate: string
  /** This node's peer id, and its ed25519 public key (32 bytes). */
  peerId: string
  peerPublicKey: Uint8Array
  /** How many members this node's table holds, itself included. */
  members: number
  /** Whether the node's own credential ran out. */
  lapsed: boolean
  /** Who vouches for the genesis: none, file, devnet, testnet or pubnet. */
  witness: string
  /** The encoded genesis bundle: the evidence of how the cluster began. */
  genesis: Uint8Array
}

/** Whether the node may serve keys now. */
export type Membership =
  | { readonly member: true }
  | { readonly member: false; readonly why: string; readonly retryAfterMs: number }

export interface ApiHost {
  membership(): Membership
  /** Throws UsageError on an epoch that the node does not hold. */
  keys(epoch: number): AppKeyDeriver
  /** Throws UsageError on what is malformed. */
  verifySignature(algorithm: string, data: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean
  /** keccak256(tag ‖ bytes). */
  appData(tag: string, bytes: Uint8Array): Uint8Array
  readonly quoter: AppQuoter
  readonly certificates: CertificateIssuer
  info(): AppFacts | Promise<AppFacts>
  /** v0's `app_cert`: a PEM chain that shows who the app is; empty while none could be made. Never waits long. */
  appCert(): Promise<string>
  cluster(): ClusterFacts | Promise<ClusterFacts>
  /** This program's version, and its name. */
  readonly version: { readonly version: string; readonly rev: string }
  readonly clock: Clock
  readonly log: Log
  /** Told of every answer; must not throw. */
  readonly onAnswered?: ((answer: Answered) => void) | undefined
}

export interface Answered {
  /** The pattern that matched, such as `/getkey/:tag`, and never the path that was asked for; undefined: none did. */
  readonly route: string | undefined
  /** Of HTTP. */
  readonly status: number
  readonly ms: number
}

/**
 * dstack-mesh as a library. {@link createNode} composes a member of a mesh from small parts, each with our own as default;
 * the rest is what it takes to judge quotes, policies and credentials without a node.
 */
import type { NodeInit } from './node/init.ts'
import type { MeshNode } from './node/node.ts'

export type { OnboarderRole, Sealer, SealingKey } from '../protocols/onboard/index.ts'
export type { Collateral, Evidence, EvidenceJudge, Expectation } from '../protocols/records/index.ts'
export { formatClusterId, parseClusterId } from '../protocols/wire/cluster-id.ts'
export { REFUSAL_CODES, type RefusalCode } from '../protocols/wire/refusal-codes.ts'
export type {
  Anchor,
  AnchorReading,
  AnchorRecord,
  AnchorSigner,
  Handover,
  HandoverTransaction,
  ProofLevel,
  WitnessLevel,
} from './anchor/index.ts'
export type { ApiHost, SocketPlace, UnixSocket } from './api/index.ts'
export type {
  Attester,
  BootEvent,
  EventLogReplay,
  Finding,
  Policy,
  PreparedCollateral,
  Quote,
  TdEvent,
  Verdict,
  VerifiedQuote,
} from './attest/index.ts'
export {
  collateralFromJson,
  collateralToJson,
  DcapError,
  describePolicy,
  explainQuote,
  INTEL_ROOT,
  insecurities,
  judgePlatform,
  judgeTd,
  PolicyError,
  PreparedCache,
  parsePolicy,
  parseQuote,
  policyFromQuote,
  policyHash,
  prepareCollateral,
  quoteRoot,
  replayEventLog,
  rootNameOf,
  verifyQuote,
} from './attest/index.ts'
export * from './base/index.ts'
export type { AppCertificate, CertificateExpectation } from './keys/index.ts'
export type { AnchorFactory, AnchorParts, AnchorSettings } from './node/anchors.ts'
export type { AppConfig, AppRoutes } from './node/apps.ts'
export type { ClusterCertificateExpectation, ClusterTrust } from './node/cluster-certificate.ts'
export type { VerifierFactory } from './node/cluster-policy.ts'
export type { Entry, NodeInit } from './node/init.ts'
export type { MeshNode } from './node/node.ts'
export type { ClusterKeys, KeyDeriver } from './node/parts.ts'
export {
  controlSocketPath,
  environmentName,
  readSettings,
  SETTINGS,
  type Setting,
  type Settings,
  standardDataDir,
} from './node/settings.ts'
export type { MemberStatus, NodeState, NodeStatus } from './node/status.ts'
export type { StatusPortInit } from './node/status-port.ts'
export type { ClusterCheck, ClusterVerification, VerifiedCluster } from './node/verify-cluster.ts'

/** A node, not started. Its libraries are loaded here, not when this module is: whoever only judges a quote needs none. */
export const createNode = async (init: NodeInit): Promise<MeshNode> => {
  const { MeshNode } = await import('./node/node.ts')
  return new MeshNode(init)
}

/** A node from settings as the command line, the environment and the configuration file give them. */
export const configureNode = async (
  settings: import('./node/settings.ts').Settings,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<NodeInit> => (await import('./node/configure.ts')).configure(settings, environment)

/** What it takes to make, read and prove an anchor on a ledger without a node. */
export const anchorTools = async () => ({
  ...(await import('./anchor/index.ts')),
  ...(await import('./node/anchors.ts')),
  ...(await import('./node/remember.ts')),
})

/**
 * Judges a cluster from outside, by what one of its members answered to a nonce (`GET /evidence?nonce=` of its status port). Never
 * throws on a hostile answer; UsageError on wrong pins.
 */
export const verifyCluster = async (
  given: import('./node/verify-cluster.ts').ClusterVerification,
): Promise<import('./node/verify-cluster.ts').VerifiedCluster> => (await import('./node/verify-cluster.ts')).verifyCluster(given)

/** The routes of an app's socket as a Markdown table, printed from what is served. */
export const describeRoutes = async (): Promise<string> => (await import('./api/index.ts')).describeRoutes()

/**
 * Verifies an app's certificate chain (PEM: leaf, app CA, whatever else is ignored) up to a CA root whose public key is known.
 * @throws RefusedError `bad_certificate`
 */
export const verifyAppCertificate = async (
  chain: string | readonly string[],
  expected: import('./keys/index.ts').CertificateExpectation,
): Promise<import('./keys/index.ts').AppCertificate> => (await import('./keys/index.ts')).verifyAppCertificate(chain, expected)

/**
 * The same from the cluster id alone, with the genesis bundle that every member keeps.
 * @throws RefusedError `bad_certificate` or `bad_genesis`
 */
export const verifyClusterCertificate = async (
  chain: string | readonly string[],
  expected: import('./node/cluster-certificate.ts').ClusterCertificateExpectation,
): Promise<import('./keys/index.ts').AppCertificate> =>
  (await import('./node/cluster-certificate.ts')).verifyClusterCertificate(chain, expected)

/** The same as a `checkServerIdentity` for `tls.connect`, whose `ca` is the cluster's CA root certificate (`/v1/cluster`). */
export const clusterServerIdentity = async (
  trust: import('./node/cluster-certificate.ts').ClusterTrust & { appId: Uint8Array; clock: import('./base/index.ts').Clock },
): Promise<(serverName: string, peer: import('node:tls').PeerCertificate) => Error | undefined> =>
  (await import('./node/cluster-certificate.ts')).clusterServerIdentity(trust)

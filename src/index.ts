/**
 * dstack-mesh as a library. {@link createNode} composes a member of a mesh from small parts, each with our own as default;
 * the rest is what it takes to judge quotes, policies and credentials without a node.
 */
import type { MeshNode, NodeInit } from './node/node.ts'

export type { OnboarderRole, Sealer, SealingKey } from '../protocols/onboard/index.ts'
export type { Collateral, Evidence, EvidenceJudge, Expectation } from '../protocols/records/index.ts'
export { formatClusterId, parseClusterId } from '../protocols/wire/cluster-id.ts'
export { REFUSAL_CODES, type RefusalCode } from '../protocols/wire/refusal-codes.ts'
export type { Anchor, AnchorRecord, WitnessLevel } from './anchor/index.ts'
export type { ApiHost, SocketPlace, UnixSocket } from './api/index.ts'
export type { Attester, Policy, TdEvent, Verdict } from './attest/index.ts'
export {
  collateralFromJson,
  collateralToJson,
  explainQuote,
  INTEL_ROOT,
  parsePolicy,
  parseQuote,
  policyHash,
  prepareCollateral,
  verifyQuote,
} from './attest/index.ts'
export * from './base/index.ts'
export type { AppConfig, AppRoutes } from './node/apps.ts'
export type { VerifierFactory } from './node/cluster-policy.ts'
export type { Entry, MemberStatus, MeshNode, NodeInit, NodeState, NodeStatus } from './node/node.ts'
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

/** The routes of an app's socket as a Markdown table, printed from what is served. */
export const describeRoutes = async (): Promise<string> => (await import('./api/index.ts')).describeRoutes()

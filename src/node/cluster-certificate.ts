import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls'
import { decodeGenesisBundle, verifyGenesisSignature } from '../../protocols/records/index.ts'
import { equals, parseClusterId } from '../../protocols/wire/index.ts'
import { type Clock, messageOf, RefusedError, UsageError } from '../base/index.ts'
import { type AppCertificate, type CertificateExpectation, loadCertificateVerifier } from '../keys/index.ts'

/** Whom a client trusts: the cluster, by its id alone. */
export interface ClusterTrust {
  /** `G…`, learnt in a way that is trusted. */
  cluster: string
  /** The genesis bundle: the file `genesis` of any member's data folder, from anybody. The cluster's key has signed it. */
  genesis: Uint8Array
}

/** A chain has leaf, app CA and root; peers can send anything. */
const CHAIN_LENGTH_MAX = 3

/**
 * The public key (SEC1, 33 bytes) of a cluster's CA root: its genesis record names it, and the key that the cluster id *is* has
 * signed the record.
 * @throws UsageError on what is no cluster id; RefusedError `bad_genesis` on a bundle that is not this cluster's
 */
export const caRootOf = ({ cluster, genesis }: ClusterTrust): Uint8Array => {
  const clusterId = parseClusterId(cluster)
  if (clusterId === undefined) {
    throw new UsageError('bad_cluster', `${JSON.stringify(cluster.slice(0, 80))} is not a cluster id`, {
      next: 'a cluster id is G followed by 55 letters and digits; check for a typing error',
    })
  }
  const bad = (why: string, cause?: unknown): RefusedError =>
    new RefusedError('bad_genesis', `the genesis does not tell the CA root of ${cluster}: ${why}`, {
      next: 'take the file `genesis` from the data folder of a member of this very cluster',
      cause,
    })
  let record: ReturnType<typeof verifyGenesisSignature>
  try {
    record = verifyGenesisSignature(decodeGenesisBundle(genesis))
  } catch (cause) {
    throw bad(messageOf(cause), cause)
  }
  if (record === undefined) throw bad('its signature is not good')
  if (!equals(record.clusterPublicKey, clusterId)) throw bad('it is of another cluster')
  return record.caRootPublicKey
}

export type ClusterCertificateExpectation = ClusterTrust & Omit<CertificateExpectation, 'caRootPublicKey'>

/**
 * Verifies an app's certificate chain (PEM: leaf, app CA, whatever else is ignored) from the cluster id alone.
 * @throws RefusedError `bad_certificate` or `bad_genesis`
 */
export const verifyClusterCertificate = async (
  chain: string | readonly string[],
  { cluster, genesis, ...expected }: ClusterCertificateExpectation,
): Promise<AppCertificate> =>
  (await loadCertificateVerifier())(chain, { ...expected, caRootPublicKey: caRootOf({ cluster, genesis }) })

/**
 * A `checkServerIdentity` for `tls.connect`, `https.Agent` and the like. Node asks it only after its own check of the chain
 * against `ca`, where the cluster's CA root certificate belongs; wherever that came from, this check does not rely on it.
 */
export const clusterServerIdentity = async (
  trust: ClusterTrust & { appId: Uint8Array; clock: Clock },
): Promise<(serverName: string, peer: PeerCertificate) => Error | undefined> => {
  const verify = await loadCertificateVerifier()
  const { appId, clock } = trust
  const caRootPublicKey = caRootOf(trust)
  return (serverName, peer) => {
    try {
      verify(chainOf(peer), { caRootPublicKey, appId, usage: 'server', serverName, nowMs: clock.now() })
      return undefined
    } catch (error) {
      return error instanceof Error ? error : new Error(messageOf(error))
    }
  }
}

/** Leaf first; a self-signed certificate is its own issuer. */
const chainOf = (peer: PeerCertificate): string[] => {
  const chain: string[] = []
  let at: Partial<DetailedPeerCertificate> | undefined = peer as DetailedPeerCertificate
  while (at?.raw !== undefined && chain.length < CHAIN_LENGTH_MAX) {
    chain.push(`-----BEGIN CERTIFICATE-----\n${at.raw.toString('base64')}\n-----END CERTIFICATE-----\n`)
    at = at.issuerCertificate === at ? undefined : at.issuerCertificate
  }
  return chain
}

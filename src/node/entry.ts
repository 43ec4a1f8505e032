import { equals, formatClusterId, parseClusterId } from '../../protocols/wire/index.ts'
import { UsageError } from '../base/index.ts'
import type { Entry } from './init.ts'
import { rememberedCluster } from './remember.ts'

/**
 * Whether a node may enter so: `--new` never makes a second cluster beside a remembered one; a join without `--cluster` takes the
 * remembered one.
 * @param place.byAnchorAlone - the anchor may know where the cluster is, without any peer being named
 * @returns the cluster id, 32 bytes; undefined where it is still to be made. Throws UsageError.
 */
export const clusterToJoin = async (
  entry: Entry,
  place: { dataDir: string; byAnchorAlone: boolean },
): Promise<Uint8Array | undefined> => {
  const remembered = await rememberedCluster(place.dataDir)
  if (entry.kind === 'new') {
    if (remembered === undefined) return undefined
    throw new UsageError(
      'cluster_remembered',
      `${place.dataDir} remembers the cluster ${formatClusterId(remembered)}; a new one beside it would silently lose what was encrypted under that one`,
      {
        next: 'join it again with --cluster and --peer, or make the new cluster in another --data-dir',
      },
    )
  }
  const wanted = entry.cluster === undefined ? remembered : parseClusterId(entry.cluster)
  if (wanted === undefined) {
    throw new UsageError('no_cluster', 'no cluster to join', {
      next: 'give --cluster G… and --peer <multiaddr>, or make one with --new',
    })
  }
  if (remembered !== undefined && !equals(remembered, wanted)) {
    throw new UsageError('cluster_remembered', `${place.dataDir} remembers another cluster, ${formatClusterId(remembered)}`, {
      next: 'use another --data-dir for another cluster',
    })
  }
  if (entry.peers.length === 0 && !place.byAnchorAlone) {
    throw new UsageError('no_peers', 'no member to join through', { next: 'give at least one --peer <multiaddr>' })
  }
  return wanted
}

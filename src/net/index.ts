export { Discovery, type DiscoveryInit, type KnownMember } from './discovery.ts'
export type { GossipInit, GossipVerdict } from './gossip.ts'
export { createNetwork, createPeerKey, Network, type NetworkInit, type Pinged } from './network.ts'
export { resolveAddress } from './resolve.ts'

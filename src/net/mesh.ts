/** Gossip and kad-dht behind one gate, as one libp2p service. libp2p sees neither, so it neither dials nor learns by them. */
import type { PeerId, Startable } from '@libp2p/interface'
import type { Clock } from '../base/index.ts'
import { Dht, type DhtComponents } from './dht.ts'
import { Gate, type GateComponents } from './gate.ts'
import { Gossip, type GossipComponents, type GossipInit } from './gossip.ts'

export interface MeshInit {
  gossip: GossipInit
  isMember(peer: PeerId): boolean
  clock: Clock
}
export type MeshComponents = GateComponents & GossipComponents & DhtComponents

export class Mesh implements Startable {
  readonly gate: Gate
  readonly gossip: Gossip
  readonly dht: Dht

  constructor(components: MeshComponents, init: MeshInit) {
    this.gate = new Gate(components, init)
    this.gossip = new Gossip(components, this.gate, init.clock, init.gossip)
    this.dht = new Dht(components, this.gate, init.isMember)
  }

  async start(): Promise<void> {
    await this.gossip.start()
    await this.dht.start()
    this.gate.start()
  }

  async stop(): Promise<void> {
    this.gate.stop()
    await this.dht.stop()
    await this.gossip.stop()
  }
}

/** js-libp2p service factory. */
export const mesh =
  (init: MeshInit) =>
  (components: MeshComponents): Mesh =>
    new Mesh(components, init)

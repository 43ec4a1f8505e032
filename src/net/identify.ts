/** Identify that tells whoever asks which protocols there are, and not where this node listens: members read that in its record. */
import { type Identify, type IdentifyComponents, identify } from '@libp2p/identify'
import { overlay } from './overlay.ts'

export const discreetIdentify =
  () =>
  (components: IdentifyComponents): Identify =>
    identify({ maxInboundStreams: 1, maxOutboundStreams: 1 })({
      peerId: components.peerId,
      privateKey: components.privateKey,
      registrar: components.registrar,
      nodeInfo: components.nodeInfo,
      events: components.events,
      logger: components.logger,
      addressManager: overlay(components.addressManager, { getAddresses: () => [] }),
      peerStore: overlay(components.peerStore, {
        get: async (peer, options) => {
          const known = await components.peerStore.get(peer, options)
          if (!peer.equals(components.peerId)) return known
          const { peerRecordEnvelope: _, ...told } = known
          return told
        },
      }),
    })

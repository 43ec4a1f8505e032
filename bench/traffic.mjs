/**
 * Preloaded into the members of `npm run bench:mesh -- --traffic`: counts what each writes to its connections by protocol, each
 * yamux frame with its own 12 bytes and noise's 18; and of gossip, what it is for. Every ten seconds a line on stderr tells the sums.
 */
const load = (name, file) => import(import.meta.resolve(name).replace(/index\.js$/, file))
const { YamuxMuxer } = await load('@chainsafe/libp2p-yamux', 'muxer.js')
const { GossipSub } = await load('@libp2p/gossipsub', 'gossipsub.js')

const FRAME_BYTES = 12 + 18
const TOLD_MS = 10_000
const counts = {}
const count = (kind, bytes) => {
  counts[kind] ??= { bytes: 0, frames: 0 }
  counts[kind].bytes += bytes
  counts[kind].frames++
}

const { sendFrame } = YamuxMuxer.prototype
YamuxMuxer.prototype.sendFrame = function (header, data) {
  const stream = this.streams.find(({ streamId }) => streamId === header.streamID)
  const kind =
    header.streamID === 0 ? 'yamux itself' : stream === undefined ? 'streams that ended' : stream.protocol || 'negotiation'
  count(kind, FRAME_BYTES + (data?.byteLength ?? 0))
  return sendFrame.call(this, header, data)
}

// Parts of what goes by gossipsub's protocol.
const idBytes = (ids) => ids.reduce((sum, { length }) => sum + length + 2, 0)
const { sendRpc, sendRpcInBatch, pushGossip } = GossipSub.prototype
const messages = (rpc, times) => {
  for (const { data, from, seqno, topic, signature, key } of rpc.messages ?? []) {
    for (let time = 0; time < times; time++)
      count('of gossip: messages', idBytes([data, from, seqno, topic, signature, key ?? '']))
  }
}
GossipSub.prototype.sendRpc = function (id, rpc) {
  messages(rpc, 1)
  for (const { messageIDs } of rpc.control?.iwant ?? []) count('of gossip: iwant', idBytes(messageIDs))
  return sendRpc.call(this, id, rpc)
}
GossipSub.prototype.sendRpcInBatch = function (ids, rpc) {
  messages(rpc, ids.size)
  for (const { messageIDs } of rpc.control?.idontwant ?? [])
    for (const _ of ids) count('of gossip: idontwant', idBytes(messageIDs))
  return sendRpcInBatch.call(this, ids, rpc)
}
GossipSub.prototype.pushGossip = function (id, ihave) {
  count('of gossip: ihave', idBytes([ihave.topicID, ...ihave.messageIDs]))
  return pushGossip.call(this, id, ihave)
}

setInterval(() => {
  process.stderr.write(`${JSON.stringify({ event: 'bench.traffic', time: new Date().toISOString(), counts })}\n`)
}, TOLD_MS).unref()

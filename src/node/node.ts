import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { MEMBERSHIP_LIMIT_BYTES, membersTopic } from '../../protocols/membership/index.ts'
import { decodeCredential, encodeGenesisBundle } from '../../protocols/records/index.ts'
import { equals, formatClusterId } from '../../protocols/wire/index.ts'
import type { Anchor, ProofLevel } from '../anchor/index.ts'
import type { UnixSocket } from '../api/index.ts'
import { type Attester, type Collateral, createVerifier, describePolicy, insecurities } from '../attest/index.ts'
import {
  type Clock,
  type Log,
  messageOf,
  type Random,
  silentLog,
  systemClock,
  systemRandom,
  TransientError,
  UsageError,
} from '../base/index.ts'
import { type Members, MemberTable } from '../members/index.ts'
import { createNetwork, createPeerKey, Discovery, type Network, resolveAddress } from '../net/index.ts'
import { Alarms, collateralAlarms } from './alarms.ts'
import { AnchorWatch, publishedBy } from './anchor-watch.ts'
import { anchorOf } from './anchors.ts'
import { type App, openApp, prepareApps, readApps, VERSION } from './apps.ts'
import { bootstrap } from './bootstrap.ts'
import { Cleanups } from './cleanups.ts'
import { type ClusterFileParts, entryByClusterFile, writeClusterFile } from './cluster-file.ts'
import type { VerifierFactory } from './cluster-policy.ts'
import { openControl } from './control.ts'
import { controlKeys } from './control-keys.ts'
import { clusterToJoin } from './entry.ts'
import { NodeEvents } from './events.ts'
import type { Entry, NodeInit } from './init.ts'
import { joinCluster, resolved } from './join.ts'
import type { Membership } from './membership.ts'
import type { NodeMetrics, Rendered } from './metrics/index.ts'
import { metricsRoutes } from './metrics-route.ts'
import { observedVerifier } from './observed.ts'
import { openMembers, renewed } from './open-members.ts'
import { MembersFirst } from './outsiders.ts'
import { keyDeriver } from './parts.ts'
import { publicAddresses } from './public-addresses.ts'
import { type RejoinParts, rejoin, rejoinLater } from './rejoin.ts'
import { forget, instanceSeed, openDataDir, remember, rememberedProof } from './remember.ts'
import { meshServices } from './services.ts'
import { controlSocketPath } from './settings.ts'
import { describeCredential, describeGenesis, type MemberStatus, type NodeState, type NodeStatus, peerIdText } from './status.ts'
import { openStatusPort, type StatusPort } from './status-port.ts'
import { strangersLog } from './strangers-log.ts'
import { type OpenTee, openTee } from './tee.ts'

const STANDARD_LISTEN = ['/ip4/0.0.0.0/tcp/4001']
const STANDARD_JOIN_TIMEOUT_MS = 120_000

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

/** One member of a mesh; the composition root that introduces the rooms to each other. */
export class MeshNode {
  readonly #init: NodeInit
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #anchor: Anchor
  readonly #stopping = new AbortController()
  readonly #table: MemberTable
  /** What happens here, for whoever shows or counts it. */
  readonly events = new NodeEvents()
  readonly #membersFirst = new MembersFirst()
  readonly #cleanups: Cleanups
  #state: NodeState = 'starting'
  /** As it was told, or as its cluster file says. */
  #entry: Entry
  #clusterId: Uint8Array | undefined
  #network: Network<ReturnType<typeof meshServices>> | undefined
  #attester: Attester | undefined
  #seen: OpenTee['seen'] = () => {}
  /** The newest that the attester gave: others' evidence is judged by it where it is newer than theirs. */
  #collateral: Collateral | undefined
  #membership: Membership | undefined
  #members: Members | undefined
  /** Who let this node in; none made the first member one. */
  #onboarder: string | undefined
  #joinThrough: RejoinParts['join'] | undefined
  /** Where members should be, by the operator's word or by what the cluster published; text multiaddrs. */
  #peers: readonly string[] = []
  #proof: ProofLevel | undefined
  /** When the genesis became public, by a witness. */
  #publicSince: number | undefined
  readonly #watch: AnchorWatch
  readonly #alarms: Alarms
  #apps: App[] = []
  #statusPort: StatusPort | undefined
  #metrics: NodeMetrics | undefined
  #starting: Promise<void> | undefined
  #stopped: Promise<void> | undefined
  readonly #ended = Promise.withResolvers<void>()

  constructor(init: NodeInit) {
    this.#init = init
    this.#entry = init.entry
    this.#clock = init.clock ?? systemClock
    this.#random = init.random ?? systemRandom
    this.#log = init.log ?? silentLog
    this.#table = new MemberTable(this.#clock)
    this.#cleanups = new Cleanups(this.#clock, this.#log)
    const anchor = init.anchor ?? anchorOf({}, init.dataDir)
    this.#anchor = typeof anchor === 'function' ? anchor({ clock: this.#clock, random: this.#random, log: this.#log }) : anchor
    this.#alarms = new Alarms(this.events, this.#clock)
    this.#watch = new AnchorWatch({
      anchor: this.#anchor,
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
      onAlarm: (alarm, on) => this.events.emit({ kind: 'alarm', alarm, on }),
    })
  }

  /**
   * Resolves when this node is a member and its app sockets are open. When anything fails, all that was opened is closed
   * again. Throws UsageError, TransientError or RefusedError with what to do next.
   */
  async start(): Promise<void> {
    this.#starting = this.#start()
    try {
      await this.#starting
    } catch (error) {
      await this.stop()
      // What a start opened after a stop had given up waiting for it.
      await this.#close()
      throw error
    }
  }

  async #start(): Promise<void> {
    const { dataDir } = this.#init
    const signal = this.#stopping.signal
    await openDataDir(dataDir)
    const clusterFile = this.#clusterFile()
    if (clusterFile !== undefined) {
      const timeoutMs = (this.#entry.kind === 'join' && this.#entry.timeoutMs) || STANDARD_JOIN_TIMEOUT_MS
      this.#entry = await entryByClusterFile(this.#entry, timeoutMs, clusterFile)
    }
    const entry = this.#entry
    this.#clusterId = await clusterToJoin(entry, { dataDir, byAnchorAlone: this.#anchor.verify !== undefined })
    // First of all the control socket: it is also what keeps two nodes out of one data folder.
    const control = await openControl(controlSocketPath(dataDir), {
      status: () => this.status(),
      members: () => this.members(),
      leave: (options) => this.leave(options),
      handover: this.#anchor.handover,
      ...controlKeys({
        membership: () => this.#membership,
        apps: () => this.#apps,
        clock: this.#clock,
        random: this.#random,
      }),
    })
    this.#cleanups.add(() => control.stop())
    if (this.#init.metrics ?? this.#init.statusPort !== undefined) await this.#openMetrics()
    await this.#openStatusPort()

    const apps = await readApps(this.#init.apps, await instanceSeed(dataDir, this.#random))
    const attester = await this.#openAttester()
    const peerKey = await createPeerKey()
    prepareApps(this.#init.appRoutes)
    const membership =
      entry.kind === 'new' ? await this.#bootstrap(apps, attester, peerKey) : await this.#join(apps, attester, peerKey)
    await this.#enter(membership, attester)
    signal.throwIfAborted()
    // Last of all the apps' sockets: by now every quote says which app runs and which cluster feeds it.
    for (const app of apps) {
      signal.throwIfAborted()
      const socket = await this.#openApp(app, membership, attester)
      this.#cleanups.add(() => socket.stop())
      this.#log.info('app.open', { app: app.name, appId: hex(app.identity.appId), socket: socket.path })
    }
    this.#apps = apps
    const { anchorProof, ...genesis } = membership.genesis
    await remember(dataDir, membership.keys.clusterId, encodeGenesisBundle(genesis), anchorProof)
    signal.throwIfAborted()
    if (entry.kind === 'new' && clusterFile !== undefined) await writeClusterFile(membership.keys.clusterId, clusterFile)
    this.#log.info('node.ready', {
      cluster: formatClusterId(membership.keys.clusterId),
      peer: this.#network!.peerId.toString(),
      addresses: this.addresses(),
    })
  }

  #clusterFile(): ClusterFileParts | undefined {
    const path = this.#init.clusterFile
    if (path === undefined) return undefined
    return { path, clock: this.#clock, random: this.#random, log: this.#log, signal: this.#stopping.signal }
  }

  async #openStatusPort(): Promise<void> {
    const place = this.#init.statusPort
    if (place === undefined) return
    const port = await openStatusPort({
      place,
      status: () => this.status(),
      membership: () => this.#membership,
      attester: () => this.#attester,
      idle: (signal) => this.#membersFirst.idle(signal),
      events: this.events,
      clock: this.#clock,
      log: this.#log,
      signal: this.#stopping.signal,
      routes: metricsRoutes(this.#metrics),
    })
    this.#statusPort = port
    this.#cleanups.add(() => port.stop())
  }

  async #openAttester(): Promise<Attester> {
    const tee = this.#init.tee ?? { kind: 'auto' }
    const opened: OpenTee =
      this.#init.attester !== undefined
        ? { attester: this.#init.attester, seen: () => {}, stop: async () => {} }
        : await openTee({
            tee: tee.kind,
            emulatorRoot: tee.emulatorRoot,
            pccs: tee.pccs ?? [],
            dataDir: this.#init.dataDir,
            clock: this.#clock,
            random: this.#random,
            log: this.#log,
            onAlarm: collateralAlarms(this.events),
          })
    this.#cleanups.add(() => opened.stop())
    this.#seen = opened.seen
    const { attester } = opened
    this.#attester = {
      tee: attester.tee,
      extend: (events) => attester.extend(events),
      eventLog: () => attester.eventLog(),
      quote: (reportData, stop) => attester.quote(reportData, stop),
      collateral: async (stop) => {
        this.#collateral = await attester.collateral(stop)
        return this.#collateral
      },
    }
    return this.#membersFirst.counting(this.#attester)
  }

  #verifier(): VerifierFactory {
    const own: VerifierFactory = (policy) => createVerifier({ policy, clock: this.#clock, ownCollateral: () => this.#collateral })
    return observedVerifier(this.#init.verifier ?? own, this.events, this.#clock)
  }

  async #bootstrap(apps: readonly App[], attester: Attester, peerKey: PrivateKey): Promise<Membership> {
    const entry = this.#entry as Extract<Entry, { kind: 'new' }>
    const membership = await bootstrap({
      attester,
      anchor: this.#anchor,
      keys: this.#init.keys ?? keyDeriver(this.#random),
      verifier: this.#verifier(),
      policy: entry.policy,
      apps: apps.map(({ identity }) => identity),
      peerKey,
      peerId: peerIdOf(peerKey),
      clock: this.#clock,
      log: this.#log,
      signal: this.#stopping.signal,
      // Neither a port in use nor a stop may leave an orphan on the anchor.
      beforePublishing: async (clusterId) => {
        await this.#openNetwork(peerKey, clusterId)
        this.#stopping.signal.throwIfAborted()
      },
    })
    // From here on it is wiped when anything fails.
    this.#membership = membership
    const proof = membership.genesis.anchorProof
    // Whoever published it has seen the account.
    const seen = this.#anchor.verify === undefined ? undefined : 'account'
    const proven = proof === undefined ? undefined : await this.#anchor.verify?.(membership.keys.clusterId, proof)
    this.#proof = proven?.proof ?? seen
    this.#publicSince = proven?.ledger?.closedAtMs
    return membership
  }

  async #join(apps: readonly App[], attester: Attester, peerKey: PrivateKey): Promise<Membership> {
    const entry = this.#entry as Extract<Entry, { kind: 'join' }>
    this.#state = 'joining'
    await this.#openNetwork(peerKey, this.#clusterId!)
    this.#joinThrough = async (peers, timeoutMs) =>
      joinCluster({
        clusterId: this.#clusterId!,
        peers,
        keptProof: await rememberedProof(this.#init.dataDir),
        policy: entry.policy,
        onboard: this.#network!.services.onboard,
        resolve: (address) => this.#resolve(address),
        attester,
        anchor: this.#anchor,
        keys: this.#init.keys ?? keyDeriver(this.#random),
        verifier: this.#verifier(),
        apps: apps.map(({ identity }) => identity),
        peerKey,
        peerId: peerIdOf(peerKey),
        clock: this.#clock,
        random: this.#random,
        log: this.#log,
        signal: this.#stopping.signal,
        timeoutMs,
        again: this.#membership && { genesisHash: this.#membership.genesisHash, policyHash: this.#membership.policy.hash },
      })
    const { membership, peers, proof, publicSince, onboarder } = await this.#joinThrough(
      entry.peers,
      entry.timeoutMs ?? STANDARD_JOIN_TIMEOUT_MS,
    )
    this.#membership = membership
    this.#peers = peers
    this.#proof = proof
    this.#publicSince = publicSince
    this.#onboarder = onboarder.peerId.toString()
    this.#table.admit(
      {
        peerId: this.#onboarder,
        credential: decodeCredential(onboarder.credential).body,
        addresses: [onboarder.address],
      },
      this.#clock.now(),
    )
    return membership
  }

  async #openNetwork(peerKey: PrivateKey, clusterId: Uint8Array): Promise<void> {
    const listen = this.#init.listen ?? STANDARD_LISTEN
    this.#clusterId = clusterId
    const network = await createNetwork({
      peerKey,
      listen,
      clock: this.#clock,
      metrics: this.#metrics?.libp2p,
      isMember: (peer) => this.#members?.isLinked(peer.toString()) ?? false,
      gossip: {
        topic: membersTopic(clusterId),
        maxBytes: MEMBERSHIP_LIMIT_BYTES,
        validate: async (author, data) => (await this.#members?.validate(author.toMultihash().bytes, data)) ?? 'ignore',
      },
      services: meshServices({
        clusterId,
        clock: this.#clock,
        random: this.#random,
        log: this.#log,
        events: this.events,
        sealer: this.#init.sealer,
        members: () => this.#members,
      }),
    })
    await network.start()
    this.#network = network
    this.#cleanups.addBrief(() => Promise.resolve(network.stop()))
    network.onSubscriber(() => this.#members?.subscribed())
    network.onClosed((peer) => this.#members?.closed(peer.toString()))
    this.#log.info('net.listening', { peer: network.peerId.toString(), addresses: this.addresses() })
  }

  /** From here on this node is a member: it knows the others, serves joiners, and keeps its credential. */
  async #enter(membership: Membership, attester: Attester): Promise<void> {
    const { policy } = membership.policy
    for (const insecurity of insecurities(policy)) this.#log.warn('policy.insecure', { insecurity })
    const onJudged = (peerId: Uint8Array, evaluationDataNumber: number) => this.#seen(evaluationDataNumber, peerIdText(peerId))
    const members = openMembers({
      membership,
      attester,
      table: this.#table,
      network: this.#network!,
      addresses: () => this.#init.announce ?? this.addresses(),
      public: this.#init.public ?? false,
      onJudged,
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
      events: this.events,
      signal: this.#stopping.signal,
    })
    this.#members = members
    this.#cleanups.addBrief(() => members.stop())
    await members.start(this.#onboarder === undefined ? {} : { onboarder: this.#onboarder })
    members.run()
    const again = this.#rejoinParts(members, membership)
    if (again !== undefined) await rejoin(again)
    const strangers = strangersLog(this.#log, this.#clock)
    this.#network!.services.onboard.serveAs(
      membership.onboarder({
        admit: (peerId, credential) => members.admit(decodeCredential(credential).body, this.#seenAt(peerId)),
        mayIssue: () => members.standing() === 'active',
        onJudged: (peerId, judged) => onJudged(peerId, judged.tcbEvaluationDataNumber),
        onStep: (step, joinId) => {
          // A Challenge is for whoever says Hello; what follows is for those with a quote that holds.
          const log = step === 'challenged' ? strangers : this.#log
          log.info(`onboard.${step}`, { joinId })
        },
        publicAddresses: () => publicAddresses(members.list(), this.#random),
      }),
    )
    const rejoining = again && this.#rejoinLater(again)
    this.#cleanups.addBrief(async () => rejoining)
    const discovery = this.#discovery()
    this.#cleanups.addBrief(() => discovery.stop())
    discovery.start()
    this.#state = 'member'
    const watching = this.#watch.run(publishedBy(membership), this.#stopping.signal).catch((error) => {
      if (!this.#stopping.signal.aborted) this.#log.error('anchor.watch_ended', { reason: messageOf(error) })
    })
    this.#cleanups.addBrief(() => watching)
  }

  async #rejoinLater(parts: RejoinParts): Promise<void> {
    try {
      await rejoinLater(parts)
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#log.error('join.adrift_ended', { reason: messageOf(error) })
    }
  }

  #rejoinParts(members: Members, membership: Membership): RejoinParts | undefined {
    if (this.#joinThrough === undefined) return undefined
    return {
      members,
      renew: (standing) => {
        membership.renew(standing)
        renewed(members, { membership, log: this.#log, events: this.events })
      },
      peers: this.#peers,
      join: this.#joinThrough,
      whoIs: (address) => this.#whoIs(address),
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
      signal: this.#stopping.signal,
    }
  }

  #resolve(address: string): Promise<string> {
    return resolveAddress(address, { own: this.addresses(), random: this.#random })
  }

  /** Who answers there; undefined: nobody, or a member that says so itself. */
  async #whoIs(address: string): Promise<Uint8Array | undefined> {
    const network = this.#network!
    const resolve = (name: string): Promise<string> => this.#resolve(name)
    try {
      const at = await resolved(address, { resolve, clock: this.#clock }, this.#stopping.signal)
      if (this.members().some(({ state, addresses }) => state !== 'unreachable' && addresses.includes(at))) return undefined
      const connection = await network.services.onboard.dial(multiaddr(at), this.#stopping.signal)
      const peer = connection.remotePeer
      if (this.#members?.isLinked(peer.toString()) !== true) network.release(connection)
      return peer.toMultihash().bytes
    } catch {
      return undefined
    }
  }

  #discovery(): Discovery {
    return new Discovery({
      network: this.#network!,
      members: () =>
        this.#table.active(this.#clock.now()).map(({ peerId, addresses }) => ({
          peer: peerIdFromString(peerId),
          addresses: addresses.map((address) => multiaddr(address)),
        })),
      bootstrap: this.#peers.map((address) => multiaddr(address)),
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
    })
  }

  /** Where a peer is connected from: all that is known of it until it publishes its own record. */
  #seenAt(peerId: Uint8Array): string[] {
    const { libp2p } = this.#network!
    const peer = libp2p.getPeers().find((known) => equals(known.toMultihash().bytes, peerId))
    return peer === undefined ? [] : libp2p.getConnections(peer).map((connection) => connection.remoteAddr.toString())
  }

  #openApp(app: App, membership: Membership, attester: Attester): Promise<UnixSocket> {
    return openApp(app, {
      membership,
      attester,
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
      witness: this.#anchor.witness,
      peerId: this.#network!.peerId,
      members: () => this.members().filter(({ state }) => state !== 'leaving').length,
      routes: this.#init.appRoutes,
      onAnswered: this.#metrics && ((answer) => this.#metrics?.answered({ app: app.name, ...answer })),
    })
  }

  async #openMetrics(): Promise<void> {
    const { NodeMetrics } = await import('./metrics/index.ts')
    const metrics = new NodeMetrics({
      source: {
        status: () => this.status(),
        remainingMs: () => this.#membership?.remainingMs(),
        collateral: () => this.#collateral,
      },
      events: this.events,
      clock: this.#clock,
      version: VERSION,
    })
    this.#metrics = metrics
    this.#cleanups.add(async () => metrics.stop())
  }

  /** For Prometheus; undefined where the node was made without metrics, or has not started. */
  async metrics(): Promise<Rendered | undefined> {
    return this.#metrics?.render()
  }

  /** Text multiaddrs at which this node listens, without `/p2p/`. */
  addresses(): string[] {
    return this.#network?.libp2p.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/[^/]+$/, '')) ?? []
  }

  members(): MemberStatus[] {
    const membership = this.#membership
    if (membership === undefined) return []
    const own = {
      peerId: this.#network!.peerId.toString(),
      credential: membership.credential,
      addresses: this.addresses(),
      state: 'self' as const,
    }
    return [own, ...(this.#members?.list() ?? [])].map(({ peerId, credential, addresses, state }) => ({
      peerId,
      state,
      addresses,
      tcbStatus: credential.judged.tcbStatus,
      ...describeCredential(credential),
    }))
  }

  status(): NodeStatus {
    const membership = this.#membership
    const standing = membership?.standing()
    return {
      state: this.#shownState(standing === 'lapsed'),
      cluster: this.#clusterId === undefined ? null : formatClusterId(this.#clusterId),
      peerId: this.#network?.peerId.toString() ?? null,
      addresses: this.addresses(),
      tee: this.#attester?.tee ?? null,
      witness: this.#anchor.witness,
      proof: this.#proof ?? null,
      genesis: describeGenesis(membership?.record.createdAt, this.#publicSince),
      anchorNotes: this.#watch.notes(),
      alarms: this.#alarms.list(),
      policy:
        membership === undefined
          ? null
          : {
              hash: hex(membership.policy.hash),
              insecure: insecurities(membership.policy.policy).length > 0,
              words: describePolicy(membership.policy.policy),
            },
      epochs: membership?.keys.epochs ?? [],
      credential: membership === undefined ? null : describeCredential(membership.credential),
      members: this.members(),
      apps: this.#apps.map(({ name, identity, place }) => ({ name, appId: hex(identity.appId), socket: place.path })),
      statusUrl: this.#statusPort?.url ?? null,
      pid: process.pid,
    }
  }

  #shownState(lapsed: boolean): NodeState {
    if (this.#state === 'starting' && this.#anchor.handover?.waiting() !== undefined) return 'anchoring'
    return this.#state === 'member' && lapsed ? 'lapsed' : this.#state
  }

  /**
   * Leaves the cluster: tells the others, then stops (not awaited: the answer has still to be sent).
   * Throws UsageError when no other member answers, for then the secret is lost, unless forced.
   */
  async leave(options: { force?: boolean; forget?: boolean } = {}): Promise<{ cluster: string }> {
    if (this.#members === undefined) {
      throw new UsageError('not_member', 'this node is no member yet', { next: 'stop it with Ctrl-C' })
    }
    if (options.force !== true && !this.members().some(({ state }) => state === 'active')) {
      throw new UsageError('last_member', 'no other member answers: when this one leaves, the secret is lost for good', {
        next: 'start another member first, or give --force',
      })
    }
    await this.#cleanups.briefly(this.#members.leave())
    if (options.forget === true) await forget(this.#init.dataDir)
    setImmediate(() => void this.stop())
    return { cluster: formatClusterId(this.#clusterId!) }
  }

  /** Resolves when this node has stopped, for whatever reason. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** Closes everything in reverse order and wipes the keys. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new TransientError('stopping', 'the node is stopping'))
    // A start under way ends first: it may be opening what has to be closed.
    if (this.#starting !== undefined) await this.#cleanups.briefly(this.#starting.catch(() => {}))
    // Before anything is closed: the others need not find out by themselves.
    if (this.#members !== undefined) await this.#cleanups.briefly(this.#members.leave().catch(() => {}))
    await this.#close()
    this.#log.info('node.stopped')
    this.#ended.resolve()
  }

  async #close(): Promise<void> {
    await this.#cleanups.run()
    this.#membership?.keys.wipe()
    this.#state = 'stopped'
  }
}

const peerIdOf = (peerKey: PrivateKey): Uint8Array => peerKey.publicKey.toMultihash().bytes

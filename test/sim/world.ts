/** One simulation: machines, processes that come and go, what goes wrong, and how it ends. All of it follows from the seed. */
import type { NodeEvent } from '../../src/node/events.ts'
import { Outsider, Villain } from './byzantine.ts'
import { drawFaults, type Fault } from './faults.ts'
import { Invariants, short, Violation } from './invariants.ts'
import { joinAny } from './join.ts'
import { type Machine, SimNetwork } from './network.ts'
import { type Cluster, SimNode } from './node.ts'
import { peerOf, type SimPeer } from './peers.ts'
import type { Services } from './td.ts'
import { SimRandom, Timeline } from './time.ts'

/** Peer 0 is the cluster's key. */
const FIRST_PEER = 1
export const PEERS = 64
/** Machines that may join later. */
const SPARE_MACHINES = 2
/** Everybody has joined by then, unless something is in the way. */
const JOINED_MS = 9_000
/** Between two looks at what must always hold. */
const LOOK_MS = 1_000
/** How long all must stay well once it is. */
const STAYS_MS = 5_000

export interface Shape {
  nodes: number
  lifetimeMs: number
  lapsedServeMs: number
  faults: number
  /** How long faults may begin for. */
  troubleMs: number
  /** Whether one member turns, and somebody has the secret. */
  byzantine: boolean
  /** How long the end of all faults may take to heal. */
  healMs: number
}

/** What a seed says of size and length. */
export const shapeOf = (random: SimRandom): Shape => {
  const nodes = random.pick([3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 6, 8])!
  const lifetimeMs = random.pick([60_000, 60_000, 60_000, 60_000, 90_000])!
  return {
    nodes,
    lifetimeMs,
    // Longer than any outage, and than some rounds of comparing tables after it.
    lapsedServeMs: 4 * lifetimeMs + 300_000,
    faults: random.integer(0, 3),
    troubleMs: random.between(5_000, 40_000),
    byzantine: random.chance(0.4),
    healMs: 4 * lifetimeMs + 300_000,
  }
}

export interface Outcome {
  seed: number
  /** Undefined: nothing that must hold was violated. */
  violation?: string
  simulatedMs: number
  /** From the end of the last fault until all was well. */
  healedMs: number
  checks: number
  /** Of everything that was told, with its time and by whom. */
  traceHash: string
  faults: string[]
  shape: Shape
}

export interface WorldOptions {
  /** In place of what the seed says. */
  shape?: Partial<Shape>
  faults?: readonly Fault[]
  log?: (line: string) => void
  judges?: boolean
}

export class World {
  readonly timeline = new Timeline()
  readonly random: SimRandom
  readonly network: SimNetwork
  readonly machines: Machine[] = []
  readonly services: Services
  readonly shape: Shape
  readonly invariants: Invariants
  readonly faults: Fault[] = []
  readonly outsiders = new Set<string>()
  readonly #nodes: SimNode[] = []
  readonly #over = new AbortController()
  readonly #cluster: Cluster
  readonly #wrong = new Map<Machine, number>()
  readonly #log: ((line: string) => void) | undefined
  readonly #given: readonly Fault[] | undefined
  #peers = FIRST_PEER
  #trace = 0x811c9dc5
  #trace2 = 0x1b873593

  constructor(seed: number, options: WorldOptions = {}) {
    this.random = new SimRandom(seed)
    this.shape = { ...shapeOf(this.random), ...options.shape }
    this.#log = options.log
    this.#given = options.faults
    const { timeline } = this
    const { lifetimeMs, lapsedServeMs } = this.shape
    this.network = new SimNetwork(timeline, this.random.fork())
    this.services = {
      timeline,
      quotes: true,
      collateral: true,
      judges: options.judges ?? true,
      collateralValidMs: 7 * 86_400_000,
    }
    this.invariants = new Invariants({
      timeline,
      network: this.network,
      lifetimeMs,
      nodes: () => this.#nodes,
      outsiders: this.outsiders,
    })
    this.#cluster = {
      key: peerOf(0),
      lifetimeMs,
      lapsedServeMs,
      services: this.services,
      timeline,
      network: this.network,
      random: this.random.fork(),
      quoteMs: this.random.between(100, 1_500),
      tell: (node, event) => this.#told(node, event),
      ...(options.log !== undefined && {
        said: (node: SimNode, line: string) => this.say(`  ${node.machine.index} ${short(node.text)}: ${line}`),
      }),
      issued: (credential) => this.invariants.issued(credential),
      over: this.#over.signal,
    }
  }

  get nodes(): readonly SimNode[] {
    return this.#nodes
  }
  nodeOn(machine: Machine): SimNode | undefined {
    return this.#nodes.findLast((node) => node.machine === machine && node.alive)
  }

  // What can be done to the world.

  /** A new machine, and a node on it that joins. */
  join(): void {
    if (this.machines.length >= this.shape.nodes + SPARE_MACHINES) return
    const machine: Machine = { index: this.machines.length, on: false }
    this.machines.push(machine)
    this.boot(machine)
  }

  /** A new process, and so a new peer. */
  boot(machine: Machine): void {
    if (this.nodeOn(machine) !== undefined || this.#peers >= PEERS - 8) return
    machine.on = true
    const node = this.#start(machine)
    this.say(`boots ${machine.index} as ${short(node.text)}`)
    this.#joins(node)
  }

  #joins(node: SimNode): void {
    void joinAny(node, () => this.#nodes.filter((other) => other.alive && !other.byzantine))
  }

  #start(machine: Machine): SimNode {
    const node = new SimNode(this.#cluster, peerOf(this.#peers++), machine)
    this.#nodes.push(node)
    this.invariants.watch(node)
    this.invariants.trouble(machine.index)
    return node
  }

  /** Without the last of the cluster's holders there is no cluster: that one is spared. */
  crash(machine: Machine, power: boolean): void {
    const node = this.nodeOn(machine)
    const holders = this.#nodes.filter(
      (other) => other.alive && !other.byzantine && other.members !== undefined && !other.leaving,
    )
    if (node === undefined || (holders.length < 2 && holders.includes(node))) return
    this.say(`${power ? 'cuts the power of' : 'kills'} ${machine.index} ${short(node.text)}`)
    if (power) machine.on = false
    node.alive = false
    this.network.gone(node)
  }

  leave(machine: Machine): void {
    const node = this.nodeOn(machine)
    const holders = this.#nodes.filter(
      (other) => other.alive && !other.byzantine && other.members !== undefined && !other.leaving,
    )
    if (node?.members === undefined || node.leaving || holders.length < 2) return
    this.say(`${machine.index} ${short(node.text)} leaves`)
    node.leaving = true
    void node.members.leave().then(() => {
      this.timeline.after(500, () => {
        node.alive = false
        this.network.gone(node)
      })
    })
  }

  setClock(machine: Machine, offsetMs: number): void {
    const node = this.nodeOn(machine)
    if (node === undefined || node.clock.offsetMs === offsetMs) return
    this.say(`sets the clock of ${machine.index} ${short(node.text)} to ${offsetMs} ms`)
    node.clock.offsetMs = offsetMs
    this.invariants.trouble(machine.index)
  }

  /** Runs in bursts, and stands still between them. */
  starve(machine: Machine, untilMs: number): void {
    const node = this.nodeOn(machine)
    this.inTrouble([machine], 1)
    if (node === undefined) return
    const next = (): void => {
      if (this.timeline.nowMs >= untilMs) return
      node.stalledUntilMs = this.timeline.nowMs + this.random.between(200, 4_000)
      this.timeline.at(node.stalledUntilMs + this.random.between(20, 200), next)
    }
    next()
  }

  /** Between two calls nobody is held to what it makes of those machines, nor they to what they make of others. */
  inTrouble(machines: readonly Machine[], by: 1 | -1): void {
    for (const machine of machines) {
      this.#wrong.set(machine, (this.#wrong.get(machine) ?? 0) + by)
      this.invariants.trouble(machine.index)
    }
  }

  // The course of a simulation.

  async run(): Promise<Omit<Outcome, 'seed'>> {
    // A node that fails in what nobody waits for fails here.
    const onRejection = (error: unknown): void => {
      this.invariants.violation ??= error instanceof Violation ? error : new Violation(`a node failed: ${(error as Error).stack}`)
    }
    process.on('unhandledRejection', onRejection)
    let violation: string | undefined
    let healedMs = 0
    try {
      healedMs = await this.#run()
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      violation = error.message
    } finally {
      // Signals that are made of others stay, with all that listens to them, until one of those aborts.
      this.#over.abort(new Error('the simulation is over'))
      await new Promise((resolve) => setImmediate(resolve))
      process.off('unhandledRejection', onRejection)
    }
    return {
      ...(violation !== undefined && { violation }),
      simulatedMs: this.timeline.nowMs,
      healedMs,
      checks: this.invariants.checks,
      traceHash: `${(this.#trace >>> 0).toString(16).padStart(8, '0')}${(this.#trace2 >>> 0).toString(16).padStart(8, '0')}`,
      faults: this.faults.map(({ name }) => name),
      shape: this.shape,
    }
  }

  async #run(): Promise<number> {
    const { shape, random, timeline } = this
    for (let index = 0; index < shape.nodes; index++) this.machines.push({ index, on: true })
    const first = this.#start(this.machines[0]!)
    void first.found()
    for (const machine of this.machines.slice(1)) {
      const node = this.#start(machine)
      timeline.after(random.between(500, 5_000), () => this.#joins(node), node)
    }
    this.#look()
    await this.until(JOINED_MS)
    const { lifetimeMs } = shape
    const draw = {
      random: this.random.fork(),
      fromMs: timeline.nowMs,
      untilMs: timeline.nowMs + shape.troubleMs,
      lifetimeMs,
      machines: [...this.machines],
    }
    if (shape.byzantine && shape.nodes > 3) this.#turn()
    this.faults.push(...(this.#given ?? drawFaults(shape.faults, draw)))
    for (const fault of this.faults) {
      timeline.at(fault.atMs, () => {
        this.say(`fault: ${fault.name}`)
        fault.begin(this)
      })
      if (fault.end === undefined) continue
      const { atMs, run } = fault.end
      timeline.at(atMs, () => {
        this.say(`ends: ${fault.name}`)
        run(this)
      })
    }
    const lastMs = Math.max(timeline.nowMs, ...this.faults.map(({ atMs, end }) => Math.max(atMs, end?.atMs ?? 0))) + 1
    await this.until(lastMs)
    return this.#heals(lastMs)
  }

  /** One of the members turns, and gives the secret to somebody outside. */
  #turn(): void {
    const node = this.#nodes.findLast(({ alive, members }) => alive && members !== undefined)
    if (node === undefined || node.machine.index === 0) return
    const honest = (): SimNode[] => this.#nodes.filter((other) => other.alive && !other.byzantine && other.members !== undefined)
    const machine: Machine = { index: 63, on: true }
    const peers: [SimPeer, SimPeer] = [peerOf(PEERS - 1), peerOf(PEERS - 2)]
    for (const { text } of peers) this.outsiders.add(text)
    node.byzantine = true
    this.say(`${node.machine.index} ${short(node.text)} turns`)
    const outsider = new Outsider(this.#cluster, peers, machine, () => node.membership!.credential, honest)
    const villain = new Villain(node, outsider, honest)
    const act = (): void => {
      const failed = (error: unknown): void => {
        this.invariants.violation ??=
          error instanceof Violation ? error : new Violation(`a villain failed: ${(error as Error).stack}`)
      }
      if (this.random.chance(0.7)) villain.act().catch(failed)
      else outsider.act().catch(failed)
      this.timeline.after(this.random.between(300, 3_000), act)
    }
    act()
    // Some lie about whom they reach; some are caught with software that nobody admits.
    node.lies = this.random.chance(0.5)
    if (this.random.chance(0.5)) {
      this.timeline.after(this.random.between(0, this.shape.troubleMs), () => {
        this.say(`${short(node.text)} is not what it was`)
        node.td.admitted = false
      })
    }
  }

  /** Nothing is wrong from now on: all must be well in time, and stay so. */
  async #heals(fromMs: number): Promise<number> {
    const { timeline, shape, invariants } = this
    let wellMs: number | undefined
    for (;;) {
      const unfinished = invariants.unfinished()
      if (unfinished === undefined) {
        wellMs ??= timeline.nowMs
        if (timeline.nowMs - wellMs >= STAYS_MS) return wellMs - fromMs
      } else {
        if (timeline.nowMs - fromMs > shape.healMs) throw new Violation(`not well again: ${unfinished}`)
        wellMs = undefined
      }
      await this.until(timeline.nowMs + LOOK_MS)
    }
  }

  async until(endMs: number): Promise<void> {
    const { timeline } = this
    while (timeline.step(endMs)) {
      if (timeline.stirred) await settled()
      if (this.invariants.violation !== undefined) throw this.invariants.violation
    }
  }

  #look(): void {
    for (const [machine, count] of this.#wrong) if (count > 0) this.invariants.trouble(machine.index)
    const { loss, late } = this.network.weather
    if (loss > 0 || late > 0) for (const { index } of this.machines) this.invariants.trouble(index)
    this.invariants.look()
    this.timeline.after(LOOK_MS, () => this.#look())
  }

  #told(node: SimNode, event: NodeEvent): void {
    this.invariants.told(node, event)
    const words = wordsOf(event)
    this.#record(`${node.text} ${words}`)
    if (this.#log !== undefined && event.kind !== 'gossip') this.say(`  ${node.machine.index} ${short(node.text)}: ${words}`)
  }

  /** For whoever looks at one seed. */
  say(line: string): void {
    this.#log?.(`${(this.timeline.nowMs / 1000).toFixed(3).padStart(9)} ${line}`)
  }

  #record(line: string): void {
    const all = `${this.timeline.nowMs} ${line}`
    for (let at = 0; at < all.length; at++) {
      const code = all.charCodeAt(at)
      this.#trace = Math.imul(this.#trace ^ code, 0x01000193)
      this.#trace2 = Math.imul(this.#trace2 ^ code, 0x5bd1e995)
    }
  }
}

/** All promises that can run have run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const wordsOf = (event: NodeEvent): string => {
  const peer = 'peerId' in event && event.peerId !== undefined ? short(event.peerId) : ''
  switch (event.kind) {
    case 'member':
      return `${event.change} ${peer}`
    case 'challenge':
      return `${event.side} ${peer} ${event.outcome}`
    case 'gossip':
      return `${event.message} ${event.verdict} ${event.fault}`
    case 'alarm':
      return `alarm ${event.alarm} ${peer} ${event.on ? 'on' : 'off'}`
    case 'renewed':
      return `renewed ${event.selfIssued ? 'by itself ' : ''}until ${event.expiresAt}`
    default:
      return event.kind
  }
}

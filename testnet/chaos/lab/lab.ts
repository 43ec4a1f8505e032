import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../../../src/index.ts'
import { Host } from './host.ts'
import { LabNode } from './node.ts'
import { run } from './shell.ts'
import { type Line, macOf, PERFECT } from './switch.ts'
import { folderOf, newLabId, removeDeadTraces, removeTraces } from './traces.ts'
import { CORE_ADDRESS, type LineChange, SWITCH_ADDRESS, type SwitchAnswer, type SwitchOrder, VXLAN_PORT } from './wire.ts'

const SWITCH_PROGRAM = fileURLToPath(new URL('./switch-main.ts', import.meta.url))
/** Every host's; it is alone in its namespace. */
export const LISTEN_PORT = 4001
/** The cable's, above the hosts' 1500 by more than VXLAN adds. */
const CABLE_MTU = '1700'
const HOSTS_MAX = 250

export interface StartOptions {
  /** Join through these; none: make the cluster. */
  readonly through?: readonly LabNode[]
  /** Addresses to join through besides. */
  readonly peers?: readonly string[]
  readonly flags?: readonly string[]
  /** Folder below the host's that it remembers its cluster in. */
  readonly dataDir?: string
}

/**
 * Hosts on one machine, each a network namespace, joined by a switch of ours that delays, loses, duplicates, reorders and cuts
 * as it is told. `using` or {@link close} removes everything; what a killed process left, the next lab removes.
 */
export class Lab implements AsyncDisposable {
  readonly hosts = new Map<string, Host>()
  /** The newest node of each host. */
  readonly nodes = new Map<string, LabNode>()
  readonly #switch: ChildProcess
  readonly #answers = new Map<number, { resolve(answer: SwitchAnswer): void; reject(error: Error): void }>()
  #orders = 0
  #cluster: string | undefined

  private constructor(
    readonly id: string,
    switchProcess: ChildProcess,
  ) {
    this.#switch = switchProcess
    switchProcess.on('message', (answer: SwitchAnswer) => {
      this.#answers.get(answer.id)?.resolve(answer)
      this.#answers.delete(answer.id)
    })
    switchProcess.on('exit', () => {
      for (const { reject } of this.#answers.values()) reject(new Error('the switch has ended'))
      this.#answers.clear()
    })
  }

  /** @throws UsageError where this machine or user cannot make a lab */
  static async open(names: readonly string[]): Promise<Lab> {
    checkMachine()
    if (
      names.length > HOSTS_MAX ||
      new Set(names).size !== names.length ||
      names.some((name) => !/^[a-z][a-z0-9]{0,14}$/.test(name))
    )
      throw new UsageError(
        'bad_hosts',
        `${names.join(', ')}: at most ${HOSTS_MAX} hosts with different names of small letters and digits`,
      )
    await removeDeadTraces()
    const id = await newLabId()
    await mkdir(folderOf(id), { mode: 0o700 })
    try {
      await layCable(id)
      const child = spawn('nsenter', [`--net=/run/netns/${id}-switch`, process.execPath, '--import', 'tsx', SWITCH_PROGRAM], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        // Ctrl-C ends us, and our end ends it.
        detached: true,
      })
      const lab = new Lab(id, child)
      await lab.#answer(0)
      for (const [index, name] of names.entries()) await lab.#addHost(name, index + 1)
      return lab
    } catch (error) {
      await removeTraces(id)
      throw error
    }
  }

  get folder(): string {
    return folderOf(this.id)
  }

  /** The cluster of the first node that became a member. */
  get cluster(): string | undefined {
    return this.#cluster
  }

  async #addHost(name: string, port: number): Promise<void> {
    const host = new Host(name, port, `${this.id}-${name}`, join(this.folder, name), `10.77.0.${port}`)
    const core = ['-n', `${this.id}-core`, 'link']
    const at = ['-n', host.namespace]
    await mkdir(host.folder)
    await run('ip', 'netns', 'add', host.namespace)
    // A tunnel's outer side stays where it was made: in the core, whose one way out is the cable to the switch.
    await run(
      ...([
        'ip',
        ...core,
        'add',
        `host${port}`,
        'address',
        macOf(port),
        'mtu',
        '1500',
        'type',
        'vxlan',
        'id',
        String(port),
      ] as const),
      ...['local', CORE_ADDRESS, 'remote', SWITCH_ADDRESS, 'dstport', String(VXLAN_PORT)],
    )
    await run('ip', ...core, 'set', `host${port}`, 'netns', host.namespace)
    await run('ip', ...at, 'link', 'set', `host${port}`, 'name', 'eth0')
    await run('ip', ...at, 'address', 'add', `${host.address}/16`, 'dev', 'eth0')
    await run('ip', ...at, 'link', 'set', 'eth0', 'up')
    await run('ip', ...at, 'link', 'set', 'lo', 'up')
    await this.#order({ plug: port })
    this.hosts.set(name, host)
  }

  host(name: string): Host {
    const host = this.hosts.get(name)
    if (host === undefined) throw new UsageError('no_host', `the lab has no host ${name}`)
    return host
  }

  node(name: string): LabNode {
    const node = this.nodes.get(name)
    if (node === undefined) throw new UsageError('no_node', `nothing was started on ${name}`)
    return node
  }

  /** Starts a node; wait for its `ready`. All are emulated, of one root, and anchored in one file. */
  async start(name: string, { through = [], peers = [], flags = [], dataDir = 'data' }: StartOptions = {}): Promise<LabNode> {
    const host = this.host(name)
    const entry = through.length + peers.length === 0 ? ['--new'] : ['--cluster', await this.#clusterOf(through)]
    const addresses = [...through.map((node) => listenAddress(node.host.address)), ...peers]
    const node = new LabNode(host, join(host.folder, dataDir), [
      ...[
        '--tee',
        'emulator',
        '--emulator-root',
        join(this.folder, 'root.json'),
        '--anchor',
        `file:${join(this.folder, 'anchor.jsonl')}`,
      ],
      ...['--listen', listenAddress(host.address), ...entry, ...addresses.flatMap((address) => ['--peer', address]), ...flags],
    ])
    this.nodes.set(name, node)
    return node
  }

  async #clusterOf(members: readonly LabNode[]): Promise<string> {
    this.#cluster ??= (await members[0]!.status()).cluster ?? undefined
    if (this.#cluster === undefined) throw new Error('there is no cluster to join yet')
    return this.#cluster
  }

  /** What the lines do from now on, in both directions between each host of `from` and each of `to` (default: everybody). */
  async shape(
    change: Partial<Line>,
    from: readonly string[] = this.#names(),
    to: readonly string[] = this.#names(),
  ): Promise<void> {
    await this.shapeOneWay(change, from, to)
    await this.shapeOneWay(change, to, from)
  }

  async shapeOneWay(change: Partial<Line>, from: readonly string[], to: readonly string[]): Promise<void> {
    const ports = (names: readonly string[]): number[] => names.map((name) => this.host(name).port)
    const lines: LineChange[] = ports(from).flatMap((one) =>
      ports(to)
        .filter((other) => other !== one)
        .map((other) => ({ from: one, to: other, line: change })),
    )
    await this.#order({ lines })
  }

  /** Cuts all lines between hosts of different groups. */
  async partition(groups: readonly (readonly string[])[]): Promise<void> {
    for (const [index, group] of groups.entries())
      for (const other of groups.slice(index + 1)) await this.shape({ down: true }, group, other)
  }

  /** All lines are up again; what else they do stays. */
  heal(): Promise<void> {
    return this.shape({ down: false })
  }

  /** All lines are perfect again. */
  restore(): Promise<void> {
    return this.shape(PERFECT)
  }

  /** Frames so far: passed, lost by chance or for want of room, and cut. */
  async counts(): Promise<SwitchAnswer['counts']> {
    return (await this.#order({})).counts
  }

  #names(): string[] {
    return [...this.hosts.keys()]
  }

  #order(order: Omit<SwitchOrder, 'id'>): Promise<SwitchAnswer> {
    const id = ++this.#orders
    const answer = this.#answer(id)
    this.#switch.send({ id, ...order })
    return answer
  }

  #answer(id: number): Promise<SwitchAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#switch.exitCode !== null || this.#switch.signalCode !== null) reject(new Error('the switch has ended'))
      else this.#answers.set(id, { resolve, reject })
    })
  }

  /** Ends every process and removes every trace. */
  async close(): Promise<void> {
    await removeTraces(this.id)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

const listenAddress = (address: string): string => `/ip4/${address}/tcp/${LISTEN_PORT}`

const checkMachine = (): void => {
  if (process.getuid?.() !== 0) {
    throw new UsageError('not_root', 'hosts are network namespaces, which only root makes', {
      next: 'run it as root, or in a container with --privileged',
    })
  }
  for (const program of ['ip', 'nsenter', 'prlimit', 'mount']) {
    if (!(process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, program)))) {
      throw new UsageError('no_program', `${program} is not installed`, { next: 'apt-get install iproute2 util-linux mount' })
    }
  }
}

/** The core, where all tunnels end, and the switch, joined by a cable. */
const layCable = async (id: string): Promise<void> => {
  const core = ['-n', `${id}-core`]
  const end = ['-n', `${id}-switch`]
  await run('ip', 'netns', 'add', `${id}-core`)
  await run('ip', 'netns', 'add', `${id}-switch`)
  await run('ip', ...core, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', `${id}-switch`)
  // A bridge, because it offloads nothing of what is inside a tunnel: the kernel cuts segments and sums them before the switch
  // sees them. Over the bare cable it would leave both to a card that is not there.
  await run('ip', ...core, 'link', 'add', 'bridge', 'type', 'bridge')
  await run('ip', ...core, 'link', 'set', 'cable', 'master', 'bridge')
  await run('ip', ...core, 'address', 'add', `${CORE_ADDRESS}/24`, 'dev', 'bridge')
  await run('ip', ...end, 'address', 'add', `${SWITCH_ADDRESS}/24`, 'dev', 'cable')
  for (const [at, device] of [
    [core, 'cable'],
    [core, 'bridge'],
    [end, 'cable'],
  ] as const)
    await run('ip', ...at, 'link', 'set', device, 'mtu', CABLE_MTU, 'up')
  try {
    await run(
      'ip',
      ...core,
      'link',
      'add',
      'trial',
      'type',
      'vxlan',
      'id',
      '1',
      'local',
      CORE_ADDRESS,
      'remote',
      SWITCH_ADDRESS,
      'dstport',
      String(VXLAN_PORT),
    )
  } catch (cause) {
    throw new UsageError('no_vxlan', 'this kernel makes no VXLAN tunnels', {
      next: 'modprobe vxlan, or use a kernel with CONFIG_VXLAN',
      cause,
    })
  }
  await run('ip', ...core, 'link', 'delete', 'trial')
}

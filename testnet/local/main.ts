/** The main job in one command: a mesh of three on this machine, with emulated quotes. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { RunningDevnet } from '../stellar/index.ts'
import { keyFingerprint } from './ask.ts'
import { MemberProcess, type Ready } from './member.ts'
import { Picture } from './picture.ts'

interface Options {
  nodes: number
  anchor: Anchor
  once?: boolean
  json?: boolean
}

/** Where the mesh makes its identity public: a file, or a ledger of its own in this process. */
const ANCHORS = ['file', 'devnet'] as const
type Anchor = (typeof ANCHORS)[number]

interface Mesh {
  cluster: string
  members: { name: string; peerId: string; address: string; socket: string; page: string | null; fingerprint: string }[]
}

/** Every member is asked for the key of this path. */
const KEY_PATH = 'demo'
const NODES_MAX = 50
const LEDGER_CLOSES_EVERY_MS = 1_000
/** Room for `/node-50/.123456` below the 107 bytes of a unix socket's path. */
const FOLDER_BYTES_MAX = 80

const nodeCount = (text: string): number => {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > NODES_MAX)
    throw new InvalidArgumentError(`a number from 1 to ${NODES_MAX}`)
  return count
}

const makeFolder = async (): Promise<string> => {
  const base = tmpdir()
  return mkdtemp(join(Buffer.byteLength(base) > FOLDER_BYTES_MAX - 20 ? '/tmp' : base, 'dstack-mesh-'))
}

/** One mesh: its folder, its processes, and how both go away. */
class LocalMesh {
  readonly #members: MemberProcess[] = []
  readonly #picture: Picture
  #devnet: RunningDevnet | undefined
  #stopped: Promise<void> | undefined

  constructor(
    readonly folder: string,
    out: NodeJS.WriteStream,
  ) {
    this.#picture = new Picture(out)
  }

  get members(): readonly MemberProcess[] {
    return this.#members
  }

  /** Starts the ledger. Without it the mesh is anchored in a file. */
  async openDevnet(): Promise<void> {
    // Lazily: the ledger's libraries take a third of a second to load.
    const { startDevnet } = await import('../stellar/index.ts')
    this.#devnet = await startDevnet({ port: 0, closeEveryMs: LEDGER_CLOSES_EVERY_MS })
  }

  /** Flags that every member of this mesh shares. */
  commonFlags(): string[] {
    const { url } = this.#devnet ?? {}
    return [
      ...['--tee', 'emulator', '--emulator-root', join(this.folder, 'root.json')],
      ...(url === undefined
        ? ['--anchor', `file:${join(this.folder, 'anchor.jsonl')}`]
        : ['--anchor', 'devnet', '--horizon', url, '--stellar-rpc', `${url}/rpc`]),
    ]
  }

  /** What the first member is told besides. */
  newFlags(): string[] {
    return this.#devnet === undefined ? ['--new'] : ['--new', '--friendbot']
  }

  async start(name: string, flags: readonly string[]): Promise<MemberProcess> {
    const dataDir = join(this.folder, name)
    await mkdir(dataDir)
    if (this.#stopped !== undefined) throw new Error('the mesh is stopping')
    const own = ['--socket', join(dataDir, 'dstack.sock'), '--listen', '/ip4/127.0.0.1/tcp/0']
    const member = new MemberProcess(name, dataDir, [...this.commonFlags(), ...own, ...flags], (line) =>
      this.#picture.log(name, line),
    )
    this.#members.push(member)
    this.#picture.add(name, member.startedAt)
    return member
  }

  /** Ends every process, then removes the folder. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopped ??= (async () => {
      await Promise.all(this.#members.map((member) => member.stop()))
      await this.#devnet?.stop()
      await rm(this.folder, { recursive: true, force: true })
    })()
    return this.#stopped
  }
}

const startAll = async (mesh: LocalMesh, nodes: number): Promise<Mesh> => {
  const first = await mesh.start('node-1', mesh.newFlags())
  const genesis = await first.ready
  const joiners: MemberProcess[] = []
  for (let i = 2; i <= nodes; i++) {
    joiners.push(await mesh.start(`node-${i}`, ['--cluster', genesis.cluster, '--peer', genesis.addresses[0]!]))
  }
  const ready: [MemberProcess, Ready][] = [
    [first, genesis],
    ...(await Promise.all(joiners.map(async (member): Promise<[MemberProcess, Ready]> => [member, await member.ready]))),
  ]
  const members = await Promise.all(
    ready.map(async ([{ name }, { peerId, addresses, apps, statusUrl }]) => {
      const socket = apps[0]!.socket
      return {
        name,
        peerId,
        address: addresses[0]!,
        socket,
        page: statusUrl,
        fingerprint: await keyFingerprint(socket, KEY_PATH),
      }
    }),
  )
  return { cluster: genesis.cluster, members }
}

/** One word for a shell, whatever a folder is called. */
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

const bold = (text: string): string => styleText('bold', text, { stream: process.stdout, validateStream: true })

const print = (mesh: Mesh): void => {
  const rows = [
    ['member', 'peer id', 'address', 'socket', `key of "${KEY_PATH}"`],
    ...mesh.members.map(({ name, peerId, address, socket, fingerprint }) => [name, peerId, address, socket, fingerprint]),
  ]
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  const lines = rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  )
  process.stdout.write(`
cluster ${bold(mesh.cluster)}
${bold(lines[0]!)}
${lines.slice(1).join('\n')}

One secret, made inside node-1, handed to each joiner after its quote was judged; the keys are the same on every member.
Quotes here are emulated: they show every step and protect nothing.
`)
}

const printWhatToTry = (mesh: Mesh, local: LocalMesh): void => {
  const [first, second] = mesh.members
  const [one] = local.members
  const dataDir = join(local.folder, (second ?? first)!.name)
  const fourth = join(local.folder, 'node-x')
  process.stdout.write(`
${bold('Try')}
  curl --unix-socket ${quoted(first!.socket)} -H 'content-type: application/json' -d '{"path":"${KEY_PATH}"}' http://localhost/GetKey
  npx dstack-mesh members --watch --data-dir ${quoted(dataDir)}    # who is in; or in a browser: ${second?.page ?? first!.page}
  kill ${one!.pid}    # node-1 is gone; the others serve on, and a new one joins through any of them:
  npx dstack-mesh up --cluster ${mesh.cluster} --peer ${(second ?? first)!.address} \\
    ${local.commonFlags().map(quoted).join(' ')} \\
    --listen /ip4/127.0.0.1/tcp/0 --data-dir ${quoted(fourth)} --socket ${quoted(join(fourth, 'dstack.sock'))}
`)
}

const run = async (options: Options): Promise<void> => {
  // With --json standard output holds one object and nothing else.
  const progress = options.json ? process.stderr : process.stdout
  const local = new LocalMesh(await makeFolder(), progress)
  const interrupted = new Promise<number>((resolve) => {
    process.on('SIGINT', () => resolve(130))
    process.on('SIGTERM', () => resolve(143))
    process.on('SIGHUP', () => resolve(129))
  })
  try {
    if (options.anchor === 'devnet') await local.openDevnet()
    const started = startAll(local, options.nodes)
    // Interrupted while starting: the members end, and what waited for them with them.
    started.catch(() => {})
    const mesh = await Promise.race([started, interrupted])
    if (typeof mesh === 'number') {
      process.exitCode = mesh
      return
    }
    if (options.json) process.stdout.write(`${JSON.stringify(mesh)}\n`)
    else print(mesh)
    if (new Set(mesh.members.map(({ fingerprint }) => fingerprint)).size !== 1) throw new Error('the members gave different keys')
    if (options.once) return
    if (!options.json) {
      printWhatToTry(mesh, local)
      process.stdout.write('\nRunning until Ctrl-C.\n')
    }
    for (const member of local.members) {
      member.ended.then((how) => progress.write(`${member.name} ended (${how})\n`))
    }
    await interrupted
  } finally {
    await local.stop()
  }
}

const main = async (): Promise<void> => {
  const command = new Command('npm start --')
    .description('A mesh on this machine, one process for each member, with emulated quotes.')
    .option('--nodes <n>', 'how many members', nodeCount, 3)
    .addOption(
      new Option('--anchor <kind>', 'a file, or a devnet: a Stellar ledger of one process').choices(ANCHORS).default('file'),
    )
    .option('--once', 'stop when the mesh is ready')
    .option('--json', 'print one object { cluster, members } when the mesh is ready')
    .addHelpText(
      'after',
      '\nExamples:\n  npm start\n  npm start -- --nodes 5\n  npm start -- --anchor devnet\n  npm start -- --once --json',
    )
    .parse()
  try {
    await run(command.opts<Options>())
  } catch (error) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`)
    process.exitCode = 1
  }
}

await main()

import { isIP } from 'node:net'
import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { MEMBER_ADDRESSES_MAX } from '../../protocols/records/constants.ts'
import { parseClusterId } from '../../protocols/wire/cluster-id.ts'
import { messageOf, readBounded, UsageError } from '../base/index.ts'
import { isOverTcp } from './addresses.ts'

/** One setting: the same in the configuration file (`key`), the environment and on the command line. */
export interface Setting {
  readonly key: keyof Settings
  readonly kind: 'text' | 'list' | 'switch' | 'apps'
  /** Command line flag; absent for what only a file can say. */
  readonly flag?: string
  readonly value?: string
  readonly about: string
  /** As shown in help. */
  readonly standard?: string
}

/** What a node is told; before defaults. */
export interface Settings {
  new?: boolean
  cluster?: string
  clusterFile?: string
  peers?: string[]
  listen?: string[]
  announce?: string[]
  public?: boolean
  policy?: string
  dataDir?: string
  anchor?: string
  horizon?: string[]
  stellarRpc?: string[]
  stellarArchive?: string[]
  stellarPassphrase?: string
  funder?: string
  funderSecretFile?: string
  friendbot?: boolean
  boot?: string[]
  homeDomain?: string
  anchorContract?: string
  checkpoints?: string[]
  validators?: string[]
  anchorOptional?: boolean
  tee?: string
  emulatorRoot?: string
  pccs?: string[]
  socket?: string
  compose?: string
  apps?: AppSetting[]
  joinTimeout?: string
  statusListen?: string
  statusNames?: string[]
  logLevel?: string
  logFormat?: string
}

export interface AppSetting {
  name: string
  compose?: string
  socket: string
  /** Octal, such as "0660". */
  mode?: string
  owner?: number
  group?: number
  /** 40 hex digits; only where the cluster's policy lists it for this compose file. */
  appId?: string
}

/** The one table of settings; `--help`, the environment and the file's schema are made from it. */
export const SETTINGS: readonly Setting[] = [
  { key: 'new', kind: 'switch', flag: '--new', about: 'make a new cluster; this node is its first member' },
  { key: 'cluster', kind: 'text', flag: '--cluster', value: 'G…', about: 'join this cluster' },
  {
    key: 'clusterFile',
    kind: 'text',
    flag: '--cluster-file',
    value: 'file',
    about: 'join the cluster whose id is in this file, and wait for the file; with --new: make it, unless it is there',
  },
  { key: 'peers', kind: 'list', flag: '--peer', value: 'multiaddr', about: 'a member to join through; may be repeated' },
  {
    key: 'listen',
    kind: 'list',
    flag: '--listen',
    value: 'multiaddr',
    about: 'where other members reach this one; may be repeated',
    standard: '/ip4/0.0.0.0/tcp/4001',
  },
  {
    key: 'announce',
    kind: 'list',
    flag: '--announce',
    value: 'multiaddr',
    about: 'tell members this address instead of the listened ones (behind NAT, in a container); may be repeated',
  },
  { key: 'public', kind: 'switch', flag: '--public', about: "this node's addresses may be told to strangers that want to join" },
  {
    key: 'policy',
    kind: 'text',
    flag: '--policy',
    value: 'file',
    about: "with --new: the cluster's policy (default: admit exactly this TD's measurements); otherwise: insist on this one",
  },
  { key: 'dataDir', kind: 'text', flag: '--data-dir', value: 'folder', about: 'where the node remembers its cluster' },
  {
    key: 'anchor',
    kind: 'text',
    flag: '--anchor',
    value: 'devnet|testnet|pubnet|stellar|file:path|none',
    about: 'where the cluster identity is made public',
    standard: 'file:<data-dir>/anchor.jsonl',
  },
  {
    key: 'horizon',
    kind: 'list',
    flag: '--horizon',
    value: 'url',
    about: "a server of the ledger in place of the network's; may be repeated, and all must agree",
  },
  {
    key: 'stellarRpc',
    kind: 'list',
    flag: '--stellar-rpc',
    value: 'url',
    about: 'a Stellar RPC server, for proofs; may be repeated',
  },
  {
    key: 'stellarArchive',
    kind: 'list',
    flag: '--stellar-archive',
    value: 'url',
    about: 'a history archive, for proofs of ledgers that Stellar RPC has forgotten; may be repeated',
  },
  {
    key: 'stellarPassphrase',
    kind: 'text',
    flag: '--stellar-passphrase',
    value: 'text',
    about: 'with --anchor stellar: which network',
  },
  {
    key: 'funderSecretFile',
    kind: 'text',
    flag: '--funder-secret-file',
    value: 'file',
    about: 'with --new on a ledger: secret key (S…) of the account that pays',
  },
  {
    key: 'funder',
    kind: 'text',
    flag: '--funder',
    value: 'G…',
    about: 'with --new on a ledger: the account that pays, whose key is on another machine (dstack-mesh anchor prepare)',
  },
  { key: 'friendbot', kind: 'switch', flag: '--friendbot', about: 'with --new on devnet or testnet: a throw-away account pays' },
  {
    key: 'boot',
    kind: 'list',
    flag: '--boot',
    value: 'multiaddr',
    about: 'with --new on a ledger: publish this address, for good, so that joiners need no --peer; up to four',
  },
  {
    key: 'homeDomain',
    kind: 'text',
    flag: '--home-domain',
    value: 'name',
    about: 'with --new on a ledger: publish this domain, for good',
  },
  {
    key: 'anchorContract',
    kind: 'text',
    flag: '--anchor-contract',
    value: 'C…',
    about: 'with --new on a ledger: publish to this simple-cluster contract of rs-modular-dstack too, a weaker witness',
  },
  {
    key: 'checkpoints',
    kind: 'list',
    flag: '--checkpoint',
    value: 'SEQ:HASH',
    about: 'a ledger of the network that you trust: proofs that reach it hold; may be repeated',
  },
  {
    key: 'validators',
    kind: 'list',
    flag: '--validator',
    value: 'G…',
    about: 'a validator that you trust: proofs that it signed hold; may be repeated',
  },
  {
    key: 'anchorOptional',
    kind: 'switch',
    flag: '--anchor-optional',
    about: 'join on the strength of the cluster id alone where no server of the ledger answers',
  },
  { key: 'tee', kind: 'text', flag: '--tee', value: 'auto|tdx|emulator', about: 'what makes quotes', standard: 'auto' },
  {
    key: 'emulatorRoot',
    kind: 'text',
    flag: '--emulator-root',
    value: 'file',
    about: 'root of the emulated platform; made if missing',
  },
  { key: 'pccs', kind: 'list', flag: '--pccs', value: 'url', about: 'collateral service (PCS v4); may be repeated' },
  {
    key: 'socket',
    kind: 'text',
    flag: '--socket',
    value: 'path',
    about: "the app's socket; %H is this machine's name",
    standard: '/var/run/dstack.sock',
  },
  { key: 'compose', kind: 'text', flag: '--compose', value: 'file', about: "the app's compose file; its hash is the app's id" },
  {
    key: 'apps',
    kind: 'apps',
    about: 'several apps, each with a socket of its own: [{ name, compose, socket, mode, owner, group }]',
  },
  {
    key: 'joinTimeout',
    kind: 'text',
    flag: '--join-timeout',
    value: 'time',
    about: 'give up joining after this',
    standard: '2m',
  },
  {
    key: 'statusListen',
    kind: 'text',
    flag: '--status-listen',
    value: 'ip:port|none',
    about: 'where the status page is',
    standard: '127.0.0.1:8091, or any free port',
  },
  {
    key: 'statusNames',
    kind: 'list',
    flag: '--status-name',
    value: 'name',
    about: 'a host name under which the status page is asked for; may be repeated',
  },
  {
    key: 'logLevel',
    kind: 'text',
    flag: '--log-level',
    value: 'debug|info|warn|error|silent',
    about: 'how much to say',
    standard: 'info',
  },
  {
    key: 'logFormat',
    kind: 'text',
    flag: '--log-format',
    value: 'json|pretty|auto',
    about: 'a JSON object a line, or for eyes; auto: for eyes on a terminal',
    standard: 'auto',
  },
]

const ENV_PREFIX = 'DSTACK_MESH_'
/** `dataDir` → `DSTACK_MESH_DATA_DIR`. */
export const environmentName = (key: string): string => ENV_PREFIX + key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()

const FILE_LIMIT_BYTES = 256 * 1024
const APP_KEYS = ['name', 'compose', 'socket', 'mode', 'owner', 'group', 'appId']

const wrong = (message: string, next = 'see dstack-mesh up --help'): UsageError =>
  new UsageError('bad_configuration', message, { next })

/** Flags win over the environment, that over the file. */
export const readSettings = async (
  flags: Settings & { config?: string },
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Settings> => {
  const { config = environment[`${ENV_PREFIX}CONFIG`], ...own } = flags
  const fromFile = config === undefined ? {} : parseSettings(await readConfigFile(config), config)
  const settings = { ...fromFile, ...fromEnvironment(environment), ...own }
  check(settings)
  return settings
}

const readConfigFile = async (path: string): Promise<unknown> => {
  let text: string
  try {
    text = (await readBounded(path, FILE_LIMIT_BYTES)).toString('utf8')
  } catch (cause) {
    throw new UsageError('config_unreadable', `cannot read the configuration file: ${messageOf(cause)}`, {
      next: 'check --config',
      cause,
    })
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw wrong(`${path} is not JSON: ${messageOf(cause)}`)
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isTextList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((entry) => typeof entry === 'string')

/** A configuration file's content, checked key by key. */
export const parseSettings = (document: unknown, where: string): Settings => {
  if (!isObject(document)) throw wrong(`${where}: expected a JSON object`)
  for (const [key, value] of Object.entries(document)) {
    const setting = SETTINGS.find((known) => known.key === key)
    if (setting === undefined) {
      throw wrong(`${where}: unknown key ${JSON.stringify(key)}`, `known keys: ${SETTINGS.map((known) => known.key).join(', ')}`)
    }
    const problem = {
      text: typeof value === 'string' ? undefined : 'a text',
      list: isTextList(value) ? undefined : 'a list of texts',
      switch: typeof value === 'boolean' ? undefined : 'true or false',
      apps: Array.isArray(value) ? undefined : 'a list of apps',
    }[setting.kind]
    if (problem !== undefined) throw wrong(`${where}: ${key} must be ${problem}`)
    if (setting.kind === 'apps')
      for (const [index, app] of (value as unknown[]).entries()) checkApp(app, `${where}: apps[${index}]`)
  }
  return document as Settings
}

const checkApp = (app: unknown, where: string): void => {
  if (!isObject(app)) throw wrong(`${where}: expected an object`)
  for (const [key, value] of Object.entries(app)) {
    if (!APP_KEYS.includes(key)) throw wrong(`${where}: unknown key ${JSON.stringify(key)}`, `known keys: ${APP_KEYS.join(', ')}`)
    const isId = key === 'owner' || key === 'group'
    if (isId ? !Number.isInteger(value) || (value as number) < 0 : typeof value !== 'string') {
      throw wrong(`${where}: ${key} must be ${isId ? 'a numeric id' : 'a text'}`)
    }
  }
  if (typeof app.name !== 'string' || !/^[a-z0-9][a-z0-9._-]{0,62}$/.test(app.name)) {
    throw wrong(`${where}: name must be 1 to 63 of a-z, 0-9, dot, dash, underscore`)
  }
  if (typeof app.socket !== 'string') throw wrong(`${where}: socket is missing`)
  if (app.mode !== undefined && !/^0?[0-7]{3}$/.test(app.mode as string))
    throw wrong(`${where}: mode must be octal, such as "0660"`)
  if (app.appId !== undefined && !/^[0-9a-f]{40}$/.test(app.appId as string)) throw wrong(`${where}: appId must be 40 hex digits`)
}

const fromEnvironment = (environment: Readonly<Record<string, string | undefined>>): Settings => {
  const settings: Record<string, unknown> = {}
  for (const { key, kind } of SETTINGS) {
    const value = environment[environmentName(key)]
    if (value === undefined || value === '' || kind === 'apps') continue
    if (kind === 'switch') {
      if (value !== 'true' && value !== 'false') throw wrong(`${environmentName(key)} must be true or false`)
      settings[key] = value === 'true'
    } else settings[key] = kind === 'list' ? value.split(',').map((part) => part.trim()) : value
  }
  return settings
}

const check = (settings: Settings): void => {
  for (const key of ['listen', 'peers'] as const) {
    for (const address of settings[key] ?? []) {
      try {
        multiaddr(address)
      } catch (cause) {
        throw wrong(
          `${key}: ${JSON.stringify(address)} is not a multiaddr (${messageOf(cause)})`,
          'write it like /ip4/192.0.2.1/tcp/4001',
        )
      }
    }
  }
  for (const address of settings.announce ?? []) {
    if (!isOverTcp(address))
      throw wrong(
        `announce: ${JSON.stringify(address)} is not an IP address or name with a TCP port`,
        'write it like /dns4/mesh.example/tcp/4001',
      )
  }
  if ((settings.announce?.length ?? 0) > MEMBER_ADDRESSES_MAX)
    throw wrong(`announce: more than ${MEMBER_ADDRESSES_MAX} addresses`)
  if (settings.cluster !== undefined && parseClusterId(settings.cluster) === undefined) {
    throw wrong(
      `${JSON.stringify(settings.cluster)} is not a cluster id`,
      'a cluster id is G followed by 55 letters and digits; check for a typing error',
    )
  }
  if (settings.new === true && settings.cluster !== undefined) {
    throw wrong('--new makes a cluster and --cluster joins one: give one of them')
  }
  if (settings.clusterFile !== undefined && settings.cluster !== undefined) {
    throw wrong('--cluster-file and --cluster both name the cluster: give one of them')
  }
  if (settings.apps !== undefined && (settings.socket !== undefined || settings.compose !== undefined)) {
    throw wrong('apps lists the apps: socket and compose are for a single app')
  }
}

/** `192.0.2.1:8091`, `[2001:db8::1]:8091`. */
export const parseIpAndPort = (text: string, name: string): { host: string; port: number } => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/i.exec(text)
  const host = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3])
  if (isIP(host) !== (match?.[1] === undefined ? 4 : 6) || port > 65_535) {
    throw wrong(`${name}: ${JSON.stringify(text)} is not an IP address and port`, 'write it like 127.0.0.1:8091 or [::1]:8091')
  }
  return { host, port }
}

/** `90s`, `2m`, `1h` in milliseconds. */
export const parseDuration = (text: string, name: string): number => {
  const match = /^([1-9]\d{0,5})(ms|s|m|h)$/.exec(text)
  if (match === null) throw wrong(`${name}: ${JSON.stringify(text)} is not a time`, 'write it like 30s, 2m or 1h')
  return Number(match[1]) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as 'ms' | 's' | 'm' | 'h']
}

/** Where a node of this user remembers its cluster when nothing else is said. */
export const standardDataDir = (environment: Readonly<Record<string, string | undefined>>): string =>
  userInfo().uid === 0
    ? '/var/lib/dstack-mesh'
    : join(environment.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'dstack-mesh')

/** The control socket of the node that uses `dataDir`. */
export const controlSocketPath = (dataDir: string): string => join(dataDir, 'control.sock')

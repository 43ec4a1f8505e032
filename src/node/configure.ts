import { hostname } from 'node:os'
import { type Policy, parsePolicy } from '../attest/index.ts'
import { createLog, type Log, messageOf, readBounded, UsageError } from '../base/index.ts'
import { anchorOf } from './anchors.ts'
import type { AppConfig } from './apps.ts'
import type { Entry, NodeInit } from './init.ts'
import { parseDuration, parseIpAndPort, type Settings, standardDataDir } from './settings.ts'
import type { StatusPortInit } from './status-port.ts'
import { TEES, type Tee } from './tee.ts'

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
const LOG_FORMATS = ['json', 'pretty', 'auto'] as const
/** More than a policy may have, so that it is the policy's reader who says so. */
const POLICY_FILE_LIMIT_BYTES = 1024 * 1024
const STANDARD_SOCKET = '/var/run/dstack.sock'
const STANDARD_APP = 'app'
const STANDARD_STATUS_PLACE = { host: '127.0.0.1', port: 8091, otherwiseAny: true }

const choice = <T extends string>(name: string, value: string, choices: readonly T[]): T => {
  const found = choices.find((known) => known === value)
  if (found !== undefined) return found
  throw new UsageError('bad_configuration', `${name}: ${JSON.stringify(value)} is none of ${choices.join(', ')}`, {
    next: 'see dstack-mesh up --help',
  })
}

const logOf = ({ logLevel = 'info', logFormat = 'auto' }: Settings): Log =>
  createLog(choice('logLevel', logLevel, LOG_LEVELS), choice('logFormat', logFormat, LOG_FORMATS))

/** What a node is made of, from what it was told. Reads the policy; everything else is opened when the node starts. */
export const configure = async (
  settings: Settings,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<NodeInit> => {
  const dataDir = settings.dataDir ?? standardDataDir(environment)
  return {
    entry: await entryOf(settings),
    dataDir,
    log: logOf(settings),
    apps: appsOf(settings),
    anchor: anchorOf(settings, dataDir),
    tee: teeOf(settings),
    ...(settings.clusterFile !== undefined && { clusterFile: settings.clusterFile }),
    ...(settings.listen !== undefined && { listen: settings.listen }),
    ...statusPortOf(settings),
    ...(settings.announce !== undefined && { announce: settings.announce }),
    ...(settings.public !== undefined && { public: settings.public }),
  }
}

const entryOf = async (settings: Settings): Promise<Entry> => {
  const policy = settings.policy === undefined ? {} : { policy: await readPolicy(settings.policy) }
  const { cluster, clusterFile, peers } = settings
  if (settings.new === true) return { kind: 'new', ...policy, ...(clusterFile !== undefined && { peers: peers ?? [] }) }
  if (cluster === undefined && clusterFile === undefined && peers === undefined) {
    throw new UsageError('no_entry', 'make a new cluster, or join one?', {
      next: [
        'one of',
        '  dstack-mesh up --new                                       make a cluster; this node is its first member',
        '  dstack-mesh up --cluster G… --peer /ip4/…/tcp/…            join one through any of its members',
      ].join('\n'),
    })
  }
  return {
    kind: 'join',
    ...(cluster !== undefined && { cluster }),
    peers: peers ?? [],
    ...policy,
    ...(settings.joinTimeout !== undefined && { timeoutMs: parseDuration(settings.joinTimeout, 'joinTimeout') }),
  }
}

const readPolicy = async (path: string): Promise<Policy> => {
  let text: string
  try {
    text = (await readBounded(path, POLICY_FILE_LIMIT_BYTES)).toString('utf8')
  } catch (cause) {
    throw new UsageError('policy_unreadable', `cannot read the policy: ${messageOf(cause)}`, { next: 'check --policy', cause })
  }
  return parsePolicy(text)
}

/** `%H` as in systemd's units: one configuration for machines, or containers, that share a folder. */
const named = (path: string): string => path.replaceAll('%H', hostname())

const appsOf = (settings: Settings): AppConfig[] => {
  if (settings.apps === undefined) {
    const socket = { path: named(settings.socket ?? STANDARD_SOCKET) }
    return [{ name: STANDARD_APP, socket, ...(settings.compose !== undefined && { compose: settings.compose }) }]
  }
  return settings.apps.map(({ name, socket, compose, mode, owner, group, appId }) => ({
    name,
    socket: {
      path: named(socket),
      ...(mode !== undefined && { mode: Number.parseInt(mode, 8) }),
      ...(owner !== undefined && { owner }),
      ...(group !== undefined && { group }),
    },
    ...(compose !== undefined && { compose }),
    ...(appId !== undefined && { appId: Uint8Array.from(Buffer.from(appId, 'hex')) }),
  }))
}

/** On this machine only, unless told otherwise; a second node here takes another port. */
const statusPortOf = ({ statusListen, statusNames }: Settings): { statusPort?: StatusPortInit } => {
  const names = statusNames === undefined ? {} : { names: statusNames }
  if (statusListen === 'none') return {}
  if (statusListen === undefined) return { statusPort: { ...STANDARD_STATUS_PLACE, ...names } }
  return { statusPort: { ...parseIpAndPort(statusListen, 'statusListen'), ...names } }
}

const teeOf = (settings: Settings): { kind: Tee; emulatorRoot?: string; pccs?: readonly string[] } => ({
  kind: choice('tee', settings.tee ?? 'auto', TEES),
  ...(settings.emulatorRoot !== undefined && { emulatorRoot: settings.emulatorRoot }),
  ...(settings.pccs !== undefined && { pccs: settings.pccs }),
})

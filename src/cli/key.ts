import { createHash } from 'node:crypto'
import { Command, Option } from 'commander'
import { UsageError } from '../base/index.ts'
import { askNode, askNodeForBytes } from './control-client.ts'
import { type CommonOptions, printJson, printLine } from './output.ts'
import { controlSocketOf, dataDirOption } from './running-node.ts'
import { checkSecretOutput, STDOUT, writeSecret } from './secret-output.ts'
import { descriptor } from './values.ts'

interface KeyAnswer {
  app: string
  appId: string
  path: string
  key: string
}

interface KeyOptions extends CommonOptions {
  dataDir?: string
  app?: string
  fingerprint?: boolean
}

interface VolumeOptions extends KeyOptions {
  raw?: boolean
  fd?: number
}

/** First 16 hex digits of the key's SHA-256: enough to compare by eye, nothing to attack. */
const fingerprintOf = (key: string): string => createHash('sha256').update(Buffer.from(key, 'hex')).digest('hex').slice(0, 16)

const showKey = async (path: string, options: KeyOptions): Promise<void> => {
  const answer = (await askNode(controlSocketOf(options), 'POST', '/key', { path, app: options.app })) as KeyAnswer
  const { key, ...about } = answer
  const fingerprint = fingerprintOf(key)
  if (options.json) printJson(options.fingerprint ? { ...about, fingerprint } : { ...answer, fingerprint })
  else printLine(options.fingerprint ? fingerprint : key)
}

const VOLUME_KEY_BYTES = 32

const writeVolumeKey = async (app: string, volume: string, options: VolumeOptions): Promise<void> => {
  const { raw, fd } = options
  if (raw === undefined && fd === undefined) {
    throw new UsageError('missing_option', 'a volume key is given as 32 raw bytes, never as text', {
      next: 'give --raw and pipe it on, as in: dstack-mesh key volume app data --raw | cryptsetup open /dev/vdb data --key-file=-',
    })
  }
  const output = fd ?? STDOUT
  checkSecretOutput(output)
  const key = await askNodeForBytes(controlSocketOf(options), '/volume-key', { volume, app }, VOLUME_KEY_BYTES)
  try {
    writeSecret(output, key)
  } finally {
    key.fill(0)
  }
  if (options.json) printJson({ app, volume, bytes: VOLUME_KEY_BYTES })
}

const volumeCommand = (): Command =>
  new Command('volume')
    .description("The key of an app's encrypted volume (LUKS): the same 32 bytes on every member of the cluster.")
    .argument('[app]', "the app's name on this node, see `dstack-mesh status`")
    .argument('[name]', 'of the volume: what the key is derived from')
    .addOption(dataDirOption())
    .addOption(new Option('--raw', 'to standard output, which must be a pipe or a file').conflicts('fd'))
    .addOption(new Option('--fd <n>', 'to this open file descriptor').argParser(descriptor))
    // For the key at the path `volume`, which reads like this command.
    .addOption(new Option('--app <name>').hideHelp())
    .addOption(new Option('--fingerprint').hideHelp())
    .addHelpText(
      'after',
      `
Nothing but the key's 32 bytes is written: no line end. It is read from the control socket; no app can ask for it.

Examples:
  npx dstack-mesh key volume app data --raw | cryptsetup luksFormat /dev/vdb --key-file=-
  npx dstack-mesh key volume app data --raw | cryptsetup open /dev/vdb data --key-file=-
  npx dstack-mesh key volume app data --fd 3 3> >(cryptsetup open /dev/vdb data --key-file=-)`,
    )
    .action((app: string | undefined, name: string | undefined, _own: unknown, command: Command) => {
      const options: VolumeOptions = command.optsWithGlobals()
      // JSON beside the key, or an error's instead of it, would become the key of a volume.
      if (options.raw && options.json) command.error("error: option '--raw' cannot be used with option '--json'")
      if (app === undefined && options.raw === undefined && options.fd === undefined) return showKey('volume', options)
      if (app === undefined || name === undefined) {
        throw new UsageError('missing_argument', `no ${app === undefined ? 'app' : 'name of a volume'}`, {
          next: 'write it like: dstack-mesh key volume <app> <name> --raw',
        })
      }
      return writeVolumeKey(app, name, options)
    })

export const keyCommand = (): Command =>
  new Command('key')
    .description('The key that an app of the running node gets for a path; or the key of a volume.')
    .argument('<path>', 'as the app would ask: POST /GetKey {"path": …}')
    .addOption(dataDirOption())
    .option('--app <name>', 'whose key, where the node serves several apps')
    .option('--fingerprint', 'only a fingerprint of the key')
    .addHelpText(
      'after',
      `
Examples:
  npx dstack-mesh key storage/main --fingerprint
  npx dstack-mesh key storage/main --json
  npx dstack-mesh key volume app data --raw | cryptsetup open /dev/vdb data --key-file=-`,
    )
    // What follows `volume` is the subcommand's.
    .enablePositionalOptions()
    .addCommand(volumeCommand())
    .action((path: string, options: KeyOptions) => showKey(path, options))

import { Command, Option } from 'commander'
import { type Log, silentLog } from '../base/index.ts'
import {
  configureNode,
  controlSocketPath,
  createNode,
  environmentName,
  readSettings,
  SETTINGS,
  type Setting,
  type Settings,
} from '../index.ts'
import { type CommonOptions, paint, printJson, printLine, safe } from './output.ts'
import { collect } from './values.ts'

const optionOf = ({ kind, flag, value, about, standard, key }: Setting): Option => {
  const option = new Option(
    kind === 'switch' ? flag! : `${flag} <${value}>`,
    `${about} ${paint('dim', `[${environmentName(key)}]`)}${standard === undefined ? '' : ` (default: ${standard})`}`,
  )
  return kind === 'list' ? option.argParser(collect) : option
}

/** `--peer a --peer b` → `{ peers: ['a', 'b'] }`: from what commander names after flags to settings' own names. */
const settingsOf = (options: Record<string, unknown>): Settings & { config?: string } => {
  const settings: Record<string, unknown> = {}
  for (const { key, flag } of SETTINGS) {
    if (flag === undefined) continue
    const attribute = flag.slice(2).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
    if (options[attribute] !== undefined) settings[key] = options[attribute]
  }
  if (typeof options.config === 'string') settings.config = options.config
  return settings
}

export const upCommand = (): Command => {
  const command = new Command('up').description('Start a node: make a cluster, or join one.')
  for (const setting of SETTINGS) if (setting.flag !== undefined) command.addOption(optionOf(setting))
  command.addOption(new Option('--config <file>', `settings as a JSON object ${paint('dim', '[DSTACK_MESH_CONFIG]')}`))
  command.addHelpText(
    'after',
    `
A flag wins over the environment, that over the file. The file's keys: ${SETTINGS.map(({ key }) => key).join(', ')}.

Examples:
  npx dstack-mesh up --new --listen /ip4/0.0.0.0/tcp/4001
  npx dstack-mesh up --cluster G… --peer /ip4/192.0.2.1/tcp/4001 --socket /run/dstack/dstack.sock
  npx dstack-mesh up --new --tee emulator --emulator-root root.json --data-dir a --socket a/dstack.sock   (rehearsal, no protection)
  npx dstack-mesh up --config node.json`,
  )
  return command.action(async (options: Record<string, unknown> & CommonOptions) => {
    const settings = await readSettings(settingsOf(options), process.env)
    const init = await configureNode(settings, process.env)
    const node = await createNode(init)
    const stopped = stopOnSignal(() => node.stop(), init.log ?? silentLog)
    try {
      await node.start()
    } catch (error) {
      // Whoever interrupts a start is told nothing that he does not know.
      if (!stopped.asked) throw error
      return stopped.done
    }
    const status = node.status()
    if (options.json) printJson({ ...status, controlSocket: controlSocketPath(init.dataDir) })
    else printReady(status, init.dataDir)
    await Promise.race([stopped.done, node.ended])
  })
}

/** `done` resolves when a signal has stopped the node; a second signal does not wait. */
const stopOnSignal = (stop: () => Promise<void>, log: Log) => {
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const stopped = { asked: false, done }
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopped.asked) process.exit(signal === 'SIGINT' ? 130 : 143)
    stopped.asked = true
    log.info('node.stopping', { signal })
    stop().then(resolve, resolve)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  // Started by a program with a channel to it (a testnet): end when that program does, however it ended.
  if (process.channel !== undefined) {
    process.once('disconnect', () => onSignal('SIGTERM'))
    process.channel?.unref()
  }
  return stopped
}

const printReady = (
  status: Awaited<ReturnType<typeof createNode>> extends { status(): infer S } ? S : never,
  dataDir: string,
): void => {
  printLine(`${paint('green', 'member')} of ${paint('bold', status.cluster ?? '')}`)
  for (const address of status.addresses) printLine(`  listens    ${address}`)
  for (const app of status.apps) printLine(`  app        ${app.name} on ${app.socket} (app id ${app.appId})`)
  printLine(`  control    ${controlSocketPath(dataDir)}`)
  for (const { words, alarm } of status.anchorNotes)
    printLine(`  anchor     ${alarm ? paint('red', safe(`ALARM: ${words}`)) : safe(words)}`)
  if (status.statusUrl !== null) printLine(`  page       ${status.statusUrl}`)
  for (const words of status.policy?.words.filter((line) => line.startsWith('INSECURE')) ?? [])
    printLine(`  ${paint('red', words)}`)
  printLine()
  printLine(`Join another: npx dstack-mesh up --cluster ${status.cluster} --peer ${status.addresses.at(-1) ?? '<address>'}`)
  if (status.tee === 'emulator') printLine('(with the same --emulator-root and --anchor, and --tee emulator)')
}

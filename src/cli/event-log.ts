import { Command } from 'commander'
import { type BootEvent, parseQuote, replayEventLog } from '../index.ts'
import { readBounded, readQuote } from './files.ts'
import { type CommonOptions, paint, printJson, printLine, safe, table } from './output.ts'

const LOG_LIMIT_BYTES = 16 * 1024 * 1024
const REGISTERS = ['mrTd', 'rtmr0', 'rtmr1', 'rtmr2', 'rtmr3'] as const
/** What firmware and boot loaders measure into; the node extends RTMR3 after boot, and no boot log knows of that. */
const OF_THE_BOOT = 3
const DETAIL_CHARS = 60
/** UEFI_VARIABLE_DATA: a GUID, the lengths of name (characters) and data, the name in UTF-16. */
const VARIABLE_HEAD_BYTES = 32

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

/** What an event's data say, where it is text; the firmware's word. */
const detailOf = ({ name, data }: BootEvent): string => {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length)
  if (name.startsWith('EV_EFI_VARIABLE') && bytes.length >= VARIABLE_HEAD_BYTES) {
    const chars = Math.min(bytes.readUInt32LE(16), DETAIL_CHARS)
    return bytes.toString('utf16le', VARIABLE_HEAD_BYTES, VARIABLE_HEAD_BYTES + 2 * chars)
  }
  const head = bytes.subarray(0, 4 * DETAIL_CHARS)
  const wide = head.length >= 4 && head[1] === 0 && head[3] === 0
  const text = head.toString(wide ? 'utf16le' : 'latin1').replace(/\0+$/, '')
  const shown = text.length > DETAIL_CHARS ? `${text.slice(0, DETAIL_CHARS)}…` : text
  return /^[\x20-\x7e]+…?$/.test(shown) ? shown : ''
}

const replayCommand = (): Command =>
  new Command('replay')
    .description('The events of a boot event log, and the RTMRs that they make.')
    .argument('<ccel>', 'the log: /sys/firmware/acpi/tables/data/CCEL of the TD')
    .option('--quote <file>', 'a quote of the same TD and boot: binary, hex or base64')
    .addHelpText(
      'after',
      `
Nothing signs a log: it means something only with --quote, where it makes the RTMRs of the quote. RTMR3 is extended after boot,
so it is shown and not compared. Verify the quote itself with: dstack-mesh quote verify

Exit codes: 0 done, 1 the log is not the quote's, or no log; 2 wrong use.

Examples:
  npx dstack-mesh event-log replay ccel.bin
  npx dstack-mesh event-log replay ccel.bin --quote quote.bin --json | jq .rtmrs`,
    )
    .action(async (path: string, options: CommonOptions & { quote?: string }) => {
      const log = await readBounded(path, 'boot event log', LOG_LIMIT_BYTES)
      const { events, rtmrs } = replayEventLog(Uint8Array.from(log))
      const quoted = options.quote === undefined ? undefined : parseQuote(await readQuote(options.quote)).td.rtmr
      const registers = rtmrs.map((value, index) => ({
        register: `rtmr${index}`,
        replayed: hex(value),
        ...(quoted !== undefined && { quoted: hex(quoted[index]!), equal: Buffer.compare(value, quoted[index]!) === 0 }),
      }))
      const matches = quoted === undefined ? undefined : registers.slice(0, OF_THE_BOOT).every(({ equal }) => equal)
      if (matches === false) process.exitCode = 1
      if (options.json) {
        const told = events.map(({ digest, data, ...event }) => ({ ...event, digest: hex(digest), data: hex(data) }))
        return printJson({ ...(matches !== undefined && { matches }), rtmrs: registers, events: told })
      }
      for (const register of REGISTERS) {
        const own = events.filter((event) => event.register === register)
        if (own.length === 0) continue
        printLine(paint('bold', `${register}: ${own.length} event${own.length === 1 ? '' : 's'}`))
        printLine(table(own.map((event) => [`  ${event.name}`, `${hex(event.digest).slice(0, 16)}…`, safe(detailOf(event))])))
      }
      printLine()
      printLine(table(registers.map(({ register, replayed, equal }) => [register, replayed, ...marks(register, equal)])))
      if (matches === undefined) return
      printLine()
      printLine(matches ? `${paint('green', 'the log is the quote’s')}` : paint('red', 'the log is not the quote’s'))
    })

const marks = (register: string, equal: boolean | undefined): string[] => {
  if (equal === undefined) return []
  if (equal) return [paint('green', 'as quoted')]
  return register === 'rtmr3' ? ['quoted otherwise: extended after boot'] : [paint('red', 'quoted otherwise')]
}

export const eventLogCommand = (): Command =>
  new Command('event-log').description('Boot event logs (CCEL).').addCommand(replayCommand())

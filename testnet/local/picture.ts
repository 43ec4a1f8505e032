import { styleText } from 'node:util'
import type { LogLine } from './member.ts'

/** Which log events are steps of the story, and what they are called there. */
const STEPS: Readonly<Record<string, string>> = {
  'bootstrap.secret': 'bootstrap',
  'bootstrap.quoted': 'quote',
  'bootstrap.judged': 'judged',
  'bootstrap.anchored': 'anchored',
  'join.dialed': 'dial',
  'join.challenged': 'challenged',
  'join.quoted': 'quote',
  'onboard.judged': 'judged',
  'onboard.sealed': 'sealed',
  'join.opened': 'opened',
  'node.ready': 'serving',
}

interface Row {
  startedAt: number
  joinId: string | undefined
  steps: { name: string; afterMs: number }[]
}

/**
 * The steps of every member with the time since its process was started: redrawn in place on a terminal, a line for each
 * step anywhere else.
 */
export class Picture {
  readonly #rows = new Map<string, Row>()
  readonly #out: NodeJS.WriteStream
  #drawn = 0
  /** Steps that an onboarder told before its joiner's log named the exchange. */
  readonly #early: LogLine[] = []

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  add(member: string, startedAt: number): void {
    this.#rows.set(member, { startedAt, joinId: undefined, steps: [] })
    this.#draw()
  }

  log(member: string, line: LogLine): void {
    const name = STEPS[line.event]
    if (name === undefined) return
    // Judging and sealing happen at the onboarder; they belong to the joiner's story.
    if (line.event.startsWith('onboard.')) {
      this.#onboarderStep(name, line)
      return
    }
    const row = this.#rows.get(member)
    if (row === undefined) return
    if (line.joinId !== undefined) row.joinId = line.joinId
    this.#step(member, row, name, line.at)
    for (const early of this.#early.filter(({ joinId }) => joinId === line.joinId)) {
      this.#early.splice(this.#early.indexOf(early), 1)
      this.#step(member, row, STEPS[early.event]!, early.at)
    }
  }

  #onboarderStep(name: string, line: LogLine): void {
    const joiner = [...this.#rows].find(([, row]) => row.joinId !== undefined && row.joinId === line.joinId)
    if (joiner === undefined) this.#early.push(line)
    else this.#step(...joiner, name, line.at)
  }

  #step(member: string, row: Row, name: string, at: number): void {
    row.steps.push({ name, afterMs: at - row.startedAt })
    row.steps.sort((a, b) => a.afterMs - b.afterMs)
    if (this.#out.isTTY) this.#draw()
    else this.#out.write(`${member}  ${name} after ${at - row.startedAt} ms\n`)
  }

  #draw(): void {
    if (!this.#out.isTTY) return
    const lines = [...this.#rows].map(([member, { steps }]) => {
      const story = steps.map(({ name, afterMs }) => `${name} ${styleText('dim', `${afterMs}`)}`).join('  ')
      return `${styleText('bold', member)}  ${story || styleText('dim', 'starting')}`
    })
    // A first line that stays: what the numbers are.
    const up =
      this.#drawn > 0 ? `\x1b[${this.#drawn}A` : styleText('dim', 'Steps, in milliseconds since each process was started:\n')
    this.#out.write(`${up}${lines.map((line) => `\x1b[2K${line}\n`).join('')}`)
    this.#drawn = lines.length
  }
}

import { createHash } from 'node:crypto'
import { ERRNO, Errno, type ErrnoName, type FuseFileSystem, type FuseNode, type OpenFile } from './tsm-fuse-protocol.ts'

/**
 * What Linux serves to a TD, with the kernel's rules (drivers/virt/coco/guest/report.c, tsm-mr.c and fs/configfs/file.c):
 * - mkdir in `report` makes an entry; with no provider it is ENXIO;
 * - `inblob` is committed by close(2), which cannot say that the commit failed; `generation` counts commits;
 * - the first read of `outblob` after a commit makes the report, under one lock for all entries; later reads give the same;
 * - `rtmr0` to `rtmr3` take exactly 48 bytes at offset 0, which extend the register.
 * Everything that can go wrong on a real machine can be made to happen.
 */

/** Where a fault strikes. At `commit` nobody is told. */
export type FaultPlace = 'mkdir' | 'provider' | 'commit' | 'outblob' | 'rtmr'
export type Trouble =
  | { readonly kind: 'fault'; readonly place: FaultPlace; readonly errno: ErrnoName; readonly times: number }
  /** Somebody else commits other report data to the entry, before its quote is made or right after it was read. */
  | { readonly kind: 'race'; readonly when: 'before-quote' | 'after-quote'; readonly times: number }
  /** The quote is over somebody else's report data, and the generation does not show it. */
  | { readonly kind: 'foreign-quote'; readonly times: number }
  /** The quote is bytes of this many, which are no quote. */
  | { readonly kind: 'garbage'; readonly sizeBytes: number; readonly times: number }
  /** write(2) to an RTMR takes 47 bytes of 48. */
  | { readonly kind: 'short-extend'; readonly times: number }

export interface TreeCounts {
  /** Entries that exist now. */
  entries: number
  /** Quotes made. */
  quotes: number
  /** The most reads of `outblob` that were waiting at one time. */
  quotesWaitingMax: number
  /** Bytes of CCEL that were read. */
  eventLogBytesRead: number
}

interface Entry {
  readonly files: ReadonlyMap<string, number>
  inblob: Uint8Array | undefined
  outblob: Uint8Array | undefined
  committed: bigint
  quoted: bigint
}

type Attribute =
  | { readonly name: 'provider' | 'generation' | 'inblob' | 'outblob'; readonly entry: Entry }
  | { readonly name: 'rtmr'; readonly index: number }
  | { readonly name: 'eventLog' }

const ROOT = 1
const REPORT = 2
const MEASUREMENTS = 3
const FIRST_RTMR = 4
const EVENT_LOG = 8
const FIRST_DYNAMIC = 100
const RTMR_BYTES = 48
const REPORT_DATA_BYTES = 64

export class TsmTree implements FuseFileSystem {
  provider: string | undefined = 'tdx_guest'
  latencyMs = 0
  /** The table CCEL, or how many zero bytes it has. */
  eventLog: Uint8Array | number = 0
  readonly rtmrs = [0, 1, 2, 3].map(() => new Uint8Array(RTMR_BYTES))
  readonly counts: TreeCounts = { entries: 0, quotes: 0, quotesWaitingMax: 0, eventLogBytesRead: 0 }

  readonly #makeQuote: (reportData: Uint8Array, rtmrs: readonly Uint8Array[]) => Uint8Array
  readonly #entries = new Map<string, { id: number; entry: Entry }>()
  readonly #directories = new Map<number, Entry>()
  readonly #attributes = new Map<number, Attribute>()
  readonly #troubles: { trouble: Trouble; left: number }[] = []
  #next = FIRST_DYNAMIC
  #waiting = 0
  #lock: Promise<unknown> = Promise.resolve()
  #held: Promise<void> | undefined
  #letGo: () => void = () => {}

  constructor(makeQuote: (reportData: Uint8Array, rtmrs: readonly Uint8Array[]) => Uint8Array) {
    this.#makeQuote = makeQuote
    for (const index of this.rtmrs.keys()) this.#attributes.set(FIRST_RTMR + index, { name: 'rtmr', index })
    this.#attributes.set(EVENT_LOG, { name: 'eventLog' })
  }

  trouble(trouble: Trouble): void {
    this.#troubles.push({ trouble, left: trouble.times })
  }

  /** From now on quotes are not finished until {@link release}. */
  hold(): void {
    this.#held ??= new Promise((resolve) => {
      this.#letGo = resolve
    })
  }

  release(): void {
    this.#letGo()
    this.#held = undefined
  }

  /** What other software in the TD does. */
  extend(index: number, digest: Uint8Array): void {
    const rtmr = this.rtmrs[index]!
    rtmr.set(createHash('sha384').update(rtmr).update(digest).digest())
  }

  node(id: number): FuseNode | undefined {
    if (id <= MEASUREMENTS || this.#directories.has(id)) return { directory: true, mode: 0o755 }
    const attribute = this.#attributes.get(id)
    if (attribute === undefined) return undefined
    return { directory: false, mode: { inblob: 0o200, rtmr: 0o644 }[attribute.name as string] ?? 0o400 }
  }

  list(id: number): readonly (readonly [string, number])[] {
    if (id === ROOT) {
      return [
        ['report', REPORT],
        ['measurements', MEASUREMENTS],
        ['CCEL', EVENT_LOG],
      ]
    }
    if (id === REPORT) return [...this.#entries].map(([name, entry]) => [name, entry.id] as const)
    if (id === MEASUREMENTS) return this.rtmrs.map((_, index) => [`rtmr${index}:sha384`, FIRST_RTMR + index] as const)
    return [...(this.#directories.get(id)?.files ?? [])]
  }

  lookup(parent: number, name: string): number | undefined {
    return this.list(parent).find(([known]) => known === name)?.[1]
  }

  async mkdir(parent: number, name: string): Promise<number> {
    if (parent !== REPORT) throw new Errno(ERRNO.EPERM)
    return await this.#locked(async () => {
      this.#strike('mkdir')
      if (this.provider === undefined) throw new Errno(ERRNO.ENXIO)
      if (this.#entries.has(name)) throw new Errno(ERRNO.EEXIST)
      const id = this.#next++
      const files = new Map<string, number>()
      const entry: Entry = { files, inblob: undefined, outblob: undefined, committed: 0n, quoted: 0n }
      for (const attribute of ['provider', 'generation', 'inblob', 'outblob'] as const) {
        files.set(attribute, this.#next)
        this.#attributes.set(this.#next++, { name: attribute, entry })
      }
      this.#entries.set(name, { id, entry })
      this.#directories.set(id, entry)
      this.counts.entries = this.#entries.size
      return id
    })
  }

  async rmdir(parent: number, name: string): Promise<void> {
    const found = this.#entries.get(name)
    if (parent !== REPORT || found === undefined) throw new Errno(ERRNO.ENOENT)
    for (const file of found.entry.files.values()) this.#attributes.delete(file)
    this.#directories.delete(found.id)
    this.#entries.delete(name)
    this.counts.entries = this.#entries.size
  }

  open(id: number): OpenFile {
    const attribute = this.#attributes.get(id)
    if (attribute === undefined) throw new Errno(ERRNO.ENOENT)
    let content: Uint8Array | undefined
    let written: Uint8Array | undefined
    return {
      read: async (offset, size) => {
        if (attribute.name === 'eventLog') return this.#readEventLog(offset, size)
        content ??= await this.#content(attribute)
        return content.subarray(offset, offset + size)
      },
      write: async (offset, bytes) => {
        if (attribute.name === 'rtmr') return this.#extendByWrite(attribute.index, offset, bytes)
        if (attribute.name !== 'inblob') throw new Errno(ERRNO.EACCES)
        if (offset + bytes.length > REPORT_DATA_BYTES) throw new Errno(ERRNO.EFBIG)
        const longer = new Uint8Array(Math.max(written?.length ?? 0, offset + bytes.length))
        longer.set(written ?? [])
        longer.set(bytes, offset)
        written = longer
        return bytes.length
      },
      flush: async () => {
        if (attribute.name !== 'inblob' || written === undefined) return
        const bytes = written
        written = undefined
        await this.#locked(async () => this.#commit(attribute.entry, bytes)).catch(() => {})
      },
    }
  }

  #commit(entry: Entry, bytes: Uint8Array): void {
    this.#strike('commit')
    entry.inblob = bytes
    entry.committed++
  }

  async #content(attribute: Exclude<Attribute, { name: 'eventLog' }>): Promise<Uint8Array> {
    const line = (text: string) => new TextEncoder().encode(`${text}\n`)
    switch (attribute.name) {
      case 'provider':
        return await this.#locked(async () => {
          this.#strike('provider')
          if (this.provider === undefined) throw new Errno(ERRNO.ENXIO)
          return line(this.provider)
        })
      case 'generation':
        return await this.#locked(async () => line(String(attribute.entry.committed)))
      case 'outblob':
        return await this.#outblob(attribute.entry)
      case 'rtmr':
        return Uint8Array.from(this.rtmrs[attribute.index]!)
      case 'inblob':
        throw new Errno(ERRNO.EACCES)
    }
  }

  async #outblob(entry: Entry): Promise<Uint8Array> {
    this.#waiting++
    this.counts.quotesWaitingMax = Math.max(this.counts.quotesWaitingMax, this.#waiting)
    try {
      return await this.#locked(async () => {
        if (entry.inblob === undefined) throw new Errno(ERRNO.EINVAL)
        if (this.provider === undefined) throw new Errno(ERRNO.ENXIO)
        if (this.#take('race', (race) => race.when === 'before-quote')) this.#commit(entry, new Uint8Array(64).fill(0xee))
        if (entry.outblob !== undefined && entry.quoted === entry.committed) return entry.outblob
        if (this.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMs))
        await this.#held
        this.#strike('outblob')
        if (entry.inblob.length !== REPORT_DATA_BYTES) throw new Errno(ERRNO.EINVAL)
        const garbage = this.#take('garbage')
        const foreign = this.#take('foreign-quote') !== undefined
        entry.outblob = garbage
          ? new Uint8Array(garbage.sizeBytes).fill(0xab)
          : this.#makeQuote(foreign ? new Uint8Array(64).fill(0xee) : entry.inblob, this.rtmrs)
        entry.quoted = entry.committed
        this.counts.quotes++
        if (this.#take('race', (race) => race.when === 'after-quote')) this.#commit(entry, new Uint8Array(64).fill(0xee))
        return entry.outblob
      })
    } finally {
      this.#waiting--
    }
  }

  #extendByWrite(index: number, offset: number, bytes: Uint8Array): number {
    this.#strike('rtmr')
    if (offset !== 0 || bytes.length !== RTMR_BYTES) throw new Errno(ERRNO.EINVAL)
    if (this.#take('short-extend')) return RTMR_BYTES - 1
    this.extend(index, bytes)
    return bytes.length
  }

  #readEventLog(offset: number, size: number): Uint8Array {
    const log = this.eventLog
    const bytes =
      typeof log === 'number' ? new Uint8Array(Math.max(0, Math.min(size, log - offset))) : log.subarray(offset, offset + size)
    this.counts.eventLogBytesRead += bytes.length
    return bytes
  }

  #take<K extends Trouble['kind']>(
    kind: K,
    matches: (trouble: Extract<Trouble, { kind: K }>) => boolean = () => true,
  ): Extract<Trouble, { kind: K }> | undefined {
    for (const item of this.#troubles) {
      if (item.left === 0 || item.trouble.kind !== kind) continue
      const trouble = item.trouble as Extract<Trouble, { kind: K }>
      if (!matches(trouble)) continue
      item.left--
      return trouble
    }
    return undefined
  }

  #strike(place: FaultPlace): void {
    const fault = this.#take('fault', (trouble) => trouble.place === place)
    if (fault !== undefined) throw new Errno(ERRNO[fault.errno])
  }

  /** tsm_rwsem. */
  #locked<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lock.then(work)
    this.#lock = turn.catch(() => {})
    return turn
  }
}

import { spawnSync } from 'node:child_process'
import { close, closeSync, openSync, read, writeSync } from 'node:fs'

/**
 * The kernel's FUSE protocol (linux/include/uapi/linux/fuse.h, 7.31), as much of it as a small tree of attribute files takes,
 * spoken over /dev/fuse. Needs root: it mounts.
 */

/** What a file system answers instead of a value. */
export class Errno extends Error {
  constructor(readonly number: number) {
    super(`errno ${number}`)
  }
}
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EAGAIN: 11,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EINVAL: 22,
  EFBIG: 27,
  ENOSYS: 38,
  ETIMEDOUT: 110,
} as const
export type ErrnoName = keyof typeof ERRNO

export interface FuseNode {
  readonly directory: boolean
  /** Permission bits. */
  readonly mode: number
}

/** An open file. */
export interface OpenFile {
  read(offset: number, size: number): Promise<Uint8Array>
  /** Gives how many bytes it took. */
  write(offset: number, bytes: Uint8Array): Promise<number>
  /** close(2): what the kernel does in `release` for real files comes here, since FUSE's release is not waited for. */
  flush(): Promise<void>
}

/** Nodes are numbered by the file system; 1 is the root. */
export interface FuseFileSystem {
  node(id: number): FuseNode | undefined
  lookup(parent: number, name: string): number | undefined
  list(id: number): readonly (readonly [name: string, id: number])[]
  open(id: number): OpenFile
  mkdir(parent: number, name: string): Promise<number>
  rmdir(parent: number, name: string): Promise<void>
}

const OP = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  mkdir: 9,
  rmdir: 11,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  access: 34,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
} as const

const HEADER_BYTES = 40
const WRITE_HEADER_BYTES = 40
const BUFFER_BYTES = 128 * 1024
const MAX_WRITE_BYTES = 64 * 1024
/** Every read and write comes to us: nothing of these files is cached. */
const FOPEN_DIRECT_IO = 1

const struct = (sizeBytes: number, fill: (view: DataView) => void): Buffer => {
  const buffer = Buffer.alloc(sizeBytes)
  fill(new DataView(buffer.buffer, buffer.byteOffset, sizeBytes))
  return buffer
}

export class FuseServer {
  readonly #fs: FuseFileSystem
  readonly #mountPoint: string
  readonly #open = new Map<number, OpenFile>()
  #fd = -1
  #nextHandle = 1
  #ended: Promise<void> = Promise.resolve()

  constructor(fs: FuseFileSystem, mountPoint: string) {
    this.#fs = fs
    this.#mountPoint = mountPoint
  }

  /** Mounts and begins to serve. Throws when this process may not. */
  start(): void {
    this.#fd = openSync('/dev/fuse', 'r+')
    const options = 'fd=3,rootmode=40000,user_id=0,group_id=0,allow_other'
    const mounted = spawnSync('mount', ['-i', '-t', 'fuse', '-o', options, 'tsm-fuse', this.#mountPoint], {
      stdio: ['ignore', 'pipe', 'pipe', this.#fd],
    })
    if (mounted.status !== 0) {
      closeSync(this.#fd)
      throw new Error(`mount: ${mounted.error?.message ?? mounted.stderr.toString()}`)
    }
    this.#ended = this.#pump()
  }

  /** Unmounts; resolves when the kernel has let go. */
  async stop(): Promise<void> {
    spawnSync('umount', ['-l', this.#mountPoint])
    await this.#ended
    await new Promise((resolve) => close(this.#fd, resolve))
  }

  async #pump(): Promise<void> {
    const buffer = Buffer.alloc(BUFFER_BYTES)
    for (;;) {
      const length = await new Promise<number>((resolve) =>
        read(this.#fd, buffer, 0, buffer.length, null, (error, bytes) => {
          if (error === null) return resolve(bytes)
          // ENOENT: a request that was interrupted before we read it. ENODEV: unmounted.
          resolve(error.code === 'EINTR' || error.code === 'EAGAIN' || error.code === 'ENOENT' ? 0 : -1)
        }),
      )
      if (length < 0) return
      if (length > 0) void this.#answer(Buffer.from(buffer.subarray(0, length)))
    }
  }

  async #answer(request: Buffer): Promise<void> {
    const unique = request.readBigUInt64LE(8)
    let error = 0
    let body: Uint8Array | undefined
    try {
      body = await this.#handle(request.readUInt32LE(4), Number(request.readBigUInt64LE(16)), request.subarray(HEADER_BYTES))
      if (body === undefined) return
    } catch (failure) {
      error = failure instanceof Errno ? failure.number : ERRNO.EIO
      if (!(failure instanceof Errno)) console.error(failure)
    }
    const payload = error === 0 ? (body ?? new Uint8Array()) : new Uint8Array()
    const header = struct(16, (view) => {
      view.setUint32(0, 16 + payload.length, true)
      view.setInt32(4, -error, true)
      view.setBigUint64(8, unique, true)
    })
    try {
      writeSync(this.#fd, Buffer.concat([header, payload]))
    } catch {
      // Whoever asked is gone, or the mount is.
    }
  }

  /** Gives the body of the answer, or nothing for requests that have none. */
  async #handle(op: number, id: number, args: Buffer): Promise<Uint8Array | undefined> {
    const handle = () => this.#file(Number(args.readBigUInt64LE(0)))
    switch (op) {
      case OP.init:
        return struct(64, (view) => {
          view.setUint32(0, 7, true)
          view.setUint32(4, 31, true)
          view.setUint32(8, MAX_WRITE_BYTES, true)
          view.setUint16(16, 16, true)
          view.setUint16(18, 12, true)
          view.setUint32(20, MAX_WRITE_BYTES, true)
          view.setUint32(24, 1, true)
        })
      case OP.lookup: {
        const child = this.#fs.lookup(id, text(args))
        if (child === undefined) throw new Errno(ERRNO.ENOENT)
        return this.#entry(child)
      }
      case OP.getattr:
      case OP.setattr:
        return Buffer.concat([Buffer.alloc(16), this.#attributes(id)])
      case OP.open:
      case OP.opendir: {
        const fh = this.#nextHandle++
        if (op === OP.open) this.#open.set(fh, this.#fs.open(id))
        return struct(16, (view) => {
          view.setBigUint64(0, BigInt(fh), true)
          view.setUint32(8, op === OP.open ? FOPEN_DIRECT_IO : 0, true)
        })
      }
      case OP.read:
        return await handle().read(Number(args.readBigUInt64LE(8)), args.readUInt32LE(16))
      case OP.write: {
        const bytes = args.subarray(WRITE_HEADER_BYTES, WRITE_HEADER_BYTES + args.readUInt32LE(16))
        const taken = await handle().write(Number(args.readBigUInt64LE(8)), Uint8Array.from(bytes))
        return struct(8, (view) => view.setUint32(0, taken, true))
      }
      case OP.flush:
        await handle().flush()
        return new Uint8Array()
      case OP.release:
        this.#open.delete(Number(args.readBigUInt64LE(0)))
        return new Uint8Array()
      case OP.readdir:
        return this.#directory(id, Number(args.readBigUInt64LE(8)))
      case OP.mkdir:
        return this.#entry(await this.#fs.mkdir(id, text(args.subarray(8))))
      case OP.rmdir:
        await this.#fs.rmdir(id, text(args))
        return new Uint8Array()
      case OP.statfs:
        return Buffer.alloc(80)
      case OP.access:
      case OP.releasedir:
      case OP.destroy:
        return new Uint8Array()
      case OP.forget:
      case OP.batchForget:
      case OP.interrupt:
        return undefined
      default:
        throw new Errno(ERRNO.ENOSYS)
    }
  }

  #file(handle: number): OpenFile {
    const file = this.#open.get(handle)
    if (file === undefined) throw new Errno(ERRNO.EIO)
    return file
  }

  #attributes(id: number): Buffer {
    const node = this.#fs.node(id)
    if (node === undefined) throw new Errno(ERRNO.ENOENT)
    return struct(88, (view) => {
      view.setBigUint64(0, BigInt(id), true)
      view.setUint32(60, (node.directory ? 0o40000 : 0o100000) | node.mode, true)
      view.setUint32(64, node.directory ? 2 : 1, true)
      view.setUint32(80, 4096, true)
    })
  }

  /** Names and attributes are good for no time at all: entries come and go. */
  #entry(id: number): Buffer {
    const head = struct(40, (view) => view.setBigUint64(0, BigInt(id), true))
    return Buffer.concat([head, this.#attributes(id)])
  }

  #directory(id: number, after: number): Buffer {
    const records = this.#fs.list(id).map(([name, child], index) => {
      const bytes = Buffer.from(name)
      const record = struct(24 + Math.ceil(bytes.length / 8) * 8, (view) => {
        view.setBigUint64(0, BigInt(child), true)
        view.setBigUint64(8, BigInt(index + 1), true)
        view.setUint32(16, bytes.length, true)
        view.setUint32(20, this.#fs.node(child)?.directory ? 4 : 8, true)
      })
      bytes.copy(record, 24)
      return record
    })
    // As many as fit; the kernel asks again for the rest.
    const chosen: Buffer[] = []
    let total = 0
    for (const record of records.slice(after)) {
      if (total + record.length > 4096) break
      chosen.push(record)
      total += record.length
    }
    return Buffer.concat(chosen)
  }
}

const text = (bytes: Buffer): string => bytes.subarray(0, bytes.indexOf(0)).toString()

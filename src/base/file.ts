import { constants, open } from 'node:fs/promises'

/**
 * A regular file's bytes. Anything else would wait for a writer (a FIFO) or have no end (a device): nobody could stop the first,
 * as it holds a thread that the process waits for at its exit. Throws an Error that says what is wrong, or the system's.
 */
export const readBounded = async (path: string, limitBytes: number): Promise<Buffer> => {
  // O_NONBLOCK: opening must not wait either; it says nothing about reading regular files.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const found = await file.stat()
    if (!found.isFile()) throw new Error(found.isDirectory() ? 'it is a folder' : 'it is no regular file')
    const chunks: Buffer[] = []
    for (let size = 0; ; ) {
      // One byte more than allowed tells that there is more; the size that was found can be another by now.
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(64 * 1024, limitBytes + 1 - size)))
      if (bytesRead === 0) return Buffer.concat(chunks, size)
      size += bytesRead
      if (size > limitBytes) throw new Error(`larger than ${limitBytes} bytes`)
      chunks.push(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}

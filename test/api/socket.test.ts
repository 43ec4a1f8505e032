import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listenOnUnixSocket, SOCKET_PATH_BYTES_MAX } from '../../src/api/socket.ts'

const answering = (word: string): Server => createServer((socket) => socket.on('error', () => {}).end(word))
const ask = async (path: string): Promise<string> => {
  const socket = connect({ path })
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString()
  })
  await once(socket, 'end')
  return text
}

describe('a unix socket', () => {
  let directory: string
  let path: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'socket-'))
    path = join(directory, 'app.sock')
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  /** A socket whose process died without removing it. */
  const leaveDeadSocket = async (): Promise<void> => {
    const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    await once(spawn(process.execPath, ['-e', program], { stdio: 'ignore' }), 'exit')
    assert.equal(lstatSync(path).isSocket(), true)
  }

  it('has mode 0660 by default, or what it is told, and goes with stop', async () => {
    for (const mode of [undefined, 0o600, 0o666]) {
      const socket = await listenOnUnixSocket(answering('hi'), { path, ...(mode === undefined ? {} : { mode }) })
      assert.equal(lstatSync(path).mode & 0o777, mode ?? 0o660)
      assert.equal(await ask(path), 'hi')
      assert.deepEqual(readdirSync(directory), ['app.sock'])
      await socket.stop()
      assert.deepEqual(readdirSync(directory), [])
    }
  })

  it('leaves the umask of the process as it was', async () => {
    const before = process.umask()
    const socket = await listenOnUnixSocket(answering('hi'), { path })
    assert.equal(process.umask(), before)
    await socket.stop()
  })

  it('gets the owner and group that it is told', async function () {
    if (process.getuid!() !== 0) this.skip()
    const socket = await listenOnUnixSocket(answering('hi'), { path, owner: 1234, group: 4321 })
    const { uid, gid } = lstatSync(path)
    assert.deepEqual([uid, gid], [1234, 4321])
    await socket.stop()
    const group = await listenOnUnixSocket(answering('hi'), { path, group: 4321 })
    assert.deepEqual([lstatSync(path).uid, lstatSync(path).gid], [0, 4321])
    await group.stop()
  })

  it('refuses a path that the kernel would cut, and says how long it may be', async () => {
    for (const long of [join(directory, 'x'.repeat(SOCKET_PATH_BYTES_MAX)), join(directory, 'é'.repeat(50)), 'a\0b', '']) {
      await assert.rejects(listenOnUnixSocket(answering('hi'), { path: long }), {
        name: 'UsageError',
        code: 'socket_path',
        message: /at most 107 bytes/,
      })
    }
    const longest = join(directory, 'x'.repeat(SOCKET_PATH_BYTES_MAX - directory.length - 1))
    const socket = await listenOnUnixSocket(answering('hi'), { path: longest })
    assert.equal(await ask(longest), 'hi')
    await socket.stop()
  })

  it('is not taken from a server that lives', async () => {
    const first = await listenOnUnixSocket(answering('first'), { path })
    await assert.rejects(listenOnUnixSocket(answering('second'), { path }), { code: 'socket_in_use' })
    assert.equal(await ask(path), 'first')
    await first.stop()
  })

  it('is taken over from a process that died', async () => {
    await leaveDeadSocket()
    const socket = await listenOnUnixSocket(answering('hi'), { path })
    assert.equal(await ask(path), 'hi')
    await socket.stop()
  })

  it('goes to exactly one of several that want the place of a dead one', async () => {
    await leaveDeadSocket()
    const made = await Promise.allSettled(['a', 'b', 'c', 'd'].map((word) => listenOnUnixSocket(answering(word), { path })))
    const winners = made.filter((one) => one.status === 'fulfilled')
    assert.equal(winners.length, 1)
    assert.equal((await ask(path)).length, 1)
    assert.deepEqual(readdirSync(directory), ['app.sock'])
    await winners[0]!.value.stop()
  })

  it('goes to exactly one of several that come for it one after the other', async () => {
    for (let round = 0; round < 20; round++) {
      const dying = createServer().listen(join(directory, 'dying'))
      await once(dying, 'listening')
      linkSync(join(directory, 'dying'), path)
      await new Promise((resolve) => dying.close(resolve))
      const made = await Promise.allSettled(
        Array.from({ length: 6 }, async (_, turns) => {
          for (let i = 0; i < turns; i++) await new Promise(setImmediate)
          return listenOnUnixSocket(answering(`${turns}`), { path })
        }),
      )
      const winners = made.filter((one) => one.status === 'fulfilled')
      assert.equal(winners.length, 1)
      assert.deepEqual(readdirSync(directory), ['app.sock'])
      await winners[0]!.value.stop()
    }
  })

  it('never replaces what is no socket', async () => {
    writeFileSync(path, 'mine')
    await assert.rejects(listenOnUnixSocket(answering('hi'), { path }), { code: 'socket_place', message: /is no socket/ })
    rmSync(path)
    const target = join(directory, 'target')
    writeFileSync(target, 'mine')
    symlinkSync(target, path)
    await assert.rejects(listenOnUnixSocket(answering('hi'), { path }), { code: 'socket_place' })
    assert.equal(existsSync(target), true)
  })

  it('says so when its directory is missing', async () => {
    await assert.rejects(listenOnUnixSocket(answering('hi'), { path: join(directory, 'no', 'app.sock') }), {
      code: 'socket_place',
    })
  })

  it('does not remove what another made in its place meanwhile', async () => {
    const first = await listenOnUnixSocket(answering('first'), { path })
    renameSync(path, `${path}.moved`)
    const second = await listenOnUnixSocket(answering('second'), { path })
    await first.stop()
    assert.equal(await ask(path), 'second')
    await second.stop()
    assert.equal(existsSync(path), false)
  })
})

import { readdir, unlink } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'

const PROBE_TIMEOUT_MS = 1_000

/** Whether somebody listens on a unix socket. */
const answers = (path) =>
  new Promise((resolve) => {
    const probe = connect({ path })
    const settle = (result) => {
      probe.destroy()
      resolve(result)
    }
    probe.setTimeout(PROBE_TIMEOUT_MS, () => settle(false))
    probe.once('connect', () => settle(true))
    probe.once('error', () => settle(false))
  })

const listen = (server, path) =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path }, () => {
      server.unref()
      resolve()
    })
  })

/**
 * Takes the name `path` if nobody has it: by listening there, so that it is free again however its holder ends. Two that find
 * the same dead holder at once may both take it; then two apps share a member, which does no harm.
 */
const claim = async (path) => {
  for (let attempt = 0; attempt < 2; attempt++) {
    const server = createServer((connection) => connection.destroy())
    try {
      await listen(server, path)
      return server
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error
      if (await answers(path)) return undefined
      await unlink(path).catch(() => {})
    }
  }
  return undefined
}

/** The members whose sockets lie in one folder, `<member>/dstack.sock`, and which of them is this app's. */
export class Members {
  #sockets
  #claims
  #claimed
  /** Whose member this app shares while there is none for it alone. */
  #shared

  constructor(sockets, claims) {
    this.#sockets = sockets
    this.#claims = claims
  }

  /** The member that this app keeps to: one that no other app has, or, where there is none, any that answers. */
  async choose() {
    if (this.#claimed !== undefined) return this.#claimed.member
    const living = []
    for (const name of (await readdir(this.#sockets).catch(() => [])).sort(() => Math.random() - 0.5)) {
      const socket = join(this.#sockets, name, 'dstack.sock')
      if (!(await answers(socket))) continue
      const server = await claim(join(this.#claims, name))
      if (server !== undefined) {
        this.#claimed = { server, member: { name, socket, claimed: true } }
        return this.#claimed.member
      }
      living.push({ name, socket, claimed: false })
    }
    const member = living.find(({ name }) => name === this.#shared) ?? living[0]
    this.#shared = member?.name
    return member
  }

  /** Gives the member up; the next choice is free. */
  async release() {
    const { server } = this.#claimed ?? {}
    this.#claimed = undefined
    this.#shared = undefined
    if (server !== undefined) await new Promise((resolve) => server.close(resolve))
  }
}

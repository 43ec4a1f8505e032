import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Connection } from '@libp2p/interface'
import { systemClock } from '../../src/base/index.ts'
import { Dialer } from '../../src/node/dialer.ts'
import { InProcess, Recorder } from './support.ts'

/** A dialer whose dials end when the test says so. */
const dialing = () => {
  const dials = new Map<string, PromiseWithResolvers<Connection>>()
  const aborted: string[] = []
  const failures: string[] = []
  const dialer = new Dialer<string>({
    dial: async (target, signal) => {
      const dial = Promise.withResolvers<Connection>()
      dials.set(target, dial)
      signal.addEventListener('abort', () => dial.reject(signal.reason))
      return { address: target, connection: await dial.promise }
    },
    failed: (target, error) => void failures.push(`${target}: ${(error as Error).message}`),
    clock: systemClock,
  })
  const connection = (name: string) => {
    const made = { status: 'open', abort: () => void aborted.push(name) }
    return made as typeof made & Connection
  }
  const ends = (run: () => void): Promise<void> => {
    const ended = dialer.ended(new AbortController().signal, 60_000)
    run()
    return ended
  }
  return { dialer, dials, aborted, failures, connection, ends }
}
const any = () => true

describe('dialing several addresses', () => {
  it('gives up what is not taken, and not a connection to which another address leads too', async () => {
    const { dialer, dials, aborted, failures, connection, ends } = dialing()
    for (const target of ['a', 'b', 'c']) dialer.begin(target)
    assert.equal(dialer.hasPlace, false)
    const [same, other] = [connection('same'), connection('other')]
    await ends(() => dials.get('a')!.resolve(same))
    await ends(() => dials.get('b')!.resolve(same))
    await ends(() => dials.get('c')!.resolve(other))
    assert.equal(dialer.take(any)!.target, 'a')
    dialer.begin('d')
    dialer[Symbol.dispose]()
    await assert.rejects(dials.get('d')!.promise)
    assert.deepEqual(aborted, ['other'])
    assert.deepEqual(failures, [])
  })

  it('tells of a dial that fails, and of a peer that hung up before its turn', async () => {
    const { dialer, dials, failures, connection, ends } = dialing()
    for (const target of ['a', 'b', 'c']) dialer.begin(target)
    const [one, two] = [connection('one'), connection('two')]
    await ends(() => dials.get('a')!.resolve(one))
    await ends(() => dials.get('b')!.resolve(two))
    await ends(() => dials.get('c')!.reject(new Error('nobody there')))
    one.status = 'closed'
    assert.equal(dialer.take(any)!.target, 'b')
    assert.deepEqual(failures, ['c: nobody there', 'a: it hung up'])
    assert.ok(dialer.isFree('a') && dialer.isFree('c') && dialer.hasPlace)
    assert.equal(dialer.take(any), undefined)
  })

  it('has a node join past addresses that take a connection and say nothing, while they still wait', async () => {
    const mesh = await InProcess.open()
    const sockets = new Set<Socket>()
    const silent = createServer((socket) => void sockets.add(socket.on('error', () => {})))
    silent.listen(0, '0.0.0.0')
    await once(silent, 'listening')
    try {
      const first = await mesh.first()
      const { port } = silent.address() as AddressInfo
      const deadEnds = [1, 2].map((n) => `/ip4/127.0.0.${n}/tcp/${port}`)
      const log = new Recorder()
      // Whichever comes first by lot: never after the others' time is up.
      const joiner = await mesh.node('joiner', {
        entry: { kind: 'join', cluster: first.status().cluster!, peers: [...deadEnds, ...first.addresses()], timeoutMs: 30_000 },
        log,
        random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)), uniform: () => 0 },
      })
      await joiner.start()
      assert.equal(joiner.status().state, 'member')
      assert.ok(log.all('join.dialing').length > 1, 'a dead end came first')
      assert.ok(sockets.size > 0)
      assert.deepEqual(log.all('join.failed'), [])
    } finally {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => silent.close(resolve))
      await mesh.close()
    }
  }).timeout(60_000)
})

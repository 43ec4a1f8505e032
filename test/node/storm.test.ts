/** Many joiners at once at one member of a mesh, and garbage beside them, over real sockets. */
import assert from 'node:assert/strict'
import { createEmulatedPki } from '../../src/attest/emulator/index.ts'
import { systemClock } from '../../src/base/index.ts'
import type { MeshNode } from '../../src/index.ts'
import { flood, joinLightly } from './light-joiner.ts'
import { InProcess, Recorder } from './support.ts'

const JOINERS = 100
const JOIN_LIMIT_MS = 150_000

/** Until `holds`; the test's own limit ends a wait in vain. */
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await systemClock.sleep(20)
}

describe('a member under load', () => {
  let mesh: InProcess
  beforeEach(async () => {
    mesh = await InProcess.open()
  })
  afterEach(() => mesh.close())

  it('has a storm of joiners spread over the mesh: all get in and no exchange is lost', async () => {
    const logs = [new Recorder(), new Recorder(), new Recorder()]
    const first = await mesh.first({ public: true, log: logs[0]! })
    const members: MeshNode[] = [first]
    for (const name of ['second', 'third']) {
      const member = await mesh.node(name, { entry: mesh.entry(first), public: true, log: logs[members.length]! })
      await member.start()
      members.push(member)
    }
    await until(() => members.every((member) => member.members().length === members.length))
    const before = logs.map((log) => log.all('onboard.admitted').length)

    const join = () =>
      joinLightly({
        cluster: first.status().cluster!,
        peers: first.addresses(),
        attester: mesh.td(),
        timeoutMs: JOIN_LIMIT_MS,
        // No exchange is lost: who has a keyring is admitted.
        until: (peerId) => until(() => members.some((member) => member.members().some((known) => known.peerId === peerId))),
      })
    await Promise.all(Array.from({ length: JOINERS }, join))
    const served = logs.map((log, index) => log.all('onboard.admitted').length - before[index]!)
    assert.ok(served.filter((each) => each > 0).length > 1, `served: ${served}`)
    assert.equal(
      served.reduce((sum, each) => sum + each),
      JOINERS,
    )
  }).timeout(JOIN_LIMIT_MS + 60_000)

  it('lets in an honest joiner of another host while one host floods it with garbage of many peers', async () => {
    const first = await mesh.first()
    const [cluster, [address]] = [first.status().cluster!, first.addresses()]
    const stop = new AbortController()
    const attester = mesh.td({ pki: createEmulatedPki({ nowMs: systemClock.now() }) })
    const flooding = flood({ cluster, address: address!, from: '127.0.0.3', peers: 20, attester }, stop.signal)
    try {
      await systemClock.sleep(1_000)
      await joinLightly({ cluster, peers: [address!], attester: mesh.td(), timeoutMs: 60_000, from: '127.0.0.2' })
    } finally {
      stop.abort()
    }
    const { tried, challenged, judged } = await flooding
    assert.ok(judged > 0 && tried > challenged, `${judged} judged, ${challenged} of ${tried} challenged`)
  }).timeout(120_000)
})

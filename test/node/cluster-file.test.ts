import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { configureNode, type MeshNode, readSettings } from '../../src/index.ts'
import { getKey, within } from '../mesh/support.ts'
import { InProcess, Recorder } from './support.ts'

const rejectsWith = (code: string) => (error: unknown) => error instanceof Error && 'code' in error && error.code === code

describe('the cluster file', function () {
  this.timeout(30_000)
  let mesh: InProcess
  let clusterFile: string
  beforeEach(async () => {
    mesh = await InProcess.open()
    clusterFile = join(mesh.folder, 'shared', 'cluster')
    mkdirSync(dirname(clusterFile))
  })
  afterEach(() => mesh.close())

  const cluster = (node: MeshNode): string => node.status().cluster!
  const joiner = (name: string, first: MeshNode, overrides = {}) =>
    mesh.node(name, { entry: { kind: 'join', peers: first.addresses() }, clusterFile, ...overrides })

  it('is written by the first node, whole, once that is a member, and read by the others', async () => {
    const first = await mesh.first({ clusterFile })
    assert.equal(readFileSync(clusterFile, 'utf8'), `${cluster(first)}\n`)
    assert.deepEqual(readdirSync(dirname(clusterFile)), ['cluster'])
    const second = await joiner('second', first)
    await second.start()
    assert.equal(cluster(second), cluster(first))
    assert.equal(await getKey(mesh.socket('second'), 'x'), await getKey(mesh.socket('first'), 'x'))
  })

  it('is waited for by a joiner that starts before it is there', async () => {
    const first = await mesh.first()
    const log = new Recorder()
    const second = await joiner('second', first, { log })
    const started = second.start()
    await within(10_000, 'waiting', log.seen('cluster_file.waiting'))
    writeFileSync(clusterFile, `${cluster(first)}\n`)
    await started
    assert.equal(cluster(second), cluster(first))
  })

  it('that never comes ends the wait after the join timeout, and a stop ends it at once', async () => {
    const first = await mesh.first()
    const late = await joiner('late', first, { entry: { kind: 'join', peers: first.addresses(), timeoutMs: 300 } })
    await assert.rejects(late.start(), rejectsWith('cluster_file_absent'))
    const log = new Recorder()
    const stopped = await joiner('stopped', first, { log })
    const started = stopped.start()
    const ended = assert.rejects(started, rejectsWith('stopping'))
    await within(10_000, 'waiting', log.seen('cluster_file.waiting'))
    await within(5_000, 'the stop', stopped.stop())
    await ended
  })

  it('brings a first node that starts anew back into its cluster, instead of making a second one', async () => {
    const first = await mesh.first({ clusterFile })
    const second = await joiner('second', first)
    await second.start()
    const key = await getKey(mesh.socket('first'), 'x')
    await first.stop()
    // With an empty data folder, as a container's.
    const again = await mesh.node('again', { entry: { kind: 'new', peers: second.addresses() }, clusterFile })
    await again.start()
    assert.equal(cluster(again), cluster(second))
    assert.equal(await getKey(mesh.socket('again'), 'x'), key)
    assert.equal(readFileSync(clusterFile, 'utf8'), `${cluster(second)}\n`)
  })

  it('is not written over when two nodes make a cluster: the later one stops', async () => {
    const log = new Recorder()
    const late = await mesh.node('late', { entry: { kind: 'new' }, clusterFile, log })
    const started = late.start()
    const ended = assert.rejects(started, rejectsWith('cluster_file_taken'))
    // By now it found no file and makes a cluster of its own.
    await within(10_000, 'a secret', log.seen('bootstrap.secret'))
    writeFileSync(clusterFile, 'G…\n')
    await ended
    assert.equal(readFileSync(clusterFile, 'utf8'), 'G…\n')
    assert.deepEqual(readdirSync(dirname(clusterFile)), ['cluster'])
  })

  it('that holds anything but a cluster id is refused, and so is one that is no file', async () => {
    const first = await mesh.first()
    for (const content of ['', 'G…\n', 'x'.repeat(5_000)]) {
      writeFileSync(clusterFile, content)
      await assert.rejects((await joiner(`of-${content.length}`, first)).start(), rejectsWith('cluster_file_unusable'))
    }
    const folder = await joiner('folder', first, { clusterFile: dirname(clusterFile) })
    await assert.rejects(folder.start(), rejectsWith('cluster_file_unusable'))
    const nowhere = await mesh.node('nowhere', { entry: { kind: 'new' }, clusterFile: join(mesh.folder, 'no', 'such') })
    await assert.rejects(nowhere.start(), rejectsWith('cluster_file_unusable'))
  })

  it('may not be given beside a cluster id', async () => {
    const first = await mesh.first()
    await assert.rejects(readSettings({ clusterFile, cluster: cluster(first) }, {}), /give one of them|both name the cluster/)
  })
})

describe("an app's socket path", () => {
  it('may hold %H for the name of the machine', async () => {
    const { apps } = await configureNode({ new: true, socket: '/run/dstack/%H/dstack.sock' }, {})
    assert.deepEqual(
      apps.map(({ socket }) => socket.path),
      [`/run/dstack/${hostname()}/dstack.sock`],
    )
  })

  it('gets the folder that it lies in', async () => {
    const mesh = await InProcess.open()
    try {
      const path = join(mesh.folder, 'run', 'here', 'dstack.sock')
      await mesh.first({ apps: [{ name: 'app', socket: { path } }] })
      assert.match(await getKey(path, 'x'), /^[0-9a-f]{64}$/)
    } finally {
      await mesh.close()
    }
  })
})

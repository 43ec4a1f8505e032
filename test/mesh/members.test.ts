import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { MemberStatus } from '../../src/index.ts'
import { Bench, BIN, getKey, type Program, within } from './support.ts'

const LIMIT_MS = 40_000

/** Resolves with the first line of JSON that the program prints for which `holds`. */
const lineOf = (program: Program, what: string, holds: (members: MemberStatus[]) => boolean): Promise<MemberStatus[]> =>
  within(
    LIMIT_MS,
    what,
    new Promise((resolve) => {
      const look = (): void => {
        for (const line of program.stdout.split('\n').slice(0, -1)) {
          const members = JSON.parse(line) as MemberStatus[]
          if (!holds(members)) continue
          program.child.stdout!.off('data', look)
          resolve(members)
          return
        }
      }
      program.child.stdout!.on('data', look)
      look()
    }),
  )
/** Resolves with the first text on a terminal, from one clearing of it to the next, for which `holds`. */
const frameOf = (program: Program, what: string, holds: (frame: string) => boolean): Promise<string> =>
  within(
    LIMIT_MS,
    what,
    new Promise((resolve) => {
      const look = (): void => {
        const frame = program.stdout.split('\x1b[H\x1b[2J').slice(1).find(holds)
        if (frame === undefined) return
        program.child.stdout!.off('data', look)
        resolve(frame)
      }
      program.child.stdout!.on('data', look)
      look()
    }),
  )
const stateOf = (members: readonly MemberStatus[], peerId: string): string | undefined =>
  members.find((member) => member.peerId === peerId)?.state

describe('the members as the command line shows them', function () {
  this.timeout(120_000)
  let bench: Bench
  beforeEach(async () => {
    bench = await Bench.open()
  })
  afterEach(() => bench.close())

  const three = async () => {
    const a = await bench.up('a', '--new')
    const joins = ['--cluster', a.status.cluster!, '--peer', a.status.addresses[0]!]
    return { a, b: await bench.up('b', ...joins), c: await bench.up('c', ...joins) }
  }
  const watch = (name: string): Program => bench.cli('members', '--watch', '--json', '--data-dir', bench.dataDir(name))

  it('all are there; one that is killed is unreachable on every other, and is replaced when it comes back', async () => {
    const { a, b, c } = await three()
    const [atA, atB] = [watch('a'), watch('b')]
    const all = (members: MemberStatus[]): boolean =>
      members.length === 3 && members.every(({ state }) => state !== 'unreachable')
    await Promise.all([lineOf(atA, 'a complete table on a', all), lineOf(atB, 'a complete table on b', all)])

    c.program.child.kill('SIGKILL')
    const dead = c.status.peerId!
    const gone = (members: MemberStatus[]): boolean => stateOf(members, dead) === 'unreachable'
    await Promise.all([lineOf(atA, 'the death on a', gone), lineOf(atB, 'the death on b', gone)])
    const shown = bench.cli('members', '--data-dir', bench.dataDir('a'))
    await shown.end()
    assert.match(shown.stdout, /2 of 3 members answer/)
    assert.match(shown.stdout, new RegExp(`${dead} +unreachable`))

    // At the same place as a new peer: the old one is nobody's business any more.
    const listen = c.status.addresses[0]!
    const again = await bench.up('c', '--peer', b.status.addresses[0]!, '--listen', listen)
    const reborn = (members: MemberStatus[]): boolean =>
      stateOf(members, dead) === undefined && stateOf(members, again.status.peerId!) === 'active'
    await Promise.all([lineOf(atA, 'the return on a', reborn), lineOf(atB, 'the return on b', reborn)])
    assert.equal(await getKey(bench.socket('c'), 'p'), await getKey(bench.socket('a'), 'p'))

    // Ctrl-C ends a watch without a word.
    atA.child.kill('SIGINT')
    assert.deepEqual(await atA.end(), { code: 0, signal: null })
    assert.equal(atA.stderr, '')
    assert.equal(a.program.stderr.includes('alarm.on'), false)
  })

  it('are drawn anew on a terminal as time passes and when one dies, and as many as it has room for', async () => {
    const { c } = await three()
    const onTerminal = (rows: number): Program => {
      const command = `${process.execPath} ${BIN} members --watch --data-dir ${bench.dataDir('a')}`
      return bench.run('script', ['-qfec', `stty rows ${rows} cols 220; exec ${command}`, '/dev/null'])
    }
    const [large, small] = [onTerminal(40), onTerminal(8)]
    const whole = await frameOf(large, 'all three', (frame) => frame.includes('3 of 3 members answer'))
    assert.match(whole, /peer id +state +tcb +credential +judged by +address/)
    assert.match(whole, new RegExp(`${c.status.peerId} +active +UpToDate +\\d+m \\d+s`))
    assert.match(whole, /Ctrl-C ends\./)
    await frameOf(large, 'another time left', (frame) => frame.includes('3 of 3') && frame !== whole)
    await frameOf(small, 'one and how many more', (frame) => frame.includes('… and 2 more'))
    c.program.child.kill('SIGKILL')
    await frameOf(large, 'the death', (frame) => new RegExp(`${c.status.peerId} +unreachable`).test(frame))
    for (const each of [large, small]) {
      each.child.kill('SIGTERM')
      await each.end()
    }
  })

  it('one that leaves is seen leaving, is gone from every table, ends, and forgets only when it is told to', async () => {
    const { b, c } = await three()
    const atB = watch('b')
    await lineOf(atB, 'a complete table', (members) => members.length === 3)
    const left = bench.cli('leave', '--json', '--forget', '--data-dir', bench.dataDir('c'))
    assert.deepEqual(await left.end(), { code: 0, signal: null })
    assert.deepEqual(JSON.parse(left.stdout), { cluster: c.status.cluster })
    assert.deepEqual(await c.program.end(), { code: 0, signal: null })
    await lineOf(atB, 'the leaving', (members) => stateOf(members, c.status.peerId!) === 'leaving')
    await lineOf(atB, 'that it has left', (members) => members.length === 2)
    assert.ok(!existsSync(join(bench.dataDir('c'), 'cluster')))
    assert.ok(existsSync(join(bench.dataDir('b'), 'cluster')))
    assert.ok(!existsSync(bench.socket('c')))

    // An interrupt says goodbye too.
    const atA = watch('a')
    b.program.child.kill('SIGTERM')
    assert.deepEqual(await b.program.end(), { code: 0, signal: null })
    await lineOf(atA, 'the second leaving', (members) => stateOf(members, b.status.peerId!) === 'leaving')
    const refused = bench.cli('leave', '--data-dir', bench.dataDir('a'))
    assert.equal((await refused.end()).code, 2)
    assert.match(refused.stderr, /secret is lost for good/)
    assert.match(refused.stderr, /--force/)
  })
})

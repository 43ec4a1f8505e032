/**
 * Everything that a lab makes on the machine carries the lab's id in its name, and the id says who made it: `dsmlab-PID-START-N`,
 * process id and its start time. What no living process made is what a killed run left, and nothing else is ever removed.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../../src/index.ts'
import { run } from './shell.ts'

const LAB_ID = /^dsmlab-([1-9]\d*)-(\d+)-\d+(?=$|-)/
const NAMESPACES = '/run/netns'
/** Short, for unix sockets are named by at most 107 bytes. */
const FOLDERS = '/tmp'
/** Where groups of processes are limited: version 2, and the folders of version 1. */
const GROUPS = ['/sys/fs/cgroup', '/sys/fs/cgroup/cpu', '/sys/fs/cgroup/memory']
const DEATH_LIMIT_MS = 10_000
const LOOK_EVERY_MS = 20

/** When a process was started, in the kernel's ticks; undefined: there is none. */
const startOf = async (pid: number | string): Promise<string | undefined> => {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The program's name stands in parentheses and may hold anything; field 22 is the 20th after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

let labs = 0
/** An id that this process has not given before. */
export const newLabId = async (): Promise<string> => `dsmlab-${process.pid}-${await startOf(process.pid)}-${++labs}`

export const folderOf = (labId: string): string => join(FOLDERS, labId)

const idOf = (name: string): string | undefined => LAB_ID.exec(name)?.[0]

const isAlive = async (labId: string): Promise<boolean> => {
  const [, pid, start] = LAB_ID.exec(labId)!
  return (await startOf(pid!)) === start
}

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => [])

const mountsBelow = async (folder: string): Promise<string[]> =>
  (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`))

const ended = async (pids: readonly string[]): Promise<void> => {
  const deadline = systemClock.monotonicMs() + DEATH_LIMIT_MS
  for (const pid of pids) {
    // A zombie of another parent has left its namespaces and files already.
    while ((await startOf(pid)) !== undefined && !(await isZombie(pid))) {
      if (systemClock.monotonicMs() > deadline) throw new Error(`process ${pid} does not end`)
      await systemClock.sleep(LOOK_EVERY_MS)
    }
  }
}

const isZombie = async (pid: string): Promise<boolean> =>
  /\) Z /.test(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z '))

/** Another run may be removing the same traces of a dead one. */
const unlessGone = async (work: Promise<unknown>, path: string): Promise<void> => {
  try {
    await work
  } catch (error) {
    if (existsSync(path)) throw error
  }
}

/** Programs on their way into a host's namespace: process id and that name. One that was stopped there is in no namespace of ours. */
const entering = async (): Promise<{ pid: string; namespace: string }[]> => {
  const found: { pid: string; namespace: string }[] = []
  for (const pid of (await namesIn('/proc')).filter((name) => /^\d+$/.test(name))) {
    const [program, net] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
    const prefix = `--net=${NAMESPACES}/`
    if (program === 'nsenter' && net?.startsWith(prefix)) found.push({ pid, namespace: net.slice(prefix.length) })
  }
  return found
}

/** Processes in these namespaces; another run may be removing them. */
const inside = async (namespaces: readonly string[]): Promise<string[]> => {
  const pids: string[] = []
  for (const name of namespaces) {
    const text = await run('ip', 'netns', 'pids', name).catch((error) => {
      if (existsSync(join(NAMESPACES, name))) throw error
      return ''
    })
    pids.push(...text.split('\n').filter(Boolean))
  }
  return pids
}

/** Removes whatever a lab made: processes first, then what they held. */
export const removeTraces = async (labId: string): Promise<void> => {
  const ofLab = (names: string[]): string[] => names.filter((name) => idOf(name) === labId)
  const namespaces = ofLab(await namesIn(NAMESPACES))
  const outside = (await entering()).filter(({ namespace }) => idOf(namespace) === labId).map(({ pid }) => pid)
  const pids = [...outside, ...(await inside(namespaces))]
  for (const pid of pids) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It ended meanwhile.
    }
  }
  await ended(pids)
  for (const name of namespaces) await unlessGone(run('ip', 'netns', 'delete', name), join(NAMESPACES, name))
  for (const path of (await mountsBelow(folderOf(labId))).reverse()) await unlessGone(run('umount', path), path)
  for (const folder of GROUPS)
    for (const path of ofLab(await namesIn(folder)).map((name) => join(folder, name))) await unlessGone(rmdir(path), path)
  await rm(folderOf(labId), { recursive: true, force: true })
}

/** Removes what runs left that were killed; gives their ids. */
export const removeDeadTraces = async (): Promise<string[]> => {
  const processes = (await entering()).map(({ namespace }) => namespace)
  const names = [...processes, ...(await Promise.all([NAMESPACES, FOLDERS, ...GROUPS].map(namesIn))).flat()]
  const dead: string[] = []
  for (const id of new Set(names.map(idOf).filter((id) => id !== undefined))) {
    if (await isAlive(id)) continue
    await removeTraces(id)
    dead.push(id)
  }
  return dead
}

/** Limits on a host's processes: control groups, of version 2 where the controllers are there, else of version 1. */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const ROOT = '/sys/fs/cgroup'
const PERIOD_US = 100_000

export interface Limits {
  /** Share of one processor, such as 0.05. */
  readonly cpu?: number
  readonly memoryBytes?: number
}

/** The control files and what is written to them. */
const plan = (name: string, { cpu, memoryBytes }: Limits): { group: string; file: string; value: string }[] => {
  const quota = cpu === undefined ? undefined : Math.max(1_000, Math.round(cpu * PERIOD_US))
  if (existsSync(join(ROOT, 'cgroup.controllers'))) {
    const group = join(ROOT, name)
    return [
      ...(quota === undefined ? [] : [{ group, file: 'cpu.max', value: `${quota} ${PERIOD_US}` }]),
      ...(memoryBytes === undefined
        ? []
        : [
            { group, file: 'memory.max', value: String(memoryBytes) },
            { group, file: 'memory.swap.max', value: '0' },
          ]),
    ]
  }
  const cpuGroup = join(ROOT, 'cpu', name)
  return [
    ...(quota === undefined
      ? []
      : [
          { group: cpuGroup, file: 'cpu.cfs_period_us', value: String(PERIOD_US) },
          { group: cpuGroup, file: 'cpu.cfs_quota_us', value: String(quota) },
        ]),
    ...(memoryBytes === undefined
      ? []
      : [{ group: join(ROOT, 'memory', name), file: 'memory.limit_in_bytes', value: String(memoryBytes) }]),
  ]
}

/** Makes the groups or changes their limits; gives their folders. A process enters by its id in `cgroup.procs` of each. */
export const limitGroups = async (name: string, limits: Limits): Promise<string[]> => {
  const writes = plan(name, limits)
  if (existsSync(join(ROOT, 'cgroup.controllers'))) await writeFile(join(ROOT, 'cgroup.subtree_control'), '+cpu +memory')
  for (const { group, file, value } of writes) {
    await mkdir(group, { recursive: true })
    try {
      await writeFile(join(group, file), value)
    } catch (cause) {
      // Where there is no swap there is nothing to forbid.
      if (file === 'memory.swap.max') continue
      throw new Error(`this machine does not let us limit processes: ${join(group, file)}`, { cause })
    }
  }
  return [...new Set(writes.map(({ group }) => group))]
}

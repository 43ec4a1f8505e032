/** Steps that change what a host's programs have: processor, memory, files, disk, clock. And time that passes. */
import { systemClock } from '../../../src/index.ts'
import { step } from '../step.ts'
import type { World } from '../world.ts'

const dataDir = (world: World, host: string): string => `${world.lab.host(host).folder}/data`
const pidOf = (world: World, host: string): number | undefined => {
  const node = world.lab.nodes.get(host)
  return node?.end === undefined ? node?.pid : undefined
}

export const machineSteps = {
  limit: step({
    about: 'limits what runs on a host, now and later: share of one processor, memory, open files',
    fields: { host: 'host', cpu: 'share?', memory: 'bytes?', files: 'count?' },
    async play({ host, cpu, memory, files }, world) {
      const limits = { ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memoryBytes: memory }) }
      await world.lab.host(host).limit(limits, pidOf(world, host))
      if (files !== undefined) await world.lab.host(host).limitFiles(files, pidOf(world, host))
    },
  }),
  clock: step({
    about: "sets how far a host's wall clock is off, such as +31d; once before its node is started, then at any time",
    fields: { host: 'host', offset: 'text' },
    play: ({ host, offset }, { lab }) => lab.host(host).setClock(offset),
  }),
  disk: step({
    about: "gives a host's data folder a disk of its own; before its node is started",
    fields: { host: 'host', size: 'text' },
    play: ({ host, size }, world) => world.lab.host(host).mountDisk(dataDir(world, host), size),
  }),
  fill: step({
    about: 'fills that disk',
    fields: { host: 'host' },
    play: ({ host }, world) => world.lab.host(host).fillDisk(dataDir(world, host)),
  }),
  free: step({
    about: 'frees it again',
    fields: { host: 'host' },
    play: ({ host }, world) => world.lab.host(host).freeDisk(dataDir(world, host)),
  }),
  'read-only': step({
    about: 'makes that disk read-only, or writable again',
    fields: { host: 'host', on: 'yes' },
    play: ({ host, on }, world) => world.lab.host(host).setDiskWritable(dataDir(world, host), !on),
  }),
  pause: step({
    about: 'lets time pass: how long a fault lasts',
    fields: { for: 'duration' },
    play: (args) => systemClock.sleep(args.for),
  }),
}

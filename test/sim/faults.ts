/** What goes wrong in a simulation: drawn from its seed, each fault with a beginning and, mostly, an end. */
import type { Machine } from './network.ts'
import type { SimRandom } from './time.ts'
import type { World } from './world.ts'

const DAY_MS = 86_400_000

export interface Fault {
  name: string
  atMs: number
  begin(world: World): void
  /** Undoes it. */
  end?: { atMs: number; run(world: World): void }
}

type Kind = (draw: Draw) => Omit<Fault, 'name'>

interface Draw {
  random: SimRandom
  fromMs: number
  untilMs: number
  lifetimeMs: number
  machines: readonly Machine[]
}

/** A beginning, and an end after `low` to `high` milliseconds. */
const span = ({ random, fromMs, untilMs }: Draw, low: number, high: number): { atMs: number; endMs: number } => {
  const atMs = random.between(fromMs, untilMs)
  return { atMs, endMs: atMs + random.between(low, high) }
}
const some = ({ random, machines }: Draw): Machine[] =>
  random.shuffled(machines).slice(0, random.integer(1, Math.max(1, machines.length - 1)))
const one = ({ random, machines }: Draw): Machine => random.pick(machines)!

const weather =
  (key: 'loss' | 'late' | 'again', low: number, high: number): Kind =>
  (draw) => {
    const { atMs, endMs } = span(draw, 10_000, 40_000)
    const share = draw.random.between(low, high)
    return {
      atMs,
      begin: ({ network }) => {
        network.weather[key] += share
      },
      end: {
        atMs: endMs,
        run: ({ network }) => {
          network.weather[key] = Math.max(0, network.weather[key] - share)
        },
      },
    }
  }

const partition =
  (oneWay: boolean, lifetimes: [number, number]): Kind =>
  (draw) => {
    const { atMs, endMs } = span(draw, lifetimes[0] * draw.lifetimeMs, lifetimes[1] * draw.lifetimeMs)
    const side = new Set(some(draw))
    // Who joins meanwhile is on neither side.
    const change = (world: World, by: 1 | -1): void => {
      for (const a of draw.machines) {
        for (const b of draw.machines) {
          if (!side.has(a) || side.has(b)) continue
          world.network.block(a, b, by)
          if (!oneWay) world.network.block(b, a, by)
        }
      }
    }
    return {
      atMs,
      begin: (world) => {
        change(world, 1)
        world.inTrouble(draw.machines, 1)
      },
      end: {
        atMs: endMs,
        run: (world) => {
          change(world, -1)
          world.inTrouble(draw.machines, -1)
        },
      },
    }
  }

const crash =
  (power: boolean): Kind =>
  (draw) => {
    const { atMs, endMs } = span(draw, 2_000, 30_000)
    const machine = one(draw)
    return {
      atMs,
      begin: (world) => world.crash(machine, power),
      ...(draw.random.chance(0.7) && { end: { atMs: endMs, run: (world: World) => world.boot(machine) } }),
    }
  }

const kinds: Record<string, { weight: number; draw: Kind }> = {
  loss: { weight: 3, draw: weather('loss', 0.02, 0.4) },
  late: { weight: 2, draw: weather('late', 0.05, 0.3) },
  again: { weight: 2, draw: weather('again', 0.05, 0.3) },
  partition: { weight: 3, draw: partition(false, [0.05, 0.5]) },
  parted: { weight: 2, draw: partition(false, [1.1, 2]) },
  'one-way': { weight: 2, draw: partition(true, [0.05, 0.6]) },
  kill: { weight: 3, draw: crash(false) },
  power: { weight: 2, draw: crash(true) },
  blackout: {
    weight: 1,
    draw: (draw) => {
      const { atMs, endMs } = span(draw, 2_000, 1.5 * draw.lifetimeMs)
      const survivor = one(draw)
      return {
        atMs,
        begin: (world) => {
          for (const machine of world.machines) if (machine !== survivor) world.crash(machine, true)
        },
        end: {
          atMs: endMs,
          run: (world) => {
            for (const machine of world.machines) if (!machine.on) world.boot(machine)
          },
        },
      }
    },
  },
  slow: {
    weight: 2,
    draw: (draw) => {
      const { atMs, endMs } = span(draw, 5_000, 40_000)
      const machine = one(draw)
      return {
        atMs,
        begin: (world) => world.starve(machine, endMs),
        end: { atMs: endMs, run: (world) => world.inTrouble([machine], -1) },
      }
    },
  },
  clock: {
    weight: 3,
    draw: (draw) => {
      const { atMs, endMs } = span(draw, 5_000, 1.5 * draw.lifetimeMs)
      const machine = one(draw)
      const days = draw.random.pick([31 * DAY_MS, DAY_MS, 1_200_000, 180_000])!
      const offsetMs = draw.random.chance(0.5) ? days : -days
      return {
        atMs,
        begin: (world) => world.setClock(machine, offsetMs),
        end: { atMs: endMs, run: (world) => world.setClock(machine, 0) },
      }
    },
  },
  outage: {
    weight: 1,
    draw: (draw) => {
      const { atMs, endMs } = span(draw, 0.5 * draw.lifetimeMs, 3 * draw.lifetimeMs)
      const which = draw.random.pick(['quotes', 'collateral', 'both'])!
      const set = (world: World, there: boolean): void => {
        if (which !== 'collateral') world.services.quotes = there
        if (which !== 'quotes') world.services.collateral = there
      }
      return { atMs, begin: (world) => set(world, false), end: { atMs: endMs, run: (world) => set(world, true) } }
    },
  },
  'no quotes': {
    weight: 1,
    draw: (draw) => {
      const { atMs, endMs } = span(draw, 0.5 * draw.lifetimeMs, 1.5 * draw.lifetimeMs)
      const machine = one(draw)
      const set = (world: World, there: boolean): void => {
        const node = world.nodeOn(machine)
        if (node !== undefined) node.td.quotes = there
      }
      return { atMs, begin: (world) => set(world, false), end: { atMs: endMs, run: (world) => set(world, true) } }
    },
  },
  leave: {
    weight: 2,
    draw: (draw) => {
      const { atMs, endMs } = span(draw, 2_000, 20_000)
      const machine = one(draw)
      return {
        atMs,
        begin: (world) => world.leave(machine),
        ...(draw.random.chance(0.6) && { end: { atMs: endMs, run: (world: World) => world.boot(machine) } }),
      }
    },
  },
  join: {
    weight: 2,
    draw: (draw) => {
      const { atMs } = span(draw, 0, 1)
      return { atMs, begin: (world) => world.join() }
    },
  },
}

const names = Object.entries(kinds).flatMap(([name, { weight }]) => Array.from({ length: weight }, () => name))

export const drawFaults = (count: number, draw: Draw): Fault[] =>
  Array.from({ length: count }, () => {
    const name = draw.random.pick(names)!
    return { name, ...kinds[name]!.draw(draw) }
  })

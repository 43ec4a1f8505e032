/** Steps that change the network. */
import { systemClock } from '../../../src/index.ts'
import { step } from '../step.ts'

export const networkSteps = {
  line: step({
    about: 'what lines do from now on, between each of `from` and each of `to` (default: everybody), both ways unless told',
    fields: {
      from: 'hosts?',
      to: 'hosts?',
      'one-way': 'yes?',
      delay: 'duration?',
      jitter: 'duration?',
      loss: 'share?',
      duplicate: 'share?',
      reorder: 'share?',
      rate: 'bytes?',
    },
    async play({ from, to, 'one-way': oneWay = false, delay: delayMs, jitter: jitterMs, ...shares }, { lab }) {
      const everybody = [...lab.hosts.keys()]
      const change = { ...shares, ...(delayMs !== undefined && { delayMs }), ...(jitterMs !== undefined && { jitterMs }) }
      if (oneWay) await lab.shapeOneWay(change, from ?? everybody, to ?? everybody)
      else await lab.shape(change, from ?? everybody, to ?? everybody)
    },
  }),
  partition: step({
    about: 'cuts all lines between hosts of different groups',
    fields: { groups: 'groups' },
    play: ({ groups }, { lab }) => lab.partition(groups),
  }),
  cut: step({
    about: 'cuts one direction: nothing of `from` reaches `to` any more',
    fields: { from: 'hosts', to: 'hosts' },
    play: ({ from, to }, { lab }) => lab.shapeOneWay({ down: true }, from, to),
  }),
  flap: step({
    about: 'cuts and heals the lines between groups in turn, until `heal`',
    fields: { groups: 'groups', every: 'duration' },
    async play({ groups, every }, world) {
      const ended = new AbortController()
      const flapping = (async () => {
        for (let turns = 0; !ended.signal.aborted; turns++) {
          if (turns % 2 === 0) await world.lab.partition(groups)
          else await world.lab.heal()
          await systemClock.sleep(every, ended.signal).catch(() => {})
        }
      })()
      world.inBackground(async () => {
        ended.abort()
        await flapping
      })
    },
  }),
  heal: step({
    about: 'ends flapping and attacks, and brings all lines up; their delays and losses stay',
    fields: {},
    async play(_, world) {
      await world.endBackground()
      await world.lab.heal()
    },
  }),
  move: step({
    about: 'gives a host another address instead of its own',
    fields: { host: 'host', address: 'text' },
    play: ({ host, address }, { lab }) => lab.host(host).move(address),
  }),
}

import assert from 'node:assert/strict'
import { parseScenario, readScenarios } from '../../../testnet/chaos/scenario.ts'

const document = (steps: string, more = ''): string =>
  `{ about: some, rows: [N1], run: short, hosts: [a, b], steps: ${steps}${more === '' ? '' : `, ${more}`} }`

describe('a scenario', () => {
  it('is read with its units, lists and hosts', () => {
    const { id, steps } = parseScenario(
      'some',
      document(
        '[{ line: { from: a, to: [b], delay: 1.5s, loss: 2.5%, rate: 20k } }, { heal: }, { limit: { host: b, files: 9 } }]',
      ),
    )
    assert.equal(id, 'some')
    assert.deepEqual(steps, [
      { kind: 'line', args: { from: ['a'], to: ['b'], delay: 1_500, loss: 0.025, rate: 20_480 } },
      { kind: 'heal', args: {} },
      { kind: 'limit', args: { host: 'b', files: 9 } },
    ])
  })

  it('repeats steps for each of a list, within each other too', () => {
    const { steps } = parseScenario(
      'some',
      document(
        '[{ repeat: { for: [a, b], steps: [{ repeat: { for: [x, y], steps: [{ kill-at: { hosts: a, event: $it } }] } }, { kill: { hosts: $it } }] } }]',
      ),
    )
    // The outer one is replaced first, everywhere: an inner list of its own has no $it of its own.
    assert.deepEqual(
      steps.map(({ kind, args }) => [
        kind,
        (args as { event?: string; hosts?: string[] }).event ?? (args as { hosts: string[] }).hosts[0],
      ]),
      [
        ['kill-at', 'a'],
        ['kill-at', 'a'],
        ['kill', 'a'],
        ['kill-at', 'b'],
        ['kill-at', 'b'],
        ['kill', 'b'],
      ],
    )
  })

  for (const [what, text, problem] of [
    ['a key that nobody knows', document('[{ heal: {} }]', 'step: []'), /unknown step/],
    ['a step that nobody knows', document('[{ explode: {} }]'), /no step explode; known: policy/],
    ['a step named like what every object has', document('[{ constructor: {} }]'), /no step constructor/],
    ['two steps in one', document('[{ heal: {}, kill: { hosts: a } }]'), /a step is written/],
    ['a field that nobody knows', document('[{ kill: { host: a, hosts: a } }]'), /step 1 \(kill\): unknown host; known: hosts/],
    ['a missing field', document('[{ heal: {} }, { pause: {} }]'), /step 2 \(pause\): for is missing/],
    ['a host that is not there', document('[{ kill: { hosts: [a, c] } }]'), /there is no host c/],
    ['a host of a group that is not there', document('[{ partition: { groups: [[a], [c]] } }]'), /there is no host c/],
    ['a partition into one', document('[{ partition: { groups: [[a, b]] } }]'), /at least two lists/],
    ['a time without a unit', document('[{ pause: { for: 20 } }]'), /for must be a time such as 20s/],
    ['a share above all', document('[{ line: { loss: 101% } }]'), /loss must be a share/],
    ['a size that is none', document('[{ line: { rate: fast } }]'), /rate must be a size/],
    ['no number', document('[{ limit: { host: a, files: 0 } }]'), /files must be a number from 1/],
    ['no steps', document('[]'), /steps must be a list/],
    ['a repetition of nothing', document('[{ repeat: { for: [], steps: [{ heal: {} }] } }]'), /repeat is written/],
    [
      'another length than the two',
      '{ about: some, rows: [N1], run: medium, hosts: [a], steps: [{ heal: {} }] }',
      /short or long/,
    ],
    ['what is no object', '- 1', /expected about/],
  ] as const)
    it(`is refused with ${what}`, () => {
      assert.throws(() => parseScenario('some', text), { name: 'ScenarioError', message: problem })
    })

  it('of this folder is readable, each', () => {
    const scenarios = readScenarios()
    assert.ok(scenarios.some(({ run }) => run === 'short') && scenarios.some(({ run }) => run === 'long'))
  })
})

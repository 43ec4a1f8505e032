import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse } from 'yaml'
import { SERIES } from '../../src/node/metrics/index.ts'

// The alert rules and the dashboard's queries as Prometheus itself reads and evaluates them. Needs promtool (Debian: in the package prometheus), and says so by failing.

const RULES = 'testnet/monitoring/alerts.yml'
const DASHBOARD = 'testnet/monitoring/dashboard.json'

interface Rule {
  readonly alert: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}
const { groups } = parse(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)

const NODE = { job: 'dstack-mesh', instance: 'a:8091' }

/** One alert: series in promtool's notation (a sample a minute), a minute at which it must be quiet, and one at which it must fire. */
interface Case {
  readonly alert: string
  readonly series: Readonly<Record<string, string>>
  readonly quiet: number
  readonly fires: number
  /** Of the alert that fires, besides its severity. */
  readonly labels: Readonly<Record<string, string>>
  /** What its texts say for `$value`. */
  readonly value?: string
}

const BOTH = 'job="dstack-mesh", instance="a:8091"'
const CASES: readonly Case[] = [
  { alert: 'MeshNodeDown', series: { [`up{${BOTH}}`]: '1x5 0x10' }, quiet: 7, fires: 9, labels: NODE },
  {
    alert: 'MeshAlarm',
    series: {
      [`dstack_mesh_alarms_active{${BOTH}, alarm="own_clock"}`]: '0x5 1x10',
      [`dstack_mesh_alarms_active{${BOTH}, alarm="lapsed"}`]: '0x15',
    },
    quiet: 6,
    fires: 8,
    labels: { ...NODE, alarm: 'own_clock' },
  },
  {
    alert: 'MeshFewMembers',
    // Oneself counts, who is unreachable does not.
    series: {
      [`dstack_mesh_members{${BOTH}, state="self"}`]: '1x30',
      [`dstack_mesh_members{${BOTH}, state="active"}`]: '2x5 1x25',
      [`dstack_mesh_members{${BOTH}, state="unreachable"}`]: '0x5 1x25',
    },
    quiet: 15,
    fires: 17,
    labels: { instance: NODE.instance },
    value: '2',
  },
  {
    alert: 'MeshMembersUnreachable',
    series: { [`dstack_mesh_members{${BOTH}, state="unreachable"}`]: '0x5 1x15' },
    quiet: 10,
    fires: 12,
    labels: { ...NODE, state: 'unreachable' },
    value: '1',
  },
  {
    alert: 'MeshLapsed',
    series: {
      [`dstack_mesh_state{${BOTH}, state="lapsed"}`]: '0x5 1x15',
      [`dstack_mesh_state{${BOTH}, state="member"}`]: '1x5 0x15',
    },
    quiet: 10,
    fires: 12,
    labels: { ...NODE, state: 'lapsed' },
  },
  {
    alert: 'MeshCredentialLate',
    // Of an hour a minute goes with each minute; below ten minutes from the 51st on, for two.
    series: { [`dstack_mesh_credential_remaining_seconds{${BOTH}}`]: '3600-60x58' },
    quiet: 52,
    fires: 53,
    labels: NODE,
    value: '7m 0s',
  },
  {
    alert: 'MeshCollateralExpiring',
    series: { [`dstack_mesh_collateral_remaining_seconds{${BOTH}}`]: '604800x5 604740x60' },
    quiet: 35,
    fires: 37,
    labels: NODE,
    value: '6d 23h 59m 0s',
  },
  {
    alert: 'MeshCollateralOld',
    series: { [`dstack_mesh_collateral_age_seconds{${BOTH}}`]: '259200x5 259260x60' },
    quiet: 35,
    fires: 37,
    labels: NODE,
    value: '3d 0h 1m 0s',
  },
  {
    alert: 'MeshJoinsRefused',
    // Being sent away for a while is no refusal of the policy's. A counter has no series before it first counts.
    series: {
      [`dstack_mesh_joins_total{${BOTH}, outcome="refused", code="busy"}`]: '0+50x30',
      [`dstack_mesh_joins_total{${BOTH}, outcome="refused", code="measurement_unacceptable"}`]: '_x15 10x15',
    },
    quiet: 14,
    fires: 20,
    labels: { instance: NODE.instance, code: 'measurement_unacceptable' },
  },
  {
    alert: 'MeshBadAnswer',
    series: {
      [`dstack_mesh_challenges_total{${BOTH}, side="verifier", outcome="ok"}`]: '0+1x30',
      [`dstack_mesh_challenges_total{${BOTH}, side="verifier", outcome="bad_answer"}`]: '_x15 1x15',
    },
    quiet: 14,
    fires: 17,
    labels: { instance: NODE.instance },
  },
  {
    alert: 'MeshGossipRejected',
    series: {
      [`dstack_mesh_gossip_messages_total{${BOTH}, message="record", verdict="accept", fault="none"}`]: '0+9x30',
      [`dstack_mesh_gossip_messages_total{${BOTH}, message="record", verdict="reject", fault="signature"}`]: '_x15 1x15',
    },
    quiet: 14,
    fires: 17,
    labels: { instance: NODE.instance, fault: 'signature' },
  },
  {
    alert: 'MeshApiFailing',
    series: {
      [`dstack_mesh_api_requests_total{${BOTH}, app="web", route="/GetKey", status="200"}`]: '0+600x30',
      [`dstack_mesh_api_requests_total{${BOTH}, app="web", route="/GetKey", status="503"}`]: '0x5 0+60x25',
    },
    quiet: 5,
    fires: 20,
    labels: { instance: NODE.instance, app: 'web' },
  },
  {
    alert: 'MeshEventLoopSlow',
    series: { [`nodejs_eventloop_lag_p99_seconds{${BOTH}}`]: '0.02x5 0.75x15' },
    quiet: 10,
    fires: 12,
    labels: NODE,
    value: '750ms',
  },
]

const ruleOf = (alert: string): Rule => rules.find((rule) => rule.alert === alert)!

/** A rule's text with its labels and value filled in, as Prometheus does. */
const filled = (text: string, { labels, value = '' }: Case): string =>
  text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, name) => labels[name] ?? '').replaceAll(/\{\{ \$value[^}]*\}\}/g, value)

const asPromtool = (each: Case) => ({
  name: each.alert,
  interval: '1m',
  input_series: Object.entries(each.series).map(([series, values]) => ({ series, values })),
  alert_rule_test: [
    { alertname: each.alert, eval_time: `${each.quiet}m`, exp_alerts: [] },
    {
      alertname: each.alert,
      eval_time: `${each.fires}m`,
      exp_alerts: [
        {
          exp_labels: { ...each.labels, severity: ruleOf(each.alert).labels.severity },
          exp_annotations: Object.fromEntries(
            Object.entries(ruleOf(each.alert).annotations).map(([name, text]) => [name, filled(text, each)]),
          ),
        },
      ],
    },
  ],
})

describe('the alert rules, in Prometheus', function () {
  this.timeout(60_000)
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync('/tmp/dsm-alerts-')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const promtool = (...args: string[]) => {
    const { status, stdout, stderr, error } = spawnSync('promtool', args, { encoding: 'utf8', timeout: 30_000 })
    assert.equal(error, undefined)
    return { status, text: `${stdout}${stderr}` }
  }
  const tried = (rulesFile: string) => {
    const file = join(folder, 'test.yml')
    writeFileSync(
      file,
      JSON.stringify({ rule_files: [resolve(rulesFile)], evaluation_interval: '1m', tests: CASES.map(asPromtool) }),
    )
    return promtool('test', 'rules', file)
  }

  it('are understood', () => {
    const { status, text } = promtool('check', 'rules', RULES)
    assert.equal(status, 0, text)
    assert.match(text, new RegExp(`SUCCESS: ${rules.length} rules found`))
  })

  it('and so are the queries of the dashboard', () => {
    const { panels } = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as { panels: { targets: { expr: string }[] }[] }
    const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '5m')))
    assert.ok(queries.length > 20)
    const file = join(folder, 'queries.yml')
    const check = (exprs: readonly string[]) => {
      const recorded = exprs.map((expr, index) => ({ record: `query:${index}`, expr }))
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: recorded }] }))
      return promtool('check', 'rules', file)
    }
    const { status, text } = check(queries)
    assert.equal(status, 0, text)
    assert.notEqual(check([...queries, 'sum(rate(x[5m])']).status, 0)
  })

  it('are quiet while all is well, and fire with the text that was meant when it is not', () => {
    assert.deepEqual(CASES.map(({ alert }) => alert).sort(), rules.map(({ alert }) => alert).sort())
    const { status, text } = tried(RULES)
    assert.equal(status, 0, text)
  })

  it('are tried on series as nodes have them', () => {
    for (const series of CASES.flatMap((each) => Object.keys(each.series))) {
      const [, name, labels] = /^(\w+)\{(.*)\}$/.exec(series)!
      const known = Object.values(SERIES).find((own) => own.name === name)
      if (known === undefined) continue
      const names = [...labels!.matchAll(/(\w+)=/g)].map((match) => match[1]!).filter((label) => !(label in NODE))
      assert.deepEqual(names.sort(), Object.keys(known.labels).sort(), series)
    }
  })

  it('are noticed when they are wrong', () => {
    const original = readFileSync(RULES, 'utf8')
    for (const [from, to] of [
      ['< 600', '< 300'],
      ['self|active', 'active'],
      ['for: 2m', 'for: 20m'],
    ] as const) {
      assert.ok(original.includes(from), from)
      const changed = join(folder, 'alerts.yml')
      writeFileSync(changed, original.replace(from, to))
      assert.notEqual(tried(changed).status, 0, `${from} → ${to}`)
    }
  })
})

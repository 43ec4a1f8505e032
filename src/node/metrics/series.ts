/** The one table of this program's own series; the registry, docs/metrics.md and their tests are made from it. */

/** What may stand in a label: how it looks, and how many different ones a series takes before the rest is called `other`. */
export interface LabelRule {
  readonly like: RegExp
  readonly distinctMax: number
}

/** Words of our own code: states, outcomes, refusal codes, faults. */
const WORD: LabelRule = { like: /^[a-z][a-z0-9_]{0,47}$/, distinctMax: 64 }
/** Patterns of routes, such as `/getkey/:tag`; never the path that was asked for. */
const ROUTE: LabelRule = { like: /^\/[A-Za-z0-9_.:/-]{0,79}$/, distinctMax: 128 }
const HTTP_STATUS: LabelRule = { like: /^[1-5]\d\d$/, distinctMax: 32 }
/** As the operator's configuration names apps. */
const APP: LabelRule = { like: /^[a-z0-9][a-z0-9._-]{0,62}$/, distinctMax: 64 }
/** Facts about this node and its cluster, one value at a time. */
const FACT: LabelRule = { like: /^[A-Za-z0-9][A-Za-z0-9._+-]{0,79}$/, distinctMax: 16 }

export interface Series {
  readonly name: `dstack_mesh_${string}`
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: Readonly<Record<string, LabelRule>>
  /** Upper bounds, of a histogram. */
  readonly buckets?: readonly number[]
}

/** Seconds. Judging takes about a millisecond with prepared collateral, and some ten without. */
const JUDGING_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]
/** Seconds. A derived key takes well below a millisecond, a quote can wait for hardware. */
const API_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30]

export const SERIES = {
  build: {
    name: 'dstack_mesh_build_info',
    kind: 'gauge',
    help: 'Always 1; which version runs, on which Node.js.',
    labels: { version: FACT, node: FACT },
  },
  cluster: {
    name: 'dstack_mesh_cluster_info',
    kind: 'gauge',
    help: 'Always 1 while a cluster is known; its id, the hash of its policy, who witnesses it and how far that is proven.',
    labels: { cluster: FACT, policy: FACT, tee: FACT, witness: FACT, proof: FACT },
  },
  insecure: {
    name: 'dstack_mesh_policy_insecure',
    kind: 'gauge',
    help: "1 where the cluster's policy gives up some protection (INSECURE in the status), else 0.",
    labels: {},
  },
  state: {
    name: 'dstack_mesh_state',
    kind: 'gauge',
    help: '1 for the state that the node is in, 0 for the others.',
    labels: { state: WORD },
  },
  joins: {
    name: 'dstack_mesh_joins_total',
    kind: 'counter',
    help: "Joiners' exchanges with this node that have ended: admitted, refused (with the code) or failed.",
    labels: { outcome: WORD, code: WORD },
  },
  judging: {
    name: 'dstack_mesh_judging_seconds',
    kind: 'histogram',
    help: "How long it took to judge one piece of evidence; this process's own time.",
    labels: { accepted: WORD },
    buckets: JUDGING_BUCKETS,
  },
  members: {
    name: 'dstack_mesh_members',
    kind: 'gauge',
    help: 'Members as this node sees them: itself, active, unreachable, or lapsed (their credential ran out, and they wait to be challenged).',
    labels: { state: WORD },
  },
  memberChanges: {
    name: 'dstack_mesh_member_changes_total',
    kind: 'counter',
    help: "Changes of this node's table of members, and of its view of who answers.",
    labels: { change: WORD },
  },
  gossip: {
    name: 'dstack_mesh_gossip_messages_total',
    kind: 'counter',
    help: "Messages on the members' topic, by kind, by the validator's verdict and by what was wrong with them.",
    labels: { message: WORD, verdict: WORD, fault: WORD },
  },
  challenges: {
    name: 'dstack_mesh_challenges_total',
    kind: 'counter',
    help: 'Challenges that have ended: made by this node (verifier) or sent to it (member).',
    labels: { side: WORD, outcome: WORD },
  },
  renewals: {
    name: 'dstack_mesh_renewals_total',
    kind: 'counter',
    help: 'New credentials of this node, issued by another member or by itself.',
    labels: { issuer: WORD },
  },
  credential: {
    name: 'dstack_mesh_credential_remaining_seconds',
    kind: 'gauge',
    help: "How long this node's credential holds still; negative since it ran out. Absent while the node is no member.",
    labels: {},
  },
  collateralAge: {
    name: 'dstack_mesh_collateral_age_seconds',
    kind: 'gauge',
    help: 'Since the issue date of the collateral in use: the older one of TCB info and QE identity.',
    labels: {},
  },
  collateralRemaining: {
    name: 'dstack_mesh_collateral_remaining_seconds',
    kind: 'gauge',
    help: 'Until the next update of the collateral in use is due: the earlier one of TCB info and QE identity; negative since then.',
    labels: {},
  },
  evaluation: {
    name: 'dstack_mesh_collateral_evaluation_data_number',
    kind: 'gauge',
    help: 'TCB evaluation data number of the collateral in use: the lower one of TCB info and QE identity.',
    labels: {},
  },
  apps: { name: 'dstack_mesh_apps', kind: 'gauge', help: 'Apps whose sockets are open.', labels: {} },
  requests: {
    name: 'dstack_mesh_api_requests_total',
    kind: 'counter',
    help: 'Answers on app sockets, by app, by the route that matched (`none`: no route did) and by HTTP status.',
    labels: { app: APP, route: ROUTE, status: HTTP_STATUS },
  },
  requestTime: {
    name: 'dstack_mesh_api_request_seconds',
    kind: 'histogram',
    help: 'From the arrival of a request on an app socket to the end of its answer, by route.',
    labels: { route: ROUTE },
    buckets: API_BUCKETS,
  },
  alarms: {
    name: 'dstack_mesh_alarms_active',
    kind: 'gauge',
    help: 'Alarms that are on, by name; of those that are about members or services, how many.',
    labels: { alarm: WORD },
  },
} as const satisfies Readonly<Record<string, Series>>

export type SeriesName = keyof typeof SERIES

/** As Markdown. */
export const describeSeries = (): string => {
  const rows = Object.values(SERIES).map(({ name, kind, labels, help }) => {
    const names = Object.keys(labels).map((label) => `\`${label}\``)
    return `| \`${name}\` | ${kind} | ${names.join(' ')} | ${help} |`
  })
  return ['| series | kind | labels | what it is |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

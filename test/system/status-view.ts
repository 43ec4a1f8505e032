/** Views as a node would send them, for the page alone: any number of members, in any state. */
import { createHash } from 'node:crypto'
import { systemClock } from '../../src/base/index.ts'

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const HOUR_MS = 3_600_000

const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
/** Of the form of a peer id, the same for the same number. */
export const peerId = (index: number): string =>
  `12D3KooW${Array.from(Buffer.concat([hash(`a${index}`), hash(`b${index}`)]).subarray(0, 44), (byte) => ALPHABET[byte % 58]).join('')}`

export interface FakeMember {
  peerId: string
  state: string
  addresses: string[]
  tcbStatus: string
  issuer: string
  selfIssued: boolean
  issuedAt: string
  expiresAt: string
}

export const member = (index: number, members: number, change: Partial<FakeMember> = {}): FakeMember => {
  const issuedMs = systemClock.now() - (hash(`age${index}`)[0]! / 255) * 0.8 * HOUR_MS
  return {
    peerId: peerId(index),
    state: index === 0 ? 'self' : 'active',
    addresses: [`/ip4/192.0.2.${(index % 250) + 1}/tcp/4001`],
    tcbStatus: 'UpToDate',
    issuer: peerId((index + 1 + (hash(`by${index}`)[0]! % Math.max(1, members - 1))) % members),
    selfIssued: false,
    issuedAt: new Date(issuedMs).toISOString(),
    expiresAt: new Date(issuedMs + HOUR_MS).toISOString(),
    ...change,
  }
}

export const POLICY_WORDS = [
  'policy 6e63bfd2e84496f9852df8558f714e6140327bc5622fce3b58462165824d7b81, 1088 bytes',
  'root of trust: Intel',
  'measurements: "image 0.1.0" pins mrTd, rtmr0, rtmr1, rtmr2, mrConfigId, xfam, mrSeam',
  'apps: any, each with the id that its compose file hashes to',
  'TCB: accepts UpToDate',
  'collateral: TCB evaluation data number 18 or later, at most 7 days old',
  'platforms: any genuine one',
  'credentials last 1 h; a lapsed member serves its apps for 24 h',
  'recovery: none; the cluster ends with its last member',
  'governance: none; this policy is final',
]
const INSECURE = `INSECURE: root of trust: an emulator (emulator:${'dc'.repeat(32)}), whose TDs keep no secret from their hosts`

/** A view of a member of a healthy cluster, with `change` put over its status. */
export const viewOf = (
  members: readonly FakeMember[],
  {
    insecure = false,
    happened = [] as readonly object[],
    joins = [] as readonly object[],
    alarms = [] as readonly object[],
    status = {},
  } = {},
) => ({
  version: '0.1.0',
  startedMs: systemClock.now() - 42 * 60_000,
  memberCount: members.length,
  joins,
  happened: happened.map((each, index) => ({ number: happened.length - index, ...each })),
  quote: Object.fromEntries(
    ['mr_td', 'rtmr0', 'rtmr1', 'rtmr2', 'report_data'].map((name) => [name, hash(name).toString('hex').repeat(2).slice(0, 96)]),
  ),
  status: {
    state: 'member',
    cluster: 'GBNUHRHHUORANRF6GKWGTJERYTQS56TQ4UBV7CX2LX6AFSCTYC7E2PSI',
    peerId: peerId(0),
    addresses: ['/ip4/192.0.2.1/tcp/4001'],
    tee: insecure ? 'emulator' : 'tdx',
    witness: insecure ? 'file' : 'pubnet',
    proof: insecure ? null : 'ledger',
    genesis: { createdAt: '2026-11-02T09:12:44.000Z', publicSince: insecure ? null : '2026-11-02T09:12:51.000Z' },
    anchorNotes: [],
    alarms,
    policy: {
      hash: '6e63bfd2e84496f9852df8558f714e6140327bc5622fce3b58462165824d7b81',
      insecure,
      words: insecure ? [POLICY_WORDS[0]!, INSECURE, ...POLICY_WORDS.slice(2)] : POLICY_WORDS,
    },
    epochs: [0],
    credential: members[0] ?? null,
    members,
    apps: [{ name: 'web', appId: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4', socket: '/run/web/dstack.sock' }],
    statusUrl: 'http://127.0.0.1:8091/',
    pid: 1,
    ...status,
  },
})

/** What a busy hour looks like. */
export const busyHour = (members: readonly FakeMember[]) => {
  const now = systemClock.now()
  const at = (minutes: number) => now - minutes * 60_000
  const lost = members.find(({ state }) => state === 'unreachable')?.peerId ?? peerId(3)
  return {
    joins: Array.from({ length: 60 }, (_, minute) => {
      const byte = hash(`minute${minute}`)
      return {
        atMs: at(minute),
        admitted: byte[0]! > 200 ? 1 + (byte[1]! % 3) : 0,
        refused: byte[2]! > 215 ? 1 + (byte[3]! % 5) : 0,
        failed: byte[4]! > 235 ? 1 : 0,
      }
    }),
    happened: [
      { kind: 'member', peerId: lost, change: 'unreachable', atMs: at(0.4) },
      { kind: 'challenge', side: 'verifier', peerId: peerId(2), outcome: 'renewed', atMs: at(2) },
      {
        kind: 'join',
        peerId: peerId(90),
        outcome: 'refused',
        code: 'measurement_unacceptable',
        reasons: ['rtmr1 is not one that "image 0.1.0" pins', 'the TD may be debugged'],
        atMs: at(5),
      },
      { kind: 'member', peerId: peerId(4), change: 'joined', atMs: at(9) },
      { kind: 'join', peerId: peerId(4), outcome: 'admitted', atMs: at(9.01) },
      { kind: 'renewed', selfIssued: false, expiresAt: now, atMs: at(12) },
      {
        kind: 'join',
        peerId: peerId(91),
        outcome: 'refused',
        code: 'tcb_unacceptable',
        reasons: ['TCB status OutOfDate'],
        atMs: at(14),
      },
      { kind: 'member', peerId: peerId(77), change: 'ended', atMs: at(21) },
      { kind: 'join', peerId: peerId(92), outcome: 'failed', atMs: at(23) },
      { kind: 'member', peerId: peerId(78), change: 'left', atMs: at(33) },
    ],
  }
}

import type { PrivateKey } from '@libp2p/interface'
import {
  admit,
  emptyTable,
  type Instant,
  type JudgedRecord,
  judgeRecord,
  type OpenedRecord,
  openRecord,
  type RecordRules,
  recordRules,
  type Step,
  type Table,
} from '../../../protocols/membership/index.ts'
import type { MembershipRole } from '../../../protocols/membership/sync.ts'
import { type CredentialBody, decodeCredential, type MemberRecord, sealMemberRecord } from '../../../protocols/records/index.ts'
import { Keyring } from '../../../src/keys/index.ts'
import { bytes } from '../../attest/support.ts'
import { credentialFor, LIFETIME_MS, type Peer, peerOf } from '../onboard/cluster.ts'
import { NOW_MS } from '../support.ts'

export { LIFETIME_MS, NOW_MS, type Peer }

export const keyring = Keyring.fromSecrets([{ epoch: 0, secret: bytes(32, 0x5e) }])
export const otherKeyring = Keyring.fromSecrets([{ epoch: 0, secret: bytes(32, 0x5f) }])
export const { clusterId } = keyring
export const cluster = { keyring, clusterId }
export const MINUTE_MS = 60_000

export const at = (afterMs = 0): Instant => ({ wallMs: NOW_MS + afterMs, monotonicMs: 5_000 + afterMs })

export const peers = (count: number, from = 1): Promise<Peer[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => peerOf(from + index)))

export const rulesOf = (self: Peer): RecordRules =>
  recordRules({
    clusterId,
    self: self.id,
    lifetimeMs: LIFETIME_MS,
    signingPublicKey: (epoch) => (epoch === 0 ? clusterId : undefined),
  })

/** Every peer has a TD of its own. */
export const tdDigestOf = (peer: Peer): Uint8Array => bytes(48, peer.id.at(-1)!)

export const credentialOf = (subject: Peer, issuer: Peer, changes: Parameters<typeof credentialFor>[4] = {}): Uint8Array =>
  credentialFor(cluster, subject.id, issuer, { tdDigest: tdDigestOf(subject) }, changes)

/** A record that is sound but for `changes`; its credential is by `issuer`. */
export const envelopeOf = (
  subject: Peer,
  issuer: Peer,
  changes: Partial<MemberRecord> & { issued?: Partial<CredentialBody>; sealedBy?: PrivateKey } = {},
): Promise<Uint8Array> => {
  const { issued = {}, sealedBy = subject.key, ...record } = changes
  return sealMemberRecord(
    {
      clusterId,
      peerId: subject.id,
      addresses: [`/ip4/192.0.2.${subject.id.at(-1)! % 250}/tcp/4001`],
      public: false,
      epoch: 0,
      sequence: 1n,
      state: 'active',
      credential: credentialOf(subject, issuer, issued),
      sentAt: NOW_MS,
      ...record,
    },
    sealedBy,
  )
}
export const openedOf = async (...args: Parameters<typeof envelopeOf>): Promise<OpenedRecord> =>
  openRecord(await envelopeOf(...args))

/** As `reader` judges it; an error when it is not sound. */
export const judgedOf = (reader: Peer, opened: OpenedRecord, now = at()): JudgedRecord => {
  const { judged, fault } = judgeRecord(opened, now.wallMs, rulesOf(reader))
  if (judged === undefined) throw new Error(`a sound record of a test has a fault: ${fault}`)
  return judged
}

/** A table whose owner has attested `members` itself, each with a credential by `issuer`. */
export const tableOf = (members: readonly Peer[], issuer: Peer, now = at()): Table => {
  let table = emptyTable
  for (const member of members) {
    const { body } = decodeCredential(credentialOf(member, issuer))
    ;({ table } = admit(table, { credential: body, addresses: ['/ip4/203.0.113.1/tcp/4001'] }, now))
  }
  return table
}

/** What a table says, in a form that can be compared: nothing in it depends on when or in which order it was told. */
export const said = (table: Table): string[] =>
  [...table.entries.values()]
    .map(({ peerId, newest }) => `${Buffer.from(peerId).toString('hex')} ${Buffer.from(newest?.hash ?? []).toString('hex')}`)
    .sort()

/** A node's side of the protocol, and what became of it. */
export class TestRole implements MembershipRole {
  readonly rules: RecordRules
  readonly effects: Step['effects'] = []
  readonly pinged: Uint8Array[] = []
  own: Uint8Array = new Uint8Array(0)
  value: Table
  instant = at()
  reaches = (_peerId: Uint8Array): Promise<boolean> => Promise.resolve(true)
  judge: MembershipRole['judgeRevocation'] = () => ({ counts: false, fault: 'inconclusive' })

  private constructor(
    readonly peer: Peer,
    table: Table,
  ) {
    this.rules = rulesOf(peer)
    this.value = table
  }
  static async of(peer: Peer, issuer: Peer, table: Table): Promise<TestRole> {
    const role = new TestRole(peer, table)
    role.own = await envelopeOf(peer, issuer)
    return role
  }

  now = (): Instant => this.instant
  table = (): Table => this.value
  keep = (step: Step): void => {
    this.value = step.table
    this.effects.push(...step.effects)
  }
  ownRecord = (): Uint8Array => this.own
  judgeRevocation: MembershipRole['judgeRevocation'] = (revocation) => this.judge(revocation)
  ping = (peerId: Uint8Array): Promise<boolean> => {
    this.pinged.push(peerId)
    return this.reaches(peerId)
  }
}

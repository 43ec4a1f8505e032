import { toString as bytesToString } from 'uint8arrays/to-string'
import type { CredentialBody } from '../../protocols/records/index.ts'
import { equals } from '../../protocols/wire/index.ts'
import type { AnchorNote } from '../anchor/index.ts'
import type { AlarmStatus } from './alarms.ts'

export type NodeState = 'starting' | 'anchoring' | 'joining' | 'member' | 'lapsed' | 'stopped'

export interface MemberStatus {
  peerId: string
  /**
   * `self`: this node. `unreachable`: it answers neither this node nor those that this node asked. `leaving`: it said goodbye a
   * moment ago, and is in no more. `lapsed`: its credential ran out, and it waits to be challenged.
   */
  state: 'self' | 'active' | 'unreachable' | 'leaving' | 'lapsed'
  addresses: string[]
  tcbStatus: string
  issuer: string
  selfIssued: boolean
  issuedAt: string
  expiresAt: string
}

export interface NodeStatus {
  state: NodeState
  cluster: string | null
  peerId: string | null
  addresses: string[]
  tee: string | null
  witness: string
  /** How far the anchor's word was checked when this node joined. */
  proof: string | null
  /** When the cluster was made by its own word, and since when it is public by the ledger's; null: no witness of the time. */
  genesis: { createdAt: string; publicSince: string | null } | null
  /** What else there is to say about the anchor. */
  anchorNotes: readonly AnchorNote[]
  alarms: AlarmStatus[]
  policy: { hash: string; insecure: boolean; words: string[] } | null
  epochs: readonly number[]
  credential: { issuer: string; selfIssued: boolean; issuedAt: string; expiresAt: string } | null
  members: MemberStatus[]
  apps: { name: string; appId: string; socket: string }[]
  /** Of the status page, where there is one. */
  statusUrl: string | null
  pid: number
}

export const describeGenesis = (createdAt: number | undefined, publicSince: number | undefined): NodeStatus['genesis'] =>
  createdAt === undefined
    ? null
    : {
        createdAt: new Date(createdAt).toISOString(),
        publicSince: publicSince === undefined ? null : new Date(publicSince).toISOString(),
      }

/** A credential in the words of a status. */
export const describeCredential = (credential: CredentialBody) => ({
  issuer: peerIdText(credential.issuer),
  selfIssued: equals(credential.issuer, credential.peerId),
  issuedAt: new Date(credential.issuedAt).toISOString(),
  expiresAt: new Date(credential.expiresAt).toISOString(),
})

/** A peer id's usual text form is its multihash in base58btc. */
export const peerIdText = (peerId: Uint8Array): string => bytesToString(peerId, 'base58btc')

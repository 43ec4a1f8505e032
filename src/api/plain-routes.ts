import { UsageError } from '../base/index.ts'
import type { ApiHost } from './host.ts'
import { bytesOfHex, hexOf, type Message, parseJson } from './message.ts'

/** A route of one of the two programs this one grew from: no prpc, fixed answers. */
export interface PlainRoute {
  readonly kind: 'plain'
  readonly method: 'GET' | 'POST'
  /** `:name` stands for one segment of the path, percent-decoded. */
  readonly path: string
  readonly answers: 'text' | 'json' | 'bytes'
  readonly request: Message
  readonly about: string
  readonly needsMember: boolean
  handle(input: PlainInput, host: ApiHost): string | Uint8Array | Promise<string | Uint8Array>
}

export interface PlainInput {
  readonly params: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

const tagMessage = { tag: { type: 'string', about: 'Names the key' } } as const satisfies Message

const appDataOf = ({ params }: PlainInput, host: ApiHost): Uint8Array =>
  host.appData(params.tag!, bytesOfHex(params.data!, 'the data'))

const route = (plain: Omit<PlainRoute, 'kind' | 'request'> & { request?: Message }): PlainRoute => ({
  kind: 'plain',
  request: {},
  ...plain,
})

export const PLAIN_ROUTES: readonly PlainRoute[] = [
  route({
    method: 'GET',
    path: '/getkey/:tag',
    answers: 'text',
    about: "dstack-vm: 64 hex digits, keyed BLAKE2b-256 of the tag under the app's k256 key",
    needsMember: true,
    handle: ({ params }, host) => tagKey(params.tag!, host),
  }),
  route({
    method: 'POST',
    path: '/getkey',
    answers: 'json',
    request: tagMessage,
    about: 'rs-modular-dstack: the same key as a JSON string',
    needsMember: true,
    handle: ({ body }, host) => {
      const { tag } = parseJson(tagMessage, body)
      if (tag === '') throw new UsageError('malformed', 'Failed to decode request: no tag')
      return JSON.stringify(tagKey(tag, host))
    },
  }),
  route({
    method: 'GET',
    path: '/appdata/:tag/:data',
    answers: 'bytes',
    about: 'dstack-vm: 32 bytes, keccak256(tag ‖ data); data is hex',
    needsMember: false,
    handle: appDataOf,
  }),
  route({
    method: 'GET',
    path: '/attest/:tag/:data',
    answers: 'bytes',
    about: 'dstack-vm: 65 bytes v ‖ r ‖ s by the app\'s k256 key over keccak256("attest" ‖ appdata), as ecrecover takes it',
    needsMember: true,
    handle: (input, host) => host.keys(0).attestAppData(appDataOf(input, host)),
  }),
  route({
    method: 'GET',
    path: '/getnodekey',
    answers: 'json',
    about: "rs-modular-dstack: this node's own public key, ed25519, 64 hex digits",
    needsMember: true,
    handle: async (_input, host) => JSON.stringify(hexOf((await host.cluster()).peerPublicKey)),
  }),
  route({
    method: 'GET',
    path: '/status',
    answers: 'text',
    about: 'rs-modular-dstack: Live, for as long as the node runs',
    needsMember: false,
    handle: () => 'Live',
  }),
]

const tagKey = (tag: string, host: ApiHost): string => {
  const key = host.keys(0).tagKey(tag)
  const text = hexOf(key)
  key.fill(0)
  return text
}

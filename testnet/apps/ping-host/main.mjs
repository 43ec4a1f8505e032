// An app of the mesh, as anybody would write one: it fetches a key from the node beside it by dstack's own SDK, again and again,
// and prints the key's fingerprint whenever that, or where it came from, changes. On every member the fingerprint is the same.
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { DstackClient } from '@phala/dstack-sdk'
import { Members } from './members.mjs'
import { pingStatus } from './status.mjs'

const {
  DSTACK_SOCKETS = '/run/dstack',
  DSTACK_CLAIMS = '/run/claims',
  KEY_PATH = 'ping-host',
  STATUS_PORT,
  INTERVAL_MS = '1000',
} = process.env
const KEY_TIMEOUT_MS = 5_000
const FIRST_PAUSE_MS = 250
/** It asks over a unix socket, which costs a member next to nothing. */
const LONGEST_PAUSE_MS = 1_000

const say = (event, fields) => process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`)

/** Tells keys apart and gives nothing of them away. */
const fingerprint = (key) => createHash('sha256').update('ping-host/fingerprint\0').update(key).digest('hex').slice(0, 32)

const fetchKey = async (socket) => {
  const late = new AbortController()
  const { key } = await Promise.race([
    new DstackClient(socket).getKey(KEY_PATH, 'ping-host'),
    sleep(KEY_TIMEOUT_MS, undefined, { signal: late.signal }).then(() => {
      throw new Error(`no key within ${KEY_TIMEOUT_MS / 1000} s`)
    }),
  ]).finally(() => late.abort())
  return fingerprint(key)
}

const members = new Members(DSTACK_SOCKETS, DSTACK_CLAIMS)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => members.release().finally(() => process.exit(0)))

let last = ''
/** A line where something changed, none where it did not. */
const tell = (event, fields) => {
  const line = JSON.stringify({ event, ...fields })
  if (line !== last) say(event, fields)
  last = line
}

for (let failures = 0; ; ) {
  try {
    const member = await members.choose()
    if (member === undefined) throw new Error(`no member's socket answers below ${DSTACK_SOCKETS}`)
    const key = await fetchKey(member.socket)
    const status = STATUS_PORT === undefined ? undefined : await pingStatus(member.name, STATUS_PORT)
    tell('key', { member: member.name, alone: member.claimed, path: KEY_PATH, fingerprint: key, ...(status && { status }) })
    failures = 0
    await sleep(Number(INTERVAL_MS))
  } catch (error) {
    failures++
    tell('failed', { reason: error.message })
    await members.release()
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10))
    await sleep(pauseMs * (0.5 + Math.random() / 2))
  }
}

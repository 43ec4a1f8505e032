import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { MEMBERS_MAX, OPEN_STRANGERS_MAX, OPEN_STREAMS_MAX } from '../protocols/membership/constants.ts'
import {
  GRANT_LIMIT_BYTES,
  HOST_BURST,
  HOST_REFILL_MS,
  MAX_OPEN_EXCHANGES,
  MAX_OPEN_EXCHANGES_PER_HOST,
  MAX_TURN_WAIT_MS,
  MAX_TURNS_AT_ONCE,
  MAX_TURNS_WAITING,
} from '../protocols/onboard/constants.ts'
import { EVIDENCE_LIMIT_BYTES, EXCHANGE_TIMEOUT_MS, MESSAGE_LIMIT_BYTES, STEP_TIMEOUT_MS } from '../protocols/wire/constants.ts'
import { API_LIMITS } from '../src/api/limits.ts'
import { STATUS_LIMITS } from '../src/api/status/limits.ts'

const KIB = 1024
const MIB = KIB * KIB
const document = readFileSync('docs/security.md', 'utf8')
const table = document.slice(document.indexOf('\n## Limits'), document.indexOf('\n## Beside others'))
/** A constant that its file keeps to itself. */
const own = (file: string, name: string): number =>
  Number(new RegExp(`const ${name} = ([\\d_]+)`).exec(readFileSync(file, 'utf8'))![1]!.replaceAll('_', ''))
const bound = (what: string): string => {
  const row = table.split('\n').find((line) => line.startsWith(`| ${what}`))
  assert.ok(row !== undefined, `no row ${what}`)
  return row.split('|')[2]!.trim()
}

describe('the limits in docs/security.md', () => {
  it('are those of the code', () => {
    const strangers = 'src/net/strangers.ts'
    const ofHost = [own(strangers, 'CONNECTIONS_PER_HOST'), own(strangers, 'HANDSHAKES_PER_HOST')]
    const ofAll = [own(strangers, 'STRANGERS_MAX'), own('src/net/network.ts', 'MAX_CONNECTIONS')]
    assert.equal(bound('connections of one host'), [...ofHost, ...ofAll].join('; '))
    assert.equal(bound("a stranger's connection"), `${own(strangers, 'STRANGERS_CONNECTION_MS') / 1000} s`)
    const shares = [...readFileSync('src/net/pace.ts', 'utf8').matchAll(/burst: ([\d_]+),\s+unitsPerSecond: ([\d_]+)/g)]
    const [ofMembers, ofStrangers] = shares.map(([, ...numbers]) => numbers.join(', ').replaceAll('_', ''))
    assert.equal(bound('units of work'), `${ofStrangers}; ${ofMembers}`)
    assert.equal(
      bound('onboard exchanges open'),
      `${MAX_OPEN_EXCHANGES}, ${MAX_OPEN_EXCHANGES_PER_HOST}; ${1000 / HOST_REFILL_MS}, ${HOST_BURST}`,
    )
    assert.equal(bound('judged and sealed'), `${MAX_TURNS_AT_ONCE}; ${MAX_TURNS_WAITING}, for ${MAX_TURN_WAIT_MS / 1000} s`)
    const kib = [MESSAGE_LIMIT_BYTES, EVIDENCE_LIMIT_BYTES, GRANT_LIMIT_BYTES].map((bytes) => `${bytes / KIB} KiB`)
    assert.equal(
      bound('a message without evidence'),
      `${kib.join(', ')}; ${STEP_TIMEOUT_MS / 1000} s, ${EXCHANGE_TIMEOUT_MS / 1000} s`,
    )
    const revocations = own('src/members/attesting.ts', 'REVOCATIONS_PER_AUTHOR')
    assert.equal(own('src/members/attesting.ts', 'REVOCATIONS_WINDOW_MS'), 600_000)
    assert.equal(bound('sync exchanges'), `${OPEN_STREAMS_MAX} (${OPEN_STRANGERS_MAX} of strangers); ${revocations}`)
    assert.equal(bound('members in a table'), MEMBERS_MAX.toLocaleString('en'))
    const { connections, bodyBytes, bodiesBytes, slowRequests } = API_LIMITS
    assert.equal(bound('app socket'), `${connections}, ${bodyBytes / MIB} MiB, ${bodiesBytes / MIB} MiB, ${slowRequests}`)
    const rate = /RATE = \{ burst: (\d+), everyMs: ([\d_]+)/.exec(readFileSync('src/api/status/evidence.ts', 'utf8'))!
    const evidence = `${rate[1]} at once, then one in ${Number(rate[2]!.replaceAll('_', '')) / 1000} s`
    const { streams, headerBytes } = STATUS_LIMITS
    assert.equal(bound('status port'), `${STATUS_LIMITS.connections}, ${streams}, ${headerBytes / KIB} KiB; ${evidence}`)
    assert.equal(bound('control socket'), String(own('src/node/control.ts', 'CONNECTIONS_MAX')))
  })
})

import assert from 'node:assert/strict'
import { configureNode, readSettings, systemRandom } from '../../src/index.ts'
import { publicAddresses } from '../../src/node/public-addresses.ts'

const open = (...addresses: string[]) => ({ public: true, state: 'active' as const, addresses })
const told = (...members: Parameters<typeof publicAddresses>[0]) => publicAddresses(members, systemRandom).sort()

describe('the addresses that strangers are told', () => {
  it('are of members whose operators declared them public and that answer, and of no others', () => {
    const silent = { ...open('/ip4/192.0.2.3/tcp/1'), state: 'unreachable' as const }
    const lapsed = { ...open('/ip4/192.0.2.4/tcp/1'), state: 'lapsed' as const }
    const hidden = { ...open('/ip4/192.0.2.2/tcp/1'), public: false }
    assert.deepEqual(told(hidden, open('/ip4/192.0.2.1/tcp/1'), silent, lapsed), ['/ip4/192.0.2.1/tcp/1'])
    assert.deepEqual(told(), [])
  })

  it('are such as a joiner dials and a refusal holds', () => {
    const member = open(
      '/dns4/mesh.example/tcp/1',
      '/ip4/192.0.2.1/udp/1/quic-v1',
      `/dns4/${'a'.repeat(250)}/tcp/1`,
      '/ip4/192.0.2.9/tcp/1/ws',
    )
    assert.deepEqual(told(member), ['/dns4/mesh.example/tcp/1'])
  })

  it('are eight by lot, so that in the end everybody is named', () => {
    const members = Array.from({ length: 30 }, (_, index) => open(`/ip4/192.0.2.${index + 1}/tcp/1`))
    const seen = new Map<string, number>()
    for (let i = 0; i < 300; i++) {
      const addresses = told(...members)
      assert.equal(new Set(addresses).size, 8)
      for (const address of addresses) seen.set(address, (seen.get(address) ?? 0) + 1)
    }
    assert.equal(seen.size, members.length)
    // 80 times each on the average, with a deviation of 7.7.
    for (const [address, times] of seen) assert.ok(times > 30 && times < 140, `${address}: ${times}`)
  })

  it('are one of each member before a second of any', () => {
    const many = open(...Array.from({ length: 8 }, (_, index) => `/ip4/198.51.100.${index}/tcp/1`))
    for (let i = 0; i < 20; i++) {
      const addresses = told(many, open('/ip4/192.0.2.1/tcp/1'), open('/ip4/192.0.2.2/tcp/1'))
      assert.equal(addresses.length, 8)
      for (const only of ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/1']) assert.ok(addresses.includes(only))
    }
  })
})

describe('the settings of what a node tells of itself', () => {
  const configured = async (flags: Parameters<typeof readSettings>[0], environment = {}) =>
    configureNode(await readSettings({ new: true, ...flags }, environment), {})

  it('are not public, and where it listens, unless it is told otherwise', async () => {
    const { announce, public: isPublic } = await configured({})
    assert.deepEqual([announce, isPublic], [undefined, undefined])
    const told = await configured({ public: true, announce: ['/dns4/mesh.example/tcp/4001', '/ip6/2001:db8::1/tcp/1'] })
    assert.deepEqual([told.announce, told.public], [['/dns4/mesh.example/tcp/4001', '/ip6/2001:db8::1/tcp/1'], true])
    const fromEnvironment = await configured({}, { DSTACK_MESH_PUBLIC: 'true', DSTACK_MESH_ANNOUNCE: '/ip4/192.0.2.1/tcp/1' })
    assert.deepEqual([fromEnvironment.announce, fromEnvironment.public], [['/ip4/192.0.2.1/tcp/1'], true])
  })

  it('are refused when nobody could dial what they announce', async () => {
    for (const address of ['mesh.example:4001', '/ip4/192.0.2.1', '/unix/tmp%2Fsocket', '/ip4/192.0.2.1/udp/1/quic-v1'])
      await assert.rejects(configured({ announce: [address] }), { code: 'bad_configuration' })
    const nine = Array.from({ length: 9 }, (_, index) => `/ip4/192.0.2.1/tcp/${index + 1}`)
    await assert.rejects(configured({ announce: nine }), { code: 'bad_configuration' })
  })
})

import assert from 'node:assert/strict'
import { systemRandom } from '../../src/base/index.ts'
import { resolveAddress } from '../../src/net/resolve.ts'

const v4 = (...addresses: string[]) => addresses.map((address) => ({ address, family: 4 }))

describe('what is dialed for an address', () => {
  const own = ['/ip4/127.0.0.1/tcp/4001', '/ip4/10.0.0.5/tcp/4001']
  const parts = { own, random: systemRandom }

  it('that is no name is that address, whoever listens there', async () => {
    const lookUp = () => assert.fail('asked for a name')
    for (const address of ['/ip4/10.0.0.7/tcp/4001', '/ip6/::1/tcp/1', '/dnsaddr/example.org', own[0]!]) {
      assert.equal(await resolveAddress(address, { ...parts, lookUp }), address)
    }
  })

  it('that is a name of several members is any one of them, and never this node', async () => {
    const lookUp = async () => v4('10.0.0.5', '10.0.0.6', '10.0.0.7')
    const seen = new Set<string>()
    for (let i = 0; i < 200; i++) seen.add(await resolveAddress('/dns4/member/tcp/4001', { ...parts, lookUp }))
    assert.deepEqual([...seen].sort(), ['/ip4/10.0.0.6/tcp/4001', '/ip4/10.0.0.7/tcp/4001'])
  })

  it('is this machine where another program of it listens', async () => {
    assert.equal(await resolveAddress('/dns4/localhost/tcp/4002', parts), '/ip4/127.0.0.1/tcp/4002')
  })

  it('asks for the family that the address names, and writes what it gets', async () => {
    const asked: unknown[] = []
    const lookUp = async (name: string, family: number) => {
      asked.push([name, family])
      return [{ address: '2001:db8::1', family: 6 }]
    }
    for (const kind of ['dns', 'dns4', 'dns6']) {
      assert.equal(await resolveAddress(`/${kind}/example.org/tcp/1`, { ...parts, lookUp }), '/ip6/2001:db8::1/tcp/1')
    }
    assert.deepEqual(asked, [
      ['example.org', 0],
      ['example.org', 4],
      ['example.org', 6],
    ])
  })

  it('says so where a name stands for nobody, or for this node alone', async () => {
    await assert.rejects(
      resolveAddress('/dns4/member/tcp/4001', { ...parts, lookUp: async () => v4('10.0.0.5') }),
      /this node alone/,
    )
    await assert.rejects(resolveAddress('/dns4/member/tcp/4001', { ...parts, lookUp: async () => [] }), /nobody/)
  })
})

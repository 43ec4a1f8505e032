import assert from 'node:assert/strict'
import { multiaddr } from '@multiformats/multiaddr'
import { hostOf } from '../../src/base/index.ts'

const host = (address: string): string => hostOf(multiaddr(`${address}/tcp/1000`))

describe('the host of an address', () => {
  it('is an IPv4 address', () => {
    assert.equal(host('/ip4/192.0.2.1'), '192.0.2.1')
    assert.notEqual(host('/ip4/192.0.2.1'), host('/ip4/192.0.2.2'))
    assert.equal(host('/ip6/::ffff:192.0.2.1'), '192.0.2.1')
  })

  it('is the /64 of an IPv6 address, however it is written', () => {
    for (const [one, other, same] of [
      ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2', true],
      ['2001:db8::1', '2001:db8:0:0:5::', true],
      ['2001:db8:0:1::1', '2001:db8:0:2::1', false],
      ['2001::1:2:3:4:5:6', '2001::9:2:3:4:5:6', false],
      ['::1', '::2', true],
    ] as const)
      assert.equal(host(`/ip6/${one}`) === host(`/ip6/${other}`), same, `${one} ${other}`)
  })
})

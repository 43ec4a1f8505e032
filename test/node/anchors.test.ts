import assert from 'node:assert/strict'
import { networkOf } from '../../src/node/anchors.ts'

describe('a ledger network that is named by its passphrase', () => {
  const of = (stellarPassphrase: string, horizon: string) =>
    networkOf({ anchor: 'stellar', stellarPassphrase, horizon: [horizon, 'https://other.example'] })

  it('has a friendbot beside its first Horizon where it is an operator’s own, as the quickstart image does', () => {
    const network = of('Standalone Network ; February 2017', 'http://stellar:8000')
    assert.equal(network?.witness, 'devnet')
    assert.equal(network.friendbot, 'http://stellar:8000/friendbot')
  })

  it('has none where the passphrase is that of a network that we know', () => {
    const network = of('Public Global Stellar Network ; September 2015', 'https://horizon.example')
    assert.equal(network?.witness, 'pubnet')
    assert.equal(network.friendbot, undefined)
  })
})

import assert from 'node:assert/strict'
import { Verified } from '../../../src/attest/dcap/verified.ts'

describe('what has been verified', () => {
  const count = () => {
    const verified = new Verified<string>()
    let times = 0
    const get = (key: string) =>
      verified.get(key, () => {
        times++
        return `value of ${key}`
      })
    return { get, times: () => times }
  }
  it('is verified once', () => {
    const { get, times } = count()
    assert.equal(get('a'), 'value of a')
    assert.equal(get('a'), 'value of a')
    assert.equal(get('b'), 'value of b')
    assert.equal(times(), 2)
  })
  it('is forgotten by the thousand, what was unused the longest first', () => {
    const { get, times } = count()
    get('kept')
    get('dropped')
    for (let index = 0; index < 1023; index++) {
      get(`other ${index}`)
      get('kept')
    }
    assert.equal(times(), 1025)
    get('kept')
    assert.equal(times(), 1025)
    get('dropped')
    assert.equal(times(), 1026)
  })
  it('is not remembered when it was refused', () => {
    const verified = new Verified<string>()
    const refuse = () => {
      throw new Error('no')
    }
    assert.throws(() => verified.get('a', refuse))
    assert.equal(
      verified.get('a', () => 'yes'),
      'yes',
    )
  })
})

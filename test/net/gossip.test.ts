import assert from 'node:assert/strict'
import { bytes, Cluster, MAX_BYTES, Member } from './support.ts'

describe('gossip among members', () => {
  let cluster = new Cluster()
  const start = async (count: number): Promise<Member[]> => {
    cluster = await Cluster.start(count)
    return cluster.all
  }
  afterEach(() => cluster.stop())

  it('reaches 20 members on one address, each connected to three others', async () => {
    const all = await start(20)
    await Promise.all(all.flatMap((member, i) => [1, 4, 9].map((step) => member.dial(all[(i + step) % all.length]!))))
    await Promise.all(all.map((member, i) => member.reaches(all[(i + 1) % all.length]!)))
    for (const member of all) assert.equal(await member.network.publish(bytes(member.id)), true)
    await Promise.all(all.flatMap((member) => all.filter((other) => other !== member).map(({ id }) => member.hears(id))))
    for (const member of all) {
      assert.deepEqual(
        member.heard.map(({ data }) => data).sort(),
        all
          .map(({ id }) => id)
          .filter((id) => id !== member.id)
          .sort(),
      )
      for (const { author, data } of member.heard) assert.equal(author, data)
    }
  })

  it('says that nobody hears, and delivers what is published as soon as somebody does', async () => {
    const [one, other] = (await start(2)) as [Member, Member]
    assert.equal(await one.network.publish(bytes('too early')), false)
    await one.dial(other)
    await one.reaches(other)
    assert.equal(await one.network.publish(bytes('at once')), true)
    await other.hears('at once')
  })

  it('passes a message of the largest size through a relay, and nothing longer', async () => {
    const [one, relay, other] = (await start(3)) as [Member, Member, Member]
    await one.dial(relay)
    await relay.dial(other)
    await Promise.all([one.reaches(relay), relay.reaches(other)])
    const largest = 'x'.repeat(MAX_BYTES)
    await one.network.publish(bytes(`${largest}x`))
    await one.network.publish(bytes(largest))
    await other.hears(largest)
    assert.deepEqual(
      relay.heard.map(({ data }) => data.length),
      [MAX_BYTES],
    )
  })

  it('relays only what the validator accepts', async () => {
    const [one, relay, other] = (await start(3)) as [Member, Member, Member]
    await one.dial(relay)
    await relay.dial(other)
    await Promise.all([one.reaches(relay), relay.reaches(other)])
    relay.verdict = (data) => (Buffer.from(data).toString().startsWith('bad') ? 'ignore' : 'accept')
    for (const words of ['bad 1', 'bad 2', 'good']) await one.network.publish(bytes(words))
    await other.hears('good')
    assert.deepEqual(
      other.heard.map(({ data }) => data),
      ['good'],
    )
  })

  it('starts with who is admitted later on the connection that there is, and ends with who is expelled', async () => {
    cluster = new Cluster()
    const [one, other] = [await Member.start(), await Member.start()]
    cluster.all.push(one, other)
    await other.dial(one)
    assert.equal(await one.network.publish(bytes('not for strangers')), false)
    other.admit(one)
    one.admit(other)
    await Promise.all([one.reaches(other), other.reaches(one)])
    assert.equal(one.network.libp2p.getConnections().length, 1)
    await one.network.publish(bytes('welcome'))
    await other.network.publish(bytes('thanks'))
    await Promise.all([other.hears('welcome'), one.hears('thanks')])
    one.expel(other)
    assert.equal(await one.network.publish(bytes('without you')), false)
    assert.deepEqual(one.network.subscribers(), [])
    one.admit(other)
    await one.reaches(other)
    await one.network.publish(bytes('again'))
    await other.hears('again')
    assert.ok(!other.heard.some(({ data }) => data === 'not for strangers'))
  })
})

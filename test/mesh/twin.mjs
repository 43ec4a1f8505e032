// A TD of the built program that makes a cluster with keys it is given: what two TDs are that prepared one genesis. Reads one JSON
// line on standard input, `{ settings, secret }` (secret: hex, epoch 0); says "prepared"; makes the cluster when the next line
// comes; says what became of it as one JSON line; ends when standard input does.
import { createInterface } from 'node:readline'
import { configureNode, createNode, MeshError } from '../../dist/src/index.js'
import { Keyring } from '../../dist/src/keys/index.js'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`)

const { settings, secret } = JSON.parse((await lines.next()).value)
const keys = {
  generate: () => Keyring.fromSecrets([{ epoch: 0, secret: Uint8Array.from(Buffer.from(secret, 'hex')) }]),
  adopt: (entries) => Keyring.fromSecrets(entries),
}
const node = await createNode({ ...(await configureNode(settings, {})), keys })
say('prepared')
await lines.next()
try {
  await node.start()
  say({ status: node.status() })
} catch (error) {
  if (!(error instanceof MeshError)) throw error
  say({ refusal: { name: error.name, code: error.code, message: error.message, next: error.next ?? null } })
}
for await (const _ of lines);
await node.stop()

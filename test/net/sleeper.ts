/** A network in a process of its own, for a test that stops it: writes its addresses as JSON, and lives until its input ends. */
import { startNetwork } from './support.ts'

const network = await startNetwork()
process.stdout.write(`${JSON.stringify(network.libp2p.getMultiaddrs())}\n`)
process.stdin.on('end', () => void network.stop().then(() => process.exit(0))).resume()

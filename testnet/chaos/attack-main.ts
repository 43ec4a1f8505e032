/**
 * A stranger's program, run on a host of a lab: holds `count` connections open, opens a new one for each that is closed, and
 * tells every second how many it opened. `tsx attack-main.ts KIND ADDRESS PORT COUNT`
 */
import { connect, type Socket } from 'node:net'
import { systemRandom } from '../../src/index.ts'

const OPEN_AGAIN_AFTER_MS = 100
const PIECE_BYTES = 1_024
/** The first words of libp2p: which protocol, and that it is to be Noise. */
const HELLO = Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n', 'latin1')

const ENDLESS = new Uint8Array(PIECE_BYTES).fill(0xff)

/** What each kind says once it is connected. */
const KINDS: Readonly<Record<string, (socket: Socket) => void>> = {
  /** Nothing. */
  silent: () => {},
  /** The first words, a byte a second. */
  trickle: (socket) => {
    let at = 0
    const timer = setInterval(() => socket.write(HELLO.subarray(at, ++at)), 1_000)
    socket.on('close', () => clearInterval(timer))
  },
  /** The first words, then nothing: the other side has begun a handshake. */
  'half-open': (socket) => {
    socket.write(HELLO)
  },
  /** Random bytes for as long as they are taken. */
  garbage: (socket) => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(systemRandom.bytes(PIECE_BYTES)));
    }
    socket.on('drain', more)
    more()
  },
  /** A length that does not end, for as long as it is taken. */
  endless: (socket) => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(ENDLESS));
    }
    socket.on('drain', more)
    more()
  },
  /** The first words, then random bytes where the handshake should be. */
  'false-handshake': (socket) => {
    socket.write(Buffer.concat([HELLO, systemRandom.bytes(PIECE_BYTES)]))
  },
}

const [kind = '', address = '', port = '', count = ''] = process.argv.slice(2)
const speak = KINDS[kind]
if (speak === undefined) throw new Error(`${kind}: known are ${Object.keys(KINDS).join(', ')}`)

let opened = 0
const open = (): void => {
  const socket = connect(Number(port), address, () => {
    opened++
    speak(socket)
  })
  // Reads and forgets, so that the end of a connection is noticed.
  socket.resume()
  socket.on('error', () => {})
  socket.on('close', () => setTimeout(open, OPEN_AGAIN_AFTER_MS))
}
for (let i = 0; i < Number(count); i++) open()
setInterval(() => process.send?.(opened), 1_000)
process.on('disconnect', () => process.exit())

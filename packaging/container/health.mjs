// The image's health check: 0 when the node of this container is a member, 1 otherwise. Small on purpose: it runs every few
// seconds, and Node alone starts in a tenth of the command line's time.
import { request } from 'node:http'
import { join } from 'node:path'

const socketPath = join(process.env.DSTACK_MESH_DATA_DIR ?? '/var/lib/dstack-mesh', 'control.sock')

const end = (code, why) => {
  process.stdout.write(`${why}\n`)
  process.exit(code)
}

const asked = request({ socketPath, path: '/status', timeout: 2_000 }, async (response) => {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  const { state } = JSON.parse(text)
  end(state === 'member' ? 0 : 1, state)
})
asked.on('timeout', () => asked.destroy(new Error('no answer')))
asked.on('error', ({ message }) => end(1, message))
asked.end()
process.on('uncaughtException', ({ message }) => end(1, message))

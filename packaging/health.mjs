// Whether the node of this machine is a member: ends with 0 when it is, with 1 when it is not. With `--wait PID` it waits until
// the node is a member, or that process, the node's, is gone.
// The image's health check, and how systemd knows that the node is up. Small on purpose: it runs every few seconds, and Node
// alone starts in a tenth of the command line's time.
import { request } from 'node:http'
import { join } from 'node:path'

const socketPath = join(process.env.DSTACK_MESH_DATA_DIR ?? '/var/lib/dstack-mesh', 'control.sock')
const waitFor = process.argv[2] === '--wait' ? Number(process.argv[3]) : undefined
const TIMEOUT_MS = 2_000
const PAUSE_MS = 250

const end = (code, why) => {
  process.stdout.write(`${why}\n`)
  process.exit(code)
}

const ask = () =>
  new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/status', timeout: TIMEOUT_MS }, async (response) => {
      try {
        let text = ''
        for await (const chunk of response.setEncoding('utf8')) text += chunk
        resolve(JSON.parse(text).state)
      } catch (error) {
        reject(error)
      }
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer')))
    asked.on('error', reject)
    asked.end()
  })

const isRunning = (pid) => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
}

for (;;) {
  const state = await ask().catch(({ message }) => message)
  if (state === 'member') end(0, state)
  if (waitFor === undefined || !isRunning(waitFor)) end(1, state)
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}

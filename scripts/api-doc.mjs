// Writes docs/api.md from the table of routes that the server itself is made from (needs a build). `--check` compares.
import { readFileSync, writeFileSync } from 'node:fs'
import { describeRoutes } from '../dist/src/api/index.js'

const target = 'docs/api.md'
const text = `# The app socket

Every route that an app's unix socket serves, printed from the table that the server is made from (\`npm run docs\`).
dstack's methods take a JSON body by POST (\`content-type: application/json\`), the query string by GET, and protobuf by any other
content type; bytes are lower-case hex in JSON. An error is \`{"error": "…"}\` with 400 (the request), 404 (no such method), 413 (more
than 10 MiB) or 503 with \`retry-after\` (not a member, or too busy). Every answer has a Content-Length. How keys are derived: [keys.md](keys.md).

\`Version\` answers this program's version and name. dstack's SDKs (JavaScript, Python, Go, Rust; v0 and v1) compare no version: that the method
answers at all tells them that ed25519, pre-hashed signing and certificate lifetimes are there. Rules that changed between dstack 0.5 and 0.6 are
0.6's here: error codes, \`EmitEvent\`, the check of a certificate's lifetime.

${describeRoutes()}
`
if (!process.argv.includes('--check')) writeFileSync(target, text)
else if (readFileSync(target, 'utf8') !== text) {
  console.error(`${target} is not what the table of routes gives: run npm run docs`)
  process.exit(1)
}

#!/usr/bin/env node
// Plain JavaScript for any Node: says what to do where Node is too old, instead of failing at some syntax.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `dstack-mesh needs Node 22.18 or newer; this is ${process.version}.\n` +
      'In a checkout, run it as `npx dstack-mesh …`: npx finds the Node that the project brings.\n',
  )
  process.exit(2)
}
// No compile cache: Node runs what lies there without comparing it with the source, and a TD's disk is its host's to write.
const { main } = await import('../dist/src/cli/main.js')
await main(process.argv)

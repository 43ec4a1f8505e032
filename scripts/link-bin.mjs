// Puts the checkout's own command where npx looks first: otherwise the first `npx dstack-mesh` installs the checkout into a
// cache of npm's, which takes ten seconds and warns about the machine's Node.
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'

mkdirSync('node_modules/.bin', { recursive: true })
rmSync('node_modules/.bin/dstack-mesh', { force: true })
symlinkSync('../../bin/dstack-mesh.js', 'node_modules/.bin/dstack-mesh')

// Puts the status page's sources where the compiled program reads them: they are the browser's, not the compiler's.
import { cpSync, rmSync } from 'node:fs'

const target = 'dist/src/api/status/page'
rmSync(target, { recursive: true, force: true })
cpSync('src/api/status/page', target, { recursive: true })

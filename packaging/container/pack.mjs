// What goes into the images, laid out as their file systems below one folder: `pack.mjs OUT`, run in the checkout by the
// Dockerfile's build stage. Nothing is taken that is not named here, and all times are set, so that two builds are alike.
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, extname, join, resolve } from 'node:path'

const out = resolve(process.argv[2])
/** Inside a package, what no program loads: declarations, sources, documents, builds for others. Licences stay. */
const UNLOADED = new Set([
  '.ts',
  '.mts',
  '.cts',
  '.tsx',
  '.map',
  '.md',
  '.markdown',
  '.flow',
  '.proto',
  '.c',
  '.cc',
  '.h',
  '.gyp',
])
const UNLOADED_FOLDERS = new Set([
  'test',
  'tests',
  '__tests__',
  'benchmark',
  'benchmarks',
  'example',
  'examples',
  'docs',
  '.github',
])
/** Of the ledger's SDK only its ES modules are imported; the rest are browser bundles and other module formats. */
const UNLOADED_OF = { '@stellar/stellar-sdk': ['dist', 'types', 'bin', 'lib/cjs', 'lib/axios'] }
const PREBUILT = `${process.platform}-${process.arch}`

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'))

/** The folder of a package as Node finds it from `from`: in the nearest node_modules that has it. */
const find = (name, from) => {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return candidate
    if (folder === dirname(folder)) return undefined
  }
}

/** Copies the packages that `manifest` in `folder` asks for, and all that those ask for, as they lie in `root`. */
const packPackages = (manifest, folder, root, target) => {
  const seen = new Set()
  const waiting = [{ manifest, folder, optional: false }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = next.manifest
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const found = find(name, next.folder)
      const optional = name in optionalDependencies || peerDependenciesMeta[name]?.optional === true
      if (found === undefined && optional) continue
      if (found === undefined) throw new Error(`${name} is not installed; ${next.manifest.name} asks for it`)
      // A peer that nobody asked for by itself is not brought along.
      if (optional && !(name in dependencies) && !(name in optionalDependencies) && !(name in manifest.dependencies)) continue
      if (seen.has(found)) continue
      seen.add(found)
      copyPackage(name, found, join(target, found.slice(root.length)))
      waiting.push({ manifest: readJson(join(found, 'package.json')), folder: found })
    }
  }
}

const copyPackage = (name, from, to) => {
  const unloaded = new Set((UNLOADED_OF[name] ?? []).map((path) => join(from, path)))
  cpSync(from, to, {
    recursive: true,
    filter: (path) => {
      const parts = path.slice(from.length + 1).split('/')
      const last = parts.at(-1)
      if (unloaded.has(path) || UNLOADED.has(extname(path))) return false
      // A dependency of its own is copied as a package, or not at all.
      if (last === 'node_modules' || UNLOADED_FOLDERS.has(last)) return false
      return parts.at(-2) !== 'prebuilds' || last === PREBUILT
    },
  })
}

/** A program and the libraries that it is linked with, at their own paths. */
const packProgram = (program, target) => {
  const linked = execFileSync('ldd', [program], { encoding: 'utf8' })
  for (const path of [program, ...linked.match(/\/\S+(?= \()/g)]) {
    mkdirSync(dirname(join(target, path)), { recursive: true })
    cpSync(realpathSync(path), join(target, path), { dereference: true })
  }
}

const packRuntime = (target) => {
  packProgram('/usr/local/bin/node', target)
  // What a shell would do, which the image has not: drop variables of the environment, and set the limit of core dumps to none.
  packProgram('/usr/bin/env', target)
  packProgram('/usr/bin/prlimit', target)
  mkdirSync(join(target, 'etc'))
  writeFileSync(
    join(target, 'etc/passwd'),
    'root:x:0:0::/:/\ndstack:x:1000:1000::/var/lib/dstack-mesh:/\napp:x:1001:1001::/tmp:/\n',
  )
  writeFileSync(join(target, 'etc/group'), 'root:x:0:\ndstack:x:1000:\napp:x:1001:\n')
}

const isCode = (path) => !path.endsWith('.d.ts')
const TESTNET = resolve('dist/testnet')
const EMULATOR = resolve('dist/src/attest/emulator')

const packNode = (target) => {
  cpSync('bin', join(target, 'app/bin'), { recursive: true })
  cpSync('package.json', join(target, 'app/package.json'))
  cpSync('LICENSE', join(target, 'app/LICENSE'))
  // systemd's unit names them: a TD without containers takes the program from the image (docs/containers.md).
  cpSync('docs', join(target, 'app/docs'), { recursive: true })
  cpSync('packaging/health.mjs', join(target, 'app/health.mjs'))
  cpSync(resolve('dist'), join(target, 'app/dist'), {
    recursive: true,
    filter: (path) => path !== TESTNET && path !== EMULATOR && isCode(path),
  })
  packPackages(readJson('package.json'), process.cwd(), process.cwd(), join(target, 'app'))
}

/** What a rehearsal has and production must not: the emulated platform and the ledger in one process. */
const packRehearsal = (target) => {
  cpSync(EMULATOR, join(target, 'app/dist/src/attest/emulator'), { recursive: true, filter: isCode })
  cpSync(join(TESTNET, 'stellar'), join(target, 'app/dist/testnet/stellar'), { recursive: true, filter: isCode })
}

const packPingHost = (target) => {
  const workspace = resolve('test/interop')
  cpSync('testnet/apps/ping-host', join(target, 'app'), { recursive: true })
  packPackages(readJson(join(workspace, 'package.json')), workspace, workspace, join(target, 'app'))
}

const setTimes = (path) => {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) setTimes(join(path, entry.name))
    else lutimesSync(join(path, entry.name), 0, 0)
  }
  lutimesSync(path, 0, 0)
}

rmSync(out, { recursive: true, force: true })
for (const [name, pack] of Object.entries({
  runtime: packRuntime,
  node: packNode,
  rehearsal: packRehearsal,
  'ping-host': packPingHost,
})) {
  mkdirSync(join(out, name), { recursive: true })
  pack(join(out, name))
}
mkdirSync(join(out, 'empty'))
setTimes(out)

import assert from 'node:assert/strict'
import { chmodSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { program } from '../src/cli/main.ts'
import type { NodeStatus } from '../src/index.ts'
import { ALARM_CODES } from '../src/node/alarm-words.ts'
import { Bench, BIN, type Program } from './mesh/support.ts'
import { type Block, readMarkdown } from './support/markdown.ts'

// What the documents say can be done. The comment before a code block says who tries it:
//   <!-- run -->                on the first member of an emulated mesh, to its end
//   <!-- run: first member -->  starts that member; <!-- run: joiner --> another; <!-- run: leaver --> on the last one, at the end
//   <!-- run-by: FILE -->       another test
//   <!-- needs: … -->           nobody here: what it takes
const SHELLS = ['sh', 'bash', 'shell', 'console']
const NEEDS = ['tdx', 'root', 'public-network', 'docker', 'block-device']

const ignored = /(^|\/)(node_modules|dist)\//
const documents = globSync(['*.md', 'docs/**/*.md', 'protocols/**/*.md', 'testnet/**/*.md', 'packaging/**/*.md'])
  .filter((file) => !ignored.test(file))
  .sort()
  .map((file) => readMarkdown(file, readFileSync(file, 'utf8')))
const shellBlocks = documents.flatMap(({ blocks }) => blocks.filter(({ language }) => SHELLS.includes(language)))
const where = ({ file, line }: { file: string; line: number }): string => `${file}:${line}`

describe('the documents', function () {
  this.timeout(60_000)

  it('are the ones that a stranger needs', () => {
    const names = documents.map(({ file }) => file)
    for (const name of ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md']) assert.ok(names.includes(name), name)
    for (const name of ['operating', 'security', 'porting', 'anchor', 'api', 'keys', 'logs', 'metrics', 'containers'])
      assert.ok(names.includes(`docs/${name}.md`), name)
  })

  it('link to files and headings that exist', () => {
    const anchors = new Map(documents.map((document) => [resolve(document.file), document.anchors]))
    const broken: string[] = []
    let checked = 0
    for (const link of documents.flatMap(({ links }) => links)) {
      if (/^[a-z]+:/.test(link.target)) continue
      checked++
      const [path = '', anchor] = link.target.split('#', 2)
      const target = path === '' ? resolve(link.file) : resolve(dirname(link.file), decodeURIComponent(path))
      if (!existsSync(target)) broken.push(`${where(link)}: no file ${link.target}`)
      else if (anchor !== undefined && anchors.get(target)?.has(anchor) !== true)
        broken.push(`${where(link)}: no heading ${link.target}`)
    }
    assert.deepEqual(broken, [])
    assert.ok(checked > 100, `only ${checked} links were found`)
  })

  it('name sources and tests that exist', () => {
    const path = /^(?:src|test|protocols|testnet|packaging|scripts|bench)\/[\w./*-]+$/
    const named = documents.flatMap(({ file, spans }) =>
      spans.filter(({ text }) => path.test(text)).map(({ text, line }) => ({ text, place: `${file}:${line}` })),
    )
    assert.ok(named.length > 40, `only ${named.length} paths were found`)
    assert.deepEqual(
      named.filter(({ text }) => globSync(text).length === 0).map(({ text, place }) => `${place}: ${text}`),
      [],
    )
  })

  it('say of each block of commands who tries it', () => {
    assert.ok(shellBlocks.length > 20)
    for (const block of shellBlocks) {
      const [kind, what] = (block.marker ?? '').split(': ', 2)
      if (kind === 'run') assert.ok([undefined, ...Object.keys(PLACES)].includes(what), `${where(block)}: ${block.marker}`)
      else if (kind === 'run-by') {
        const named = readFileSync(what!, 'utf8')
        for (const [command, ...words] of invocations(block.text)) {
          for (const word of [command!, ...words.filter((each) => each.startsWith('--'))]) {
            assert.ok(named.includes(word), `${where(block)}: nothing in ${what} has to do with ${word}`)
          }
        }
      } else if (kind === 'needs')
        for (const need of what!.split(', ')) assert.ok(NEEDS.includes(need), `${where(block)}: ${need}`)
      else assert.fail(`${where(block)}: nobody tries these commands; mark them (test/docs.test.ts says how)`)
    }
  })

  it('name only commands and flags that there are, tried or not', () => {
    const root = program()
    const wrong: string[] = []
    let checked = 0
    const check = (text: string, place: string) => {
      for (const words of invocations(text)) {
        const found = fault(root, words)
        checked++
        if (found !== undefined) wrong.push(`${place}: dstack-mesh ${words.join(' ')}: ${found}`)
      }
    }
    for (const { file, spans } of documents) for (const { line, text } of spans) check(text, `${file}:${line}`)
    for (const block of shellBlocks) check(block.text, where(block))
    assert.deepEqual(wrong, [])
    assert.ok(checked > 35, `only ${checked} commands were found`)
    assert.equal(fault(root, ['up', '--listens']), 'no flag --listens')
    assert.equal(fault(root, ['upp']), 'no command upp')
  })

  it('name only npm scripts that there are', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
    const texts = documents.flatMap(({ spans, blocks }) => [...spans, ...blocks].map(({ text }) => text))
    const named = texts.flatMap((text) => [...text.matchAll(/\bnpm run ([a-z:-]+)/g)].map(([, name]) => name!))
    assert.ok(named.length > 20, `only ${named.length} scripts were found`)
    assert.deepEqual(
      named.filter((name) => scripts[name] === undefined),
      [],
    )
  })

  it('have a heading for each alert and each alarm', () => {
    const anchors = new Map(documents.map(({ file, anchors: of }) => [file, of]))
    const runbooks = [...readFileSync('testnet/monitoring/alerts.yml', 'utf8').matchAll(/runbook: '?([^'\n]+)'?/g)].map(
      ([, target]) => target!,
    )
    assert.ok(runbooks.length > 10)
    for (const runbook of runbooks) {
      const named = runbook.includes('{{') ? ALARM_CODES.map((alarm) => runbook.replace(/\{\{.*\}\}/, alarm)) : [runbook]
      for (const target of named) {
        const [file, anchor] = target.split('#', 2)
        assert.ok(anchors.get(file!)?.has(anchor!), `no heading ${target}`)
      }
    }
    assert.ok(anchors.get('docs/operating.md')!.has('contract_failed'))
  })

  describe('hold commands that work', () => {
    for (const { file, blocks } of documents) {
      const own = blocks.filter(({ language, marker }) => SHELLS.includes(language) && /^run(:|$)/.test(marker ?? ''))
      if (own.length === 0) continue
      it(file, async () => {
        const bench = await Bench.open()
        try {
          await tryOut(new Shell(bench), own)
        } finally {
          await bench.close()
        }
      })
    }
  })
})

/** The words of each `dstack-mesh …`, up to where the shell has something else to do. */
const invocations = (text: string): string[][] =>
  [...text.replace(/\\\n\s*/g, ' ').matchAll(/(?:^|\s)dstack-mesh +([^\n|>#;&]*)/gm)]
    .map(([, rest]) => (rest!.match(/"[^"]*"|'[^']*'|\S+/g) ?? []).map((word) => word.replace(/^["']|["']$/g, '')))
    .filter(([first]) => first !== undefined && /^(--)?[a-z]/.test(first))

/** What is wrong with a command line, as far as its words can tell. */
const fault = (root: Command, words: readonly string[]): string | undefined => {
  let command = root
  let at = 0
  for (; at < words.length; at++) {
    const next = command.commands.find((child) => child.name() === words[at])
    if (next === undefined) break
    command = next
  }
  const word = words[at]
  if (command.commands.length > 0 && command.registeredArguments.length === 0 && word !== undefined && /^[a-z]/.test(word))
    return `no command ${word}`
  const known = new Set(['--help', '--version', ...command.options.map(({ long }) => long)])
  const unknown = words.slice(at).find((flag) => /^--[a-z]/.test(flag) && !known.has(flag.split('=', 1)[0]!))
  return unknown === undefined ? undefined : `no flag ${unknown}`
}

const PLACES = { 'first member': 'first', joiner: 'joiner', leaver: 'leaver' } as const
const placeOf = ({ marker }: Block): (typeof PLACES)[keyof typeof PLACES] | undefined =>
  PLACES[marker!.split(': ', 2)[1] as keyof typeof PLACES]

/** Runs blocks as they stand, but for their placeholders, on emulated nodes in one folder. */
class Shell {
  readonly #placeholders = new Map([['/ip4/0.0.0.0/tcp/4001', '/ip4/127.0.0.1/tcp/0']])
  readonly #work: string

  constructor(readonly bench: Bench) {
    this.#work = bench.dataDir('work')
    mkdirSync(this.#work)
    const npx = join(bench.folder, 'npx')
    writeFileSync(
      npx,
      `#!/bin/sh\n[ "$1" = dstack-mesh ] || exit 127\nshift\nexec '${process.execPath}' '${resolve(BIN)}' "$@"\n`,
    )
    chmodSync(npx, 0o755)
  }

  fill(placeholder: string, value: string): void {
    this.#placeholders.set(placeholder, value)
  }

  start(node: string, text: string): Program {
    let script = text
    for (const [placeholder, value] of this.#placeholders) script = script.replaceAll(placeholder, value)
    return this.bench.run('/bin/bash', ['-euo', 'pipefail', '-c', `cd '${this.#work}'\n${script}`], {
      PATH: `${this.bench.folder}:${process.env.PATH}`,
      DSTACK_MESH_TEE: 'emulator',
      DSTACK_MESH_EMULATOR_ROOT: join(this.bench.folder, 'root.json'),
      DSTACK_MESH_ANCHOR: `file:${join(this.bench.folder, 'anchor.jsonl')}`,
      DSTACK_MESH_LISTEN: '/ip4/127.0.0.1/tcp/0',
      DSTACK_MESH_STATUS_LISTEN: '127.0.0.1:0',
      DSTACK_MESH_DATA_DIR: this.bench.dataDir(node),
      DSTACK_MESH_SOCKET: this.bench.socket(node),
    })
  }

  /** To its end, which must be a good one. */
  async run(node: string, text: string, block: Pick<Block, 'file' | 'line'>): Promise<string> {
    const started = this.start(node, text)
    const { code } = await started.end()
    assert.equal(code, 0, `${where(block)}:\n${text}\n${started.stdout}${started.stderr}`)
    return started.stdout
  }

  async member(node: string, text: string): Promise<NodeStatus> {
    const started = this.start(node, text)
    await started.firstLine()
    await started.printed('Join another: ')
    assert.match(started.stdout, /^member of G/)
    return JSON.parse(await this.run(node, 'npx dstack-mesh status --json', { file: 'status of', line: 0 })) as NodeStatus
  }
}

const tryOut = async (shell: Shell, blocks: readonly Block[]): Promise<void> => {
  const at = (place: ReturnType<typeof placeOf>) => blocks.filter((block) => placeOf(block) === place)
  const first = await shell.member('first', at('first')[0]?.text ?? 'npx dstack-mesh up --new')
  shell.fill('G…', first.cluster!)
  shell.fill('/ip4/192.0.2.1/tcp/4001', first.addresses[0]!)
  shell.fill('http://127.0.0.1:8091/', first.statusUrl!)
  shell.fill('/var/run/dstack.sock', first.apps[0]!.socket)
  const join = 'npx dstack-mesh up --cluster G… --peer /ip4/192.0.2.1/tcp/4001'
  const joiners = at('joiner').map(({ text }) => text)
  if (joiners.length === 0 && at('leaver').length > 0) joiners.push(join)
  for (const [index, text] of joiners.entries()) {
    const joined = await shell.member(`joiner-${index}`, text)
    assert.equal(joined.cluster, first.cluster)
  }
  for (const block of at(undefined))
    assert.notEqual(await shell.run('first', block.text, block), '', `${where(block)} printed nothing`)
  for (const block of at('leaver')) await shell.run(`joiner-${joiners.length - 1}`, block.text, block)
}

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** The whole page as one document, with the policy under which nothing else can run in it. */
export interface Page {
  readonly html: string
  readonly contentSecurityPolicy: string
}

/** In this order: each may use those before it. */
const SCRIPTS = ['text.js', 'words.js', 'layout.js', 'graph.js', 'chart.js', 'sections.js', 'page.js']
const STYLES = ['page.css']

const folder = new URL('./page/', import.meta.url)
const read = (name: string): Promise<string> => readFile(new URL(name, folder), 'utf8')

/** The modules as one script: the order is fixed, and no two have a top-level name in common (a test loads the result). */
const joined = (modules: readonly string[]): string =>
  modules.map((module) => module.replace(/^import [^;]*? from '\.\/[a-z-]+\.js'\n/gm, '').replace(/^export /gm, '')).join('\n')

const hashOf = (content: string): string => `'sha256-${createHash('sha256').update(content).digest('base64')}'`

export const loadPage = async (): Promise<Page> => {
  const [template, style, script] = await Promise.all([
    read('page.html'),
    Promise.all(STYLES.map(read)).then((parts) => parts.join('\n')),
    Promise.all(SCRIPTS.map(read)).then(joined),
  ])
  // Functions, so that no `$&` in what is put in means anything.
  const html = template.replace('/*STYLE*/', () => style).replace('/*SCRIPT*/', () => script)
  return {
    html,
    contentSecurityPolicy: [
      "default-src 'none'",
      `script-src ${hashOf(script)}`,
      `style-src ${hashOf(style)}`,
      "connect-src 'self'",
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  }
}

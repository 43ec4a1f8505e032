/** What tests read in a Markdown document: its code blocks, headings and links. */

/** A fenced code block. */
export interface Block {
  readonly file: string
  /** Of the opening fence, from 1. */
  readonly line: number
  readonly language: string
  readonly text: string
  /** The HTML comment on the line before it, without its signs. */
  readonly marker: string | undefined
}

/** A link or an image; `target` as it is written. */
export interface Link {
  readonly file: string
  readonly line: number
  readonly target: string
}

export interface Document {
  readonly file: string
  readonly blocks: readonly Block[]
  readonly links: readonly Link[]
  /** As GitHub makes them of headings. */
  readonly anchors: ReadonlySet<string>
  /** Code within a line. */
  readonly spans: readonly { readonly line: number; readonly text: string }[]
}

const FENCE = /^( {0,3}|> ?)(`{3,}|~{3,})\s*(\S*)/

/** GitHub's name of a heading: markup gone, in lower case, spaces to dashes, and nothing but letters, digits, `_` and `-`. */
const slug = (heading: string): string =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[`*]/g, '')
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_\- ]/gu, '')
    .replace(/ /g, '-')

export const readMarkdown = (file: string, content: string): Document => {
  const blocks: Block[] = []
  const links: Link[] = []
  const anchors = new Set<string>()
  const spans: { line: number; text: string }[] = []
  const lines = content.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const text = lines[at]!
    const fence = FENCE.exec(text)
    if (fence !== null) {
      const end = lines.findIndex((later, index) => index > at && later.trim().startsWith(fence[2]!))
      if (end < 0) throw new Error(`${file}:${at + 1}: a code block without end`)
      const marker = /^<!-- (.*) -->$/.exec(lines[at - 1] ?? '')?.[1]
      blocks.push({ file, line: at + 1, language: fence[3]!, text: lines.slice(at + 1, end).join('\n'), marker })
      at = end
      continue
    }
    const heading = /^#{1,6} (.*)$/.exec(text)?.[1]
    if (heading !== undefined) {
      const name = slug(heading)
      let unique = name
      for (let count = 1; anchors.has(unique); count++) unique = `${name}-${count}`
      anchors.add(unique)
    }
    for (const [, code] of text.matchAll(/`([^`]+)`/g)) spans.push({ line: at + 1, text: code! })
    const prose = text.replace(/`[^`]*`/g, (code) => 'x'.repeat(code.length))
    for (const [, target] of prose.matchAll(/\]\(([^()\s]+(?:\([^()]*\)[^()\s]*)*)(?: "[^"]*")?\)/g)) {
      links.push({ file, line: at + 1, target: target! })
    }
    for (const [, target] of prose.matchAll(/^\[[^\]]+\]:\s+(\S+)/g)) links.push({ file, line: at + 1, target: target! })
  }
  return { file, blocks, links, anchors, spans }
}

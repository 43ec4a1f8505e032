import { join } from 'node:path'
import { type Anchor, fileAnchor, noAnchor } from '../anchor/index.ts'
import { UsageError } from '../base/index.ts'

/** The anchor that a setting names: `file:<path>` (default: in the data folder) or `none`. */
export const anchorOf = (text: string | undefined, dataDir: string): Anchor => {
  if (text === undefined) return fileAnchor(join(dataDir, 'anchor.jsonl'))
  if (text === 'none') return noAnchor
  if (text.startsWith('file:') && text.length > 'file:'.length) return fileAnchor(text.slice('file:'.length))
  throw new UsageError('bad_configuration', `${JSON.stringify(text)} is not an anchor`, { next: 'write file:<path>, or none' })
}

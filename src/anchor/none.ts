import { FILE_NETWORK } from '../../protocols/records/constants.ts'
import { utf8 } from '../../protocols/wire/bytes.ts'
import { UsageError } from '../base/index.ts'
import type { Anchor } from './anchor.ts'

/** No witness: a joiner has only the cluster id to go by. It can join so, but no cluster is made without an anchor. */
export const noAnchor: Anchor = {
  witness: 'none',
  network: utf8(FILE_NETWORK),
  read: async () => undefined,
  publish: async () => {
    throw new UsageError('no_anchor', 'a new cluster needs an anchor', { next: 'give --anchor file:<path>' })
  },
}

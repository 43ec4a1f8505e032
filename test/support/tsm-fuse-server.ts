import { rmdirSync } from 'node:fs'
import { createEmulatedPki } from '../../src/attest/emulator/index.ts'
import { FuseServer } from './tsm-fuse-protocol.ts'
import { type TreeCounts, type Trouble, TsmTree } from './tsm-fuse-tree.ts'

// The process that serves the tree. Its own process, because a file system served from the process that reads it blocks itself.

/** What the test says; each is answered by one {@link ServerReply}. */
export type ServerCommand =
  | { readonly trouble: Trouble }
  | { readonly set: { provider?: string | null; latencyMs?: number; eventLog?: Uint8Array | number } }
  | { readonly hold: boolean }
  | { readonly extend: { index: number; digest: Uint8Array } }
  | { readonly look: true }
export interface ServerReply {
  readonly counts: TreeCounts
  readonly rtmrs: readonly Uint8Array[]
}
export interface ServerReady {
  readonly rootDer: Uint8Array
  readonly collateral: ReturnType<ReturnType<typeof createEmulatedPki>['collateral']>
}

const [mountPoint] = process.argv.slice(2)
const nowMs = Date.now()
const pki = createEmulatedPki({ nowMs })
const platform = pki.platform()
const tree = new TsmTree((reportData, [rtmr0, rtmr1, rtmr2, rtmr3]) => {
  const quote = platform.quote({ reportData, rtmr0: rtmr0!, rtmr1: rtmr1!, rtmr2: rtmr2!, rtmr3: rtmr3! })
  // Real quotes carry padding after what is signed.
  return Buffer.concat([quote, new Uint8Array(39)])
})
const server = new FuseServer(tree, mountPoint!)

const obey = (command: ServerCommand): void => {
  if ('trouble' in command) tree.trouble(command.trouble)
  if ('hold' in command) command.hold ? tree.hold() : tree.release()
  if ('extend' in command) tree.extend(command.extend.index, command.extend.digest)
  if ('set' in command) {
    const { provider, latencyMs, eventLog } = command.set
    if (provider !== undefined) tree.provider = provider ?? undefined
    if (latencyMs !== undefined) tree.latencyMs = latencyMs
    if (eventLog !== undefined) tree.eventLog = eventLog
  }
}

// The test is gone, or wants us gone: leave neither mount nor directory. A Ctrl-C that reaches the whole group is for the test to hear.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
process.on('disconnect', () => {
  tree.release()
  void server.stop().then(() => {
    rmdirSync(mountPoint!)
    process.exit(0)
  })
})
process.on('message', (command: ServerCommand) => {
  obey(command)
  process.send?.({ counts: tree.counts, rtmrs: tree.rtmrs } satisfies ServerReply)
})
server.start()
process.send?.({ rootDer: pki.rootDer, collateral: pki.collateral(nowMs) } satisfies ServerReady)

import { Option } from 'commander'
import { controlSocketPath, environmentName, standardDataDir } from '../index.ts'

/** Which running node a command is about. */
export const dataDirOption = (): Option =>
  new Option('--data-dir <folder>', `the node's data folder (default: ${standardDataDir(process.env)})`).env(
    environmentName('dataDir'),
  )

export const controlSocketOf = (options: { dataDir?: string }): string =>
  controlSocketPath(options.dataDir ?? standardDataDir(process.env))

import { collectDefaultMetrics, Registry } from 'prom-client'

let registry: Registry | undefined

/**
 * Processor time, memory, files, event loop and garbage collection: of the process, so once for all nodes in it. prom-client
 * has no way to end these observers, which is another reason to make them once.
 */
export const processRegistry = (): Registry => {
  if (registry === undefined) {
    registry = new Registry()
    collectDefaultMetrics({ register: registry })
  }
  return registry
}

import { prometheusMetrics } from '@libp2p/prometheus-metrics'
import { register as defaultRegistry, Registry } from 'prom-client'

/** What the package counts of the process and its folder besides; ours are in process.ts. */
const NOT_LIBP2P = ['nodejs_memory_usage_bytes', 'nodejs_memory_total_bytes', 'nodejs_fs_usage_bytes']

export interface LibraryMetrics {
  readonly registry: Registry
  readonly service: ReturnType<typeof prometheusMetrics>
}

/**
 * libp2p's own series, in a registry of their own. The package empties prom-client's default registry when it is made, which
 * is not ours but that of the program around us: what is there is put back. (Its alternative, to keep what exists, would give
 * a second node in this process the first one's series.)
 */
export const libraryMetrics = (): LibraryMetrics => {
  const registry = new Registry()
  const make = prometheusMetrics({ registry, collectDefaultMetrics: false })
  return {
    registry,
    service: (components) => {
      const others = defaultRegistry.getMetricsAsArray()
      const service = make(components)
      for (const metric of others) defaultRegistry.registerMetric(metric as never)
      for (const name of NOT_LIBP2P) registry.removeSingleMetric(name)
      return service
    },
  }
}

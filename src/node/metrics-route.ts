import type { StatusRoute } from '../api/index.ts'
import type { NodeMetrics } from './metrics/index.ts'

/** What the status port serves of a node's metrics, where it has any. */
export const metricsRoutes = (metrics: NodeMetrics | undefined): StatusRoute[] => {
  if (metrics === undefined) return []
  return [
    {
      path: '/metrics',
      async handle() {
        const { contentType, body } = await metrics.render()
        return { type: contentType, body }
      },
    },
  ]
}

export { type AnsweredRequest, type MetricsInit, type MetricsSource, NodeMetrics, type Rendered } from './metrics.ts'
export { describeSeries, SERIES, type Series } from './series.ts'

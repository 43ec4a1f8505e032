export { type EvidenceSource, evidenceRoute } from './evidence.ts'
export { type Happened, type Happening, History, type Minute } from './history.ts'
export { STATUS_LIMITS, type StatusLimits } from './limits.ts'
export {
  createStatusServer,
  type StatusAnswer,
  type StatusPlace,
  type StatusRequest,
  type StatusRoute,
  type StatusServer,
  type StatusServerInit,
  type StatusSource,
} from './server.ts'
export { type StatusView, VIEW_MEMBERS_MAX } from './view.ts'

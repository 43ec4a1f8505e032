export { createTdxAttester, detectTdx, type TdxAttester, type TdxAttesterInit, type TdxDetection } from './attester.ts'
export { TDX_ERROR_CODES, type TdxErrorCode } from './errors.ts'
export { type BootEvent, checkEventLog, EVENT_LOG_LIMIT_BYTES, type EventLogReplay, replayEventLog } from './event-log.ts'
export { TDX_PATHS, type TdxPaths } from './paths.ts'

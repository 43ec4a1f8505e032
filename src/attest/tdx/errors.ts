import { type MeshError, RefusedError, TransientError, UsageError } from '../../base/index.ts'
import { type FileOutcome, QUOTE_LIMIT_BYTES, TDX_PROVIDER } from './file-work.ts'

/**
 * Every code that this folder's errors carry. A closed set, by what the reader must do: {@link UsageError} fix the machine or the
 * configuration, {@link TransientError} try later, {@link RefusedError} stop.
 */
export const TDX_ERROR_CODES = [
  // UsageError
  'tdx_absent', // no configfs-tsm here: not a TD, or a kernel without it
  'tdx_other_provider', // reports here are not TDX's
  'tdx_provider_gone', // configfs-tsm without a provider: the TDX driver is not loaded
  'tdx_denied', // no permission
  'tdx_report_data', // not 64 bytes
  'rtmr_unsupported', // the kernel cannot extend RTMR3 from user space
  'tdx_stopped',
  // TransientError
  'tdx_busy', // it stayed busy, or too many callers wait
  'tdx_no_answer', // the deadline passed
  'tdx_quote_failed', // the driver or the host's quoting service failed
  'tdx_thread_lost',
  'rtmr_failed', // the extension failed; what RTMR3 holds is checked again next time
  // RefusedError
  'tdx_quote_unusable', // not a quote, or not over our report data
  'rtmr_foreign', // somebody else extended RTMR3
  'event_log_absent',
  'event_log_too_large',
  'event_log_malformed',
  'event_log_mismatch',
] as const
export type TdxErrorCode = (typeof TDX_ERROR_CODES)[number]

export type FileFailure = Extract<FileOutcome, { ok: false }>

/** errno values that say "not now" (Linux, drivers/virt/coco: quote in flight, signal, quoting service slow). */
const TRANSIENT_ERRNOS: ReadonlySet<string> = new Set(['EBUSY', 'EINTR', 'ETIMEDOUT', 'EAGAIN'])

/** Whether another attempt may succeed at once: a transient errno, a commit that did not happen, or a race on the entry. */
export const isWorthRetrying = ({ step, errno }: FileFailure): boolean =>
  step === 'commit' || step === 'race' || (errno !== undefined && TRANSIENT_ERRNOS.has(errno))

const NOT_A_TD = 'Run it inside a TDX guest with Linux 6.7 or later and configfs mounted, or say --tee emulator to rehearse.'
const LOAD_DRIVER = 'Load the driver (modprobe tdx_guest) and look at the kernel log.'

/** The error for work that failed and will not be tried again. `reportDir` names where it was tried. */
export const quoteError = (failure: FileFailure, reportDir: string, provider?: string): MeshError => {
  const { step, errno } = failure
  const at = `asking for a quote in ${reportDir}: ${step}${errno === undefined ? '' : ` failed with ${errno}`}`
  if (step === 'mkdir' && (errno === 'ENOENT' || errno === 'ENOTDIR')) {
    return new UsageError(
      'tdx_absent',
      `${reportDir} is not there: this machine is not a TD, or its kernel has no configfs-tsm`,
      {
        next: NOT_A_TD,
      },
    )
  }
  if (errno === 'EACCES' || errno === 'EPERM' || errno === 'EROFS') {
    return new UsageError('tdx_denied', at, { next: 'Run the node as root, or with write access to configfs-tsm.' })
  }
  if (errno === 'ENXIO') {
    return new UsageError('tdx_provider_gone', `${at}: no provider of reports is registered`, { next: LOAD_DRIVER })
  }
  if (step === 'provider' && errno === undefined) {
    const found = provider === undefined ? 'another' : JSON.stringify(provider.slice(0, 64))
    return new UsageError('tdx_other_provider', `${reportDir} makes reports of provider ${found}, expected ${TDX_PROVIDER}`, {
      next: NOT_A_TD,
    })
  }
  if (step === 'too-large') {
    return new RefusedError('tdx_quote_unusable', `${reportDir} gave a quote of more than ${QUOTE_LIMIT_BYTES} bytes`)
  }
  if (step === 'commit') {
    return new TransientError('tdx_busy', `${at}: the kernel did not take the report data`, { next: 'Try again later.' })
  }
  if (step === 'race') {
    return new TransientError('tdx_busy', `${at}: another process keeps writing to our entry`, {
      next: 'Find what else uses configfs-tsm in this TD.',
    })
  }
  if (isWorthRetrying(failure)) {
    return new TransientError('tdx_busy', at, {
      next: "Try again later; look at the host's quote generation service if it stays.",
    })
  }
  return new TransientError('tdx_quote_failed', at, {
    next: "Check the host's quote generation service (QGS) and its registration with Intel; the members' work does not depend on it.",
  })
}

export const rtmrError = ({ step, errno }: FileFailure, path: string): MeshError => {
  const why = errno === undefined ? '' : ` (${errno})`
  if (step === 'rtmr-open' && (errno === 'ENOENT' || errno === 'ENOTDIR')) {
    return new UsageError('rtmr_unsupported', `${path} is not there: this kernel cannot extend RTMR3 from user space`, {
      next: 'Use Linux 6.16 or later with the tdx_guest driver.',
    })
  }
  if (errno === 'EACCES' || errno === 'EPERM' || errno === 'EROFS') {
    return new UsageError('tdx_denied', `extending RTMR3 at ${path}: no permission${why}`, { next: 'Run the node as root.' })
  }
  if (step === 'rtmr-foreign' || step === 'rtmr-verify' || step === 'too-large') {
    return new RefusedError(
      'rtmr_foreign',
      `${path} does not hold what our events replay to: something else in this TD extends RTMR3`,
      {
        next: 'Start the TD again, with an image in which only the node extends RTMR3.',
      },
    )
  }
  return new TransientError('rtmr_failed', `extending RTMR3 at ${path}: ${step}${why}`, { next: 'Look at the kernel log.' })
}

export const eventLogError = ({ step, errno }: FileFailure, path: string): MeshError => {
  if (step === 'too-large') {
    return new RefusedError('event_log_too_large', `${path} is larger than any boot event log; it was not read`)
  }
  if (errno === 'EACCES' || errno === 'EPERM') {
    return new UsageError('tdx_denied', `reading ${path}: no permission (${errno})`, { next: 'Run the node as root.' })
  }
  return new RefusedError('event_log_absent', `reading ${path}: ${errno ?? step}`, {
    next: 'Boot the TD with firmware that measures into a CC event log (TDVF, OVMF).',
  })
}

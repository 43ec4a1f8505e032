import { type Clock, messageOf, TransientError, UsageError } from '../../base/index.ts'
import type { Collateral } from '../dcap/index.ts'
import type { Platform } from './platform.ts'

/**
 * Fetching collateral by Intel's "Provisioning Certification Service" API, version 4, which Intel's own service (PCS) and the
 * caching services (PCCS) that machines' operators run both speak. Nothing here is believed: whoever answers, it is signed data
 * that `prepareCollateral` judges. What is bounded here is what an answer can cost.
 */
export interface CollateralEndpoint {
  /** Base URL, without a slash at the end; the API's paths follow it. */
  readonly url: string
  /** Where the root CA's revocation list is: the API of Intel's PCS has none. */
  readonly rootCaCrlUrl: string
}

/** Intel's own service. */
export const INTEL_PCS: CollateralEndpoint = {
  url: 'https://api.trustedservices.intel.com',
  rootCaCrlUrl: 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
}

const REQUEST_TIMEOUT_MS = 10_000
/** TCB info, the largest answer, has about 15 KiB for today's machines. */
const BODY_LIMIT_BYTES = 96 * 1024
/** All of it travels in evidence, with issuer chains of some KiB and a quote, in a message of 256 KiB (protocols/wire). */
const COLLATERAL_LIMIT_BYTES = 160 * 1024

/**
 * The endpoint at a configured URL: Intel's service, or a caching service, which has the root's list below the same URL.
 * Plain http is fine on a trusted network, since everything fetched is signed. Throws {@link UsageError} `endpoint_invalid`.
 */
export const collateralEndpoint = (url: string): CollateralEndpoint => {
  const parsed = URL.parse(url)
  const sound =
    parsed !== null && /^https?:$/.test(parsed.protocol) && !parsed.username && !parsed.password && !parsed.search && !parsed.hash
  if (!sound) {
    throw new UsageError('endpoint_invalid', `${JSON.stringify(url.slice(0, 200))} is not the URL of a collateral service`, {
      next: 'Give http:// or https://, host and port, such as https://pccs.example:8081.',
    })
  }
  const base = parsed.href.replace(/\/+$/, '')
  if (base === INTEL_PCS.url) return INTEL_PCS
  return { url: base, rootCaCrlUrl: `${base}/sgx/certification/v4/rootcacrl` }
}

/** What may go wrong with an answer, in words for the operator. */
const badAnswer = (url: string, found: string): TransientError =>
  new TransientError('collateral_bad_answer', `fetching collateral: ${url} ${found}`, {
    next: 'Check that the URL is that of a PCS or PCCS with API version 4, and the log of the service.',
  })

interface Answer {
  headers: Headers
  bytes: Uint8Array
}

const readBody = async (url: string, response: Response): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  let total = 0
  // Counted as it arrives: a length that the header announces binds nobody.
  for await (const chunk of response.body ?? []) {
    total += chunk.length
    if (total > BODY_LIMIT_BYTES) throw badAnswer(url, `answered with more than ${BODY_LIMIT_BYTES} bytes`)
    chunks.push(chunk)
  }
  if (total === 0) throw badAnswer(url, 'answered with nothing')
  const bytes = new Uint8Array(total)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

const get = async (url: string, clock: Clock, signal: AbortSignal): Promise<Answer> => {
  using deadline = clock.deadline(REQUEST_TIMEOUT_MS, signal)
  try {
    // A redirect is refused, not followed: it would let a caching service point the TD at hosts nobody configured.
    const response = await fetch(url, {
      redirect: 'manual',
      signal: deadline.signal,
      headers: { 'accept-encoding': 'identity' },
    })
    try {
      if (response.status !== 200) throw badAnswer(url, `answered with status ${response.status}`)
      return { headers: response.headers, bytes: await readBody(url, response) }
    } finally {
      if (!response.bodyUsed) await response.body?.cancel()
    }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof TransientError) throw error
    const reason = deadline.signal.aborted ? deadline.signal.reason : error
    throw new TransientError('collateral_unreachable', `fetching collateral: ${url} did not answer (${causes(reason)})`, {
      next: 'Check the URL and the network between this TD and the service.',
      cause: error,
    })
  }
}

/** fetch() says only "fetch failed"; the reason is the cause. */
const causes = (error: unknown): string =>
  error instanceof Error && error.cause instanceof Error ? `${error.message}: ${messageOf(error.cause)}` : messageOf(error)

const issuerChain = (url: string, { headers }: Answer, name: string): string => {
  const value = headers.get(name)
  if (value === null) throw badAnswer(url, `answered without the header ${name}`)
  try {
    return decodeURIComponent(value)
  } catch {
    throw badAnswer(url, `answered with a header ${name} that is not URL-encoded`)
  }
}

/** DER, or DER in hex, which caching services give for the root's list, and older ones for the other list too. */
const crlOf = (url: string, { bytes }: Answer): Uint8Array => {
  const DER_SEQUENCE = 0x30
  const HEX_OF_SEQUENCE = 0x33
  if (bytes[0] === DER_SEQUENCE) return bytes
  const hex = bytes[0] === HEX_OF_SEQUENCE ? new TextDecoder('latin1').decode(bytes).trim() : ''
  if (hex.length === 0 || hex.length % 2 !== 0 || !/^[0-9a-fA-F]+$/.test(hex)) {
    throw badAnswer(url, 'answered with what is neither a DER revocation list nor one in hex')
  }
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

/** `{"<name>":{…},"signature":"<r ‖ s>"}`, where the signature is over the exact text of the inner object. */
const signedText = (
  url: string,
  { bytes }: Answer,
  name: 'tcbInfo' | 'enclaveIdentity',
): { text: string; signature: Uint8Array } => {
  let body = ''
  try {
    body = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {}
  const match = new RegExp(
    String.raw`^\s*\{\s*"${name}"\s*:\s*(\{[\s\S]*\})\s*,\s*"signature"\s*:\s*"([0-9a-fA-F]{128})"\s*\}\s*$`,
  ).exec(body)
  if (match === null) throw badAnswer(url, `answered with what is not a signed ${name}`)
  return { text: match[1]!, signature: Uint8Array.from(Buffer.from(match[2]!, 'hex')) }
}

/**
 * Asks one endpoint for everything that judging a machine of `platform` takes. Rejects with {@link TransientError}
 * `collateral_unreachable` or `collateral_bad_answer`, or with the reason of `signal`.
 */
export const fetchCollateral = async (
  endpoint: CollateralEndpoint,
  platform: Platform,
  options: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<Collateral> => {
  const sgx = `${endpoint.url}/sgx/certification/v4`
  const tdx = `${endpoint.url}/tdx/certification/v4`
  const urls = {
    tcb: `${tdx}/tcb?fmspc=${platform.fmspc}`,
    qe: `${tdx}/qe/identity`,
    pckCrl: `${sgx}/pckcrl?ca=${platform.ca}&encoding=der`,
    rootCaCrl: endpoint.rootCaCrlUrl,
  }
  // The first failure ends the others.
  const controller = new AbortController()
  const signal = AbortSignal.any([options.signal, controller.signal])
  try {
    const [tcb, qe, pckCrl, rootCaCrl] = await Promise.all([
      get(urls.tcb, options.clock, signal),
      get(urls.qe, options.clock, signal),
      get(urls.pckCrl, options.clock, signal),
      get(urls.rootCaCrl, options.clock, signal),
    ])
    const total = tcb.bytes.length + qe.bytes.length + pckCrl.bytes.length + rootCaCrl.bytes.length
    if (total > COLLATERAL_LIMIT_BYTES) throw badAnswer(endpoint.url, `answered with ${total} bytes of collateral`)
    const tcbInfo = signedText(urls.tcb, tcb, 'tcbInfo')
    const qeIdentity = signedText(urls.qe, qe, 'enclaveIdentity')
    return {
      pckCrlIssuerChain: issuerChain(urls.pckCrl, pckCrl, 'SGX-PCK-CRL-Issuer-Chain'),
      rootCaCrl: crlOf(urls.rootCaCrl, rootCaCrl),
      pckCrl: crlOf(urls.pckCrl, pckCrl),
      tcbInfoIssuerChain: issuerChain(urls.tcb, tcb, 'TCB-Info-Issuer-Chain'),
      tcbInfo: tcbInfo.text,
      tcbInfoSignature: tcbInfo.signature,
      qeIdentityIssuerChain: issuerChain(urls.qe, qe, 'SGX-Enclave-Identity-Issuer-Chain'),
      qeIdentity: qeIdentity.text,
      qeIdentitySignature: qeIdentity.signature,
    }
  } finally {
    controller.abort()
  }
}

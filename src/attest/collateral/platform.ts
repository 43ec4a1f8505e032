import { Buffer } from 'node:buffer'
import { UsageError } from '../../base/index.ts'
import { readCertificate, readPemChain } from '../dcap/certificates.ts'
import { DcapError, type Quote } from '../dcap/index.ts'
import { PckReader } from '../dcap/pck.ts'

/** Which of Intel's two CAs issued a machine's PCK certificate: the one for multi-package platforms, or for single processors. */
export type PckCa = 'platform' | 'processor'

/** What collateral is asked for by: a family of machines. */
export interface Platform {
  /** Family-model-stepping-platform-custom SKU: 6 bytes as 12 upper-case hex digits. */
  readonly fmspc: string
  readonly ca: PckCa
}

const CA_NAMES: ReadonlyMap<string, PckCa> = new Map([
  ['Intel SGX PCK Platform CA', 'platform'],
  ['Intel SGX PCK Processor CA', 'processor'],
])

export const fmspcText = (fmspc: Uint8Array): string => Buffer.from(fmspc).toString('hex').toUpperCase()

const caOf = (der: Buffer): PckCa => {
  const { commonName } = readCertificate(der)
  const ca = CA_NAMES.get(commonName)
  if (ca === undefined) throw new DcapError('certificate_role', `"${commonName}" is not a PCK CA`)
  return ca
}

/** Whose machines the collateral's PCK revocation list is about. */
export const pckCaOf = (pckCrlIssuerChain: string): PckCa => caOf(readPemChain(pckCrlIssuerChain, 2)[0]!)

/**
 * Which machine made a quote, by the PCK certificate in it. Nothing is verified: this is for asking for collateral, by which
 * the quote is then judged. Throws `DcapError` `certificate_malformed` or `certificate_role`.
 */
export const platformOf = (quote: Quote): Platform => {
  const [pck, ca] = readPemChain(Buffer.from(quote.pckChain).toString('latin1'), 3) as [Buffer, Buffer, Buffer]
  return { fmspc: fmspcText(new PckReader(readCertificate(ca)).read(pck).fmspc), ca: caOf(ca) }
}

/** Checks what will become part of URLs and file names. Throws {@link UsageError} `platform_invalid`. */
export const checkPlatform = ({ fmspc, ca }: Platform): Platform => {
  if (!/^[0-9A-F]{12}$/.test(fmspc) || (ca !== 'platform' && ca !== 'processor')) {
    throw new UsageError(
      'platform_invalid',
      'a platform is an FMSPC of 12 upper-case hex digits and a CA, "platform" or "processor"',
    )
  }
  return { fmspc, ca }
}

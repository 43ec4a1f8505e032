import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import {
  Certificate,
  ExtendedKeyUsage,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
} from '@peculiar/asn1-x509'
import { RefusedError } from '../base/index.ts'

/** What this program looks at, itself or through OpenSSL. */
const UNDERSTOOD = new Set<string>([
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
])
const DSTACK_ARC = '1.3.6.1.4.1.62397.1.'

export interface ReadExtensions {
  /** dstack's, by OID, out of their OCTET STRINGs. */
  dstack: Map<string, Buffer>
  /** Empty where the certificate states none: one that says nothing is for nothing. */
  usages: ('server' | 'client')[]
}

/** The extensions of a certificate (DER). Throws RefusedError on one twice and on a critical one that is not understood. */
export const readExtensions = (raw: Uint8Array): ReadExtensions => {
  try {
    return read(raw)
  } catch (error) {
    if (error instanceof RefusedError) throw error
    throw new RefusedError('bad_certificate', 'an extension cannot be read')
  }
}

const read = (raw: Uint8Array): ReadExtensions => {
  const { extensions = [] } = AsnConvert.parse(Uint8Array.from(raw), Certificate).tbsCertificate
  const seen = new Set<string>()
  const out: ReadExtensions = { dstack: new Map(), usages: [] }
  for (const { extnID, critical, extnValue } of extensions) {
    if (seen.has(extnID)) throw new RefusedError('bad_certificate', `extension ${extnID} is there twice`)
    seen.add(extnID)
    if (critical && !UNDERSTOOD.has(extnID)) throw new RefusedError('bad_certificate', `critical extension ${extnID} is unknown`)
    if (extnID.startsWith(DSTACK_ARC)) out.dstack.set(extnID, Buffer.from(AsnConvert.parse(extnValue.buffer, OctetString).buffer))
    if (extnID === id_ce_extKeyUsage) {
      const usages = AsnConvert.parse(extnValue.buffer, ExtendedKeyUsage)
      if (usages.includes(id_kp_serverAuth)) out.usages.push('server')
      if (usages.includes(id_kp_clientAuth)) out.usages.push('client')
    }
  }
  return out
}

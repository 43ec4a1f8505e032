import type { Quote } from './dcap/index.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

/** Named bits of TDATTRIBUTES (Intel TDX Module ABI specification, "ATTRIBUTES"). */
const ATTRIBUTE_BITS: Readonly<Record<number, string>> = {
  0: 'DEBUG',
  27: 'LASS',
  28: 'SEPT_VE_DISABLE',
  29: 'MIGRATABLE',
  30: 'PKS',
  31: 'KL',
  62: 'TPA',
  63: 'PERFMON',
}

const attributeNames = (attributes: Uint8Array): string => {
  const names: string[] = []
  for (let bit = 0; bit < 64; bit++) {
    if ((attributes[bit >> 3]! >> (bit & 7)) & 1) names.push(ATTRIBUTE_BITS[bit] ?? `bit ${bit}`)
  }
  return names.join(' ') || 'none'
}

/** The fields of a quote under their names, as nobody has verified them; bytes in hex. */
export const explainQuote = (quote: Quote): Record<string, string> => {
  const { td, qeReport } = quote
  return {
    version: String(quote.version),
    size: `${quote.bytes.length} bytes`,
    tee_tcb_svn: hex(td.teeTcbSvn),
    mr_seam: hex(td.mrSeam),
    mr_signer_seam: hex(td.mrSignerSeam),
    seam_attributes: hex(td.seamAttributes),
    td_attributes: `${hex(td.tdAttributes)} (${attributeNames(td.tdAttributes)})`,
    xfam: hex(td.xfam),
    mr_td: hex(td.mrTd),
    mr_config_id: hex(td.mrConfigId),
    mr_owner: hex(td.mrOwner),
    mr_owner_config: hex(td.mrOwnerConfig),
    ...Object.fromEntries(td.rtmr.map((rtmr, index) => [`rtmr${index}`, hex(rtmr)])),
    report_data: hex(td.reportData),
    ...(td.teeTcbSvn2 !== undefined && { tee_tcb_svn2: hex(td.teeTcbSvn2) }),
    ...(td.mrServiceTd !== undefined && { mr_service_td: hex(td.mrServiceTd) }),
    qe_isv_svn: String(qeReport.isvSvn),
    qe_mr_signer: hex(qeReport.mrSigner),
  }
}

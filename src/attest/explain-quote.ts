import type { Quote } from './dcap/index.ts'
import { attributeNames } from './policy/attributes.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

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
    td_attributes: `${hex(td.tdAttributes)} (${attributeNames(td.tdAttributes).join(' ') || 'none'})`,
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

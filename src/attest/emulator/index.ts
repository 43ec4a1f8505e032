export {
  type Authority,
  type CertificateFields,
  type CrlFields,
  type IssuedCertificate,
  type Issuer,
  issueCertificate,
  issueCrl,
  pem,
  type SgxFields,
} from './certificates.ts'
export {
  type Dates,
  EMULATED_FMSPC,
  emulatedQeIdentity,
  emulatedTcbInfo,
  type IsvLevel,
  isoSeconds,
  type QeIdentity,
  type TcbInfo,
  type TcbLevel,
} from './collateral.ts'
export { type Measurements, measureProgram } from './measure.ts'
export { type CollateralOverrides, createEmulatedPki, EmulatedPki, emulatedPkiFromJson, emulatedPkiToJson } from './pki.ts'
export { EmulatedPlatform, type PlatformOverrides } from './platform.ts'
export { makeQuote, type QuoteFields, SOUND_TD_ATTRIBUTES, type TdFields, tdBody } from './quote.ts'
export { createEmulatedTd } from './td.ts'

export { AppCertificates, CERTIFICATE_LIFETIME_S, type LeafEvidence, type LeafRequest } from './app-certificates.ts'
export * from './app-keys.ts'
export { APP_KEY_ALGORITHMS, type AppKeyAlgorithm } from './derive.ts'
export * from './keyring.ts'
export { p256Pem, p256PublicKey } from './p256.ts'
export { type Secp256k1, secp256k1 } from './secp256k1.ts'
export { verifySignature } from './verify.ts'
export {
  type AppCertificate,
  type CertificateExpectation,
  loadCertificateVerifier,
  verifyAppCertificate,
} from './verify-certificate.ts'

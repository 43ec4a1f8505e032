import { AppKeys } from '../../src/keys/app-keys.ts'

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))

/** The app root key under which dstack published its vectors (docs/guest-api-v0.md and -v1.md). */
export const VECTOR_K256_KEY = '1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b'

export const vectorApp = (): AppKeys =>
  new AppKeys(new Uint8Array(20), {
    k256: bytes(VECTOR_K256_KEY),
    issuedSignature: new Uint8Array(65),
    ca: new Uint8Array(32).fill(1),
    env: new Uint8Array(32).fill(2),
  })

export const V0_VECTOR = {
  path: 'test',
  purpose: 'signing',
  key: '52786aa123b0971e283af97f32e25767483d099d66e6c40afeb3a49046b5379e',
  link:
    'c8a3dcf06c4e95bd78a5d7a1c8fcff171fc5848cfae804c6fc11bda4dc5d4062' +
    '379995390843827444992c4c0e4bac70f0f878e01b9fc8b98cd7126fe5a3876b01',
}

export const V1_VECTORS = [
  {
    domain: '',
    algorithm: 'secp256k1',
    key: '59f60584ce6fd2a3a31997256db9d77322463fc8a6b1520110401bcb1ee92387',
    publicKey: '0377c7fb050db181d392266a3cee9adb2901c6d665f11bac68be5457f577ba4908',
  },
  {
    domain: '',
    algorithm: 'ed25519',
    key: 'b023493030669cf22e9cafa6a464d4cf3ae4edfe5474ec796710f21ea011946d',
    publicKey: 'a3dc149fd5b765eab2eb7d3174fa939e39386898f10b15b7b146f6f1358ecf2a',
  },
  {
    domain: 'storage-encryption',
    algorithm: 'secp256k1',
    key: '5510330f86902ddae38c6d89c93a8408019332c17a429e1abd01c4a28d1544a6',
    publicKey: '03d962450a41748021c8b02787ac36ce642ff0ae25f4c55019eb527e1112cfd764',
    link:
      '5b6193729ce7976ec67863f21692d4b98c69832698aae8e001a7d33a6f818b6e' +
      '46ca950725b6e90e8ca9bcf394abd03ce264bf9b7eec1e91693247f9dd53c26901',
  },
  {
    domain: 'storage-encryption',
    algorithm: 'ed25519',
    key: '3c4c3ece12fa99ccb93fc0090877f80e70545fdd971e2ac93d3398c4684538d3',
    publicKey: '2380c4a33a60b60613fa43866421e5b96eb8dcde211317200fd0d41e7e491288',
  },
  {
    domain: 'a/b/c',
    algorithm: 'secp256k1',
    key: '7f0973449298085d2d36a3b4c4d3243c100ba1981ffa885fe9e9dee883e69538',
    publicKey: '02e9b1a61b6d70aa9b241753828c316bf90e33e77b2e113f9ba75a8b6dc3cde5c1',
  },
  {
    domain: 'k\0:ey',
    algorithm: 'ed25519',
    key: '42da8bf0b479ed125c370e3b91f982735bf08ff592abbd586985affa43ee96a1',
    publicKey: 'c833107822b003ff5675b33b90b151d4315c3ab9162b17d876e8dffde41abf9b',
  },
] as const

/** Public keys of the key at path "vms" (docs/guest-api-v0.md, Worker.GetAttestationForAppKey), base64url. */
export const VMS_PUBLIC_KEYS = {
  ed25519: '5Pbre1Amf1hrp2V2bbfKlIfxpQb2pJAmrgmhxgVoG9s',
  secp256k1: 'A6t_JdVkVdMAocH3f1f20WGT6JzdntxcXimUtEax8zc9',
}

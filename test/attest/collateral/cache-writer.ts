import { writeCacheFile } from '../../../src/attest/collateral/cache-file.ts'

// A process that puts one of two things into the cache, again and again, until it is killed.

const [path] = process.argv.slice(2)
for (let i = 0; ; i++) {
  const filler = String(i % 2).repeat(50_000)
  await writeCacheFile(path!, {
    acceptedAtMs: i,
    collateral: {
      pckCrlIssuerChain: filler,
      rootCaCrl: new Uint8Array(10_000).fill(i % 2),
      pckCrl: new Uint8Array(10_000).fill(i % 2),
      tcbInfoIssuerChain: filler,
      tcbInfo: filler,
      tcbInfoSignature: new Uint8Array(64).fill(i % 2),
      qeIdentityIssuerChain: filler,
      qeIdentity: filler,
      qeIdentitySignature: new Uint8Array(64).fill(i % 2),
    },
  })
  if (i === 10) process.send?.('writing')
}

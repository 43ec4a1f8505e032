import { createHash } from 'node:crypto'
import { formatClusterId } from '../../protocols/wire/cluster-id.ts'
import { type Clock, type Random, UsageError } from '../base/index.ts'
import {
  certificateReportData,
  checkSubject,
  DSTACK_OID,
  deterministicSigner,
  dstackExtension,
  makeCertificate,
  makeCertificateRequest,
  type Signer,
  type Subject,
  signerOf,
  USAGE_APP,
  USAGE_APP_CA,
} from './certificate.ts'
import { dstackKey } from './derive.ts'
import type { Keyring } from './keyring.ts'
import { p256Pem, p256Spki } from './p256.ts'
import { isScalar, P256_ORDER } from './scalar.ts'

const DAY_S = 86_400
export const CERTIFICATE_LIFETIME_S = 90 * DAY_S
/** A certificate that names no beginning began a little ago: clocks differ. */
const BACKDATED_S = 300
/** RFC 5280, 4.1.2.5: 9999-12-31T23:59:59Z, for what has no end of its own. */
const NO_END_S = 253_402_300_799
/** The CAs follow from the secret, not from a moment: any fixed past time makes them the same on every member. */
const CA_BEGIN_S = Date.UTC(2025, 0, 1) / 1000

export interface LeafRequest {
  subject: string
  /** DNS names and IP addresses. */
  altNames: readonly string[]
  serverAuth: boolean
  clientAuth: boolean
  /** Unix seconds. */
  notBefore?: number | undefined
  notAfter?: number | undefined
  /** The value of dstack's APP_INFO extension. */
  appInfo?: Uint8Array | undefined
  /** The P-256 scalar to certify; without one a fresh key is made. The caller wipes it. */
  key?: Uint8Array | undefined
  /** For RA-TLS: gives a fresh quote over the report data (64 bytes) that binds the certificate's key. */
  evidence?: ((reportData: Uint8Array) => Promise<LeafEvidence>) | undefined
}

export interface LeafEvidence {
  quote: Uint8Array
  /** JSON. */
  eventLog: string
  /** dstack's versioned attestation. */
  attestation: Uint8Array
}

/** What is needed of a cluster's keys. {@link Keyring} is one. */
export type CaKeys = Pick<Keyring, 'clusterId' | 'app' | 'withCaRoot' | 'domainKey'>

/**
 * The certificates of one app: the cluster's CA root, the app's own CA below it, and leaves below that. The two CAs are the
 * same on every member to the byte; a leaf can sign nothing and says that it is an app's.
 */
export class AppCertificates {
  readonly #keyring: CaKeys
  readonly #appId: Uint8Array
  readonly #clock: Clock
  readonly #random: Random
  #authorities: Authorities | undefined

  constructor(keyring: CaKeys, appId: Uint8Array, components: { clock: Clock; random: Random }) {
    this.#keyring = keyring
    this.#appId = Uint8Array.from(appId)
    this.#clock = components.clock
    this.#random = components.random
  }

  /** The CA root's certificate, PEM. */
  rootCertificate(): string {
    return this.#authoritiesOnce().root
  }

  /**
   * A leaf and its chain up to the root: PEM, leaf first; and its key, PKCS#8 PEM.
   * @throws UsageError on names that no certificate can carry, and on a lifetime that ends before it begins.
   */
  async issue(request: LeafRequest): Promise<{ key: string; chain: readonly string[] }> {
    const key = request.key === undefined ? this.#freshKey() : Uint8Array.from(request.key)
    try {
      const spki = p256Spki(key)
      const chain = await this.#certify(request, spki)
      return { key: p256Pem(key, spki), chain }
    } finally {
      key.fill(0)
    }
  }

  /** As {@link issue}, for a key that is gone when this returns: such a chain can be shown, and used for nothing. */
  async show(request: Omit<LeafRequest, 'key'>): Promise<readonly string[]> {
    const key = this.#freshKey()
    const spki = p256Spki(key)
    key.fill(0)
    return this.#certify(request, spki)
  }

  /**
   * The key that every member's instance of this app holds for `domains` (the first names it), PKCS#8 PEM, and a PKCS#10
   * request, PEM, with which a public authority issues one certificate that is good on all of them.
   */
  forDomain(domains: readonly string[], epoch = 0): { key: string; request: string } {
    const scalar = this.#keyring.domainKey(this.#appId, domains[0] ?? '', epoch)
    try {
      return { request: makeCertificateRequest(scalar, domains), key: p256Pem(scalar) }
    } finally {
      scalar.fill(0)
    }
  }

  async #certify(request: LeafRequest, spki: Uint8Array): Promise<readonly string[]> {
    const lifetime = lifetimeOf(request, Math.floor(this.#clock.now() / 1000))
    checkSubject(request.subject)
    const authorities = this.#authoritiesOnce()
    const extensions = await this.#extensions(request, spki)
    const leaf = this.#signAsApp((signer) =>
      makeCertificate(
        {
          subject: { commonName: request.subject, spki },
          issuer: authorities.appSubject,
          serial: this.#random.bytes(16),
          ...lifetime,
          altNames: request.altNames,
          serverAuth: request.serverAuth,
          clientAuth: request.clientAuth,
          extensions,
        },
        signer,
      ),
    )
    return [leaf, authorities.app, authorities.root]
  }

  /** As dstack makes it: 32 random bytes through its derivation; once in 2^32 they are no scalar, and others are taken. */
  #freshKey(): Uint8Array {
    for (;;) {
      const seed = this.#random.bytes(32)
      const scalar = dstackKey(seed, [])
      seed.fill(0)
      if (isScalar(scalar, P256_ORDER)) return scalar
    }
  }

  #signAsApp<T>(use: (signer: Signer) => T): T {
    const scalar = this.#keyring.app(this.#appId).caKey()
    try {
      return use(signerOf(scalar))
    } finally {
      scalar.fill(0)
    }
  }

  async #extensions(request: LeafRequest, spki: Uint8Array) {
    const extensions = [dstackExtension(DSTACK_OID.appId, this.#appId), dstackExtension(DSTACK_OID.usage, Buffer.from(USAGE_APP))]
    if (request.evidence !== undefined) {
      const { quote, eventLog, attestation } = await request.evidence(certificateReportData(spki))
      extensions.push(
        dstackExtension(DSTACK_OID.tdxQuote, quote),
        dstackExtension(DSTACK_OID.eventLog, Buffer.from(eventLog)),
        dstackExtension(DSTACK_OID.attestation, attestation),
      )
    }
    if (request.appInfo !== undefined) extensions.push(dstackExtension(DSTACK_OID.appInfo, request.appInfo))
    return extensions
  }

  #authoritiesOnce(): Authorities {
    this.#authorities ??= this.#makeAuthorities()
    return this.#authorities
  }

  #makeAuthorities(): Authorities {
    const appScalar = this.#keyring.app(this.#appId).caKey()
    const appSubject: Subject = { commonName: 'Dstack App CA', organization: 'Dstack', spki: p256Spki(appScalar) }
    appScalar.fill(0)
    return this.#keyring.withCaRoot((scalar) => {
      const rootSubject: Subject = {
        commonName: formatClusterId(this.#keyring.clusterId),
        organization: 'dstack-mesh',
        spki: p256Spki(scalar),
      }
      const signer = deterministicSigner(scalar)
      const common = { issuer: rootSubject, notBeforeMs: CA_BEGIN_S * 1000, notAfterMs: NO_END_S * 1000 }
      return {
        appSubject,
        root: makeCertificate({ ...common, subject: rootSubject, serial: serialOf(rootSubject), pathLength: 1 }, signer),
        app: makeCertificate(
          {
            ...common,
            subject: appSubject,
            serial: serialOf(appSubject),
            pathLength: 0,
            extensions: [
              dstackExtension(DSTACK_OID.appId, this.#appId),
              dstackExtension(DSTACK_OID.usage, Buffer.from(USAGE_APP_CA)),
            ],
          },
          signer,
        ),
      }
    })
  }
}

interface Authorities {
  appSubject: Subject
  /** PEM. */
  root: string
  app: string
}

const serialOf = ({ spki }: Subject): Uint8Array => Uint8Array.from(createHash('sha256').update(spki).digest().subarray(0, 16))

const lifetimeOf = ({ notBefore, notAfter }: LeafRequest, now: number): { notBeforeMs: number; notAfterMs: number } => {
  const begin = notBefore ?? Math.min(now - BACKDATED_S, (notAfter ?? now) - 1)
  const end = notAfter ?? Math.max(begin, now) + CERTIFICATE_LIFETIME_S
  if (begin >= end) throw new UsageError('bad_validity', 'not_before must be earlier than not_after')
  if (begin < 0 || end > NO_END_S) throw new UsageError('bad_validity', `a certificate ends by ${NO_END_S} seconds after 1970`)
  return { notBeforeMs: begin * 1000, notAfterMs: end * 1000 }
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CollateralEndpoint, collateralEndpoint } from '../../../src/attest/collateral/index.ts'
import type { Collateral } from '../../../src/attest/dcap/index.ts'

/** The four answers that make up collateral. */
export const PARTS = ['tcb', 'qe', 'pckCrl', 'rootCaCrl'] as const
export type Part = (typeof PARTS)[number]
export type Answer = (request: IncomingMessage, response: ServerResponse) => void

const partOf = (url: string): Part | undefined => {
  if (/^\/tdx\/certification\/v4\/tcb\?fmspc=[0-9A-F]{12}$/.test(url)) return 'tcb'
  if (url === '/tdx/certification/v4/qe/identity') return 'qe'
  if (/^\/sgx\/certification\/v4\/pckcrl\?ca=(platform|processor)&encoding=der$/.test(url)) return 'pckCrl'
  if (url === '/sgx/certification/v4/rootcacrl') return 'rootCaCrl'
  return undefined
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** A caching service on loopback that answers as it is told. */
export class StandIn {
  readonly #server: Server
  readonly endpoint: CollateralEndpoint
  /** What it serves to who asks properly. */
  collateral: Collateral
  /** Its way of answering for some parts. */
  readonly spoilt = new Map<Part, Answer>()
  /** Paths asked for. */
  readonly requests: string[] = []

  private constructor(server: Server, collateral: Collateral) {
    this.#server = server
    this.collateral = collateral
    this.endpoint = collateralEndpoint(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }

  static async start(collateral: Collateral): Promise<StandIn> {
    const server = createServer((request, response) => standIn.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const standIn = new StandIn(server, collateral)
    return standIn
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(request.url ?? '')
    const part = partOf(request.url ?? '')
    const spoilt = part === undefined ? undefined : this.spoilt.get(part)
    if (part === undefined) response.writeHead(404).end()
    else if (spoilt !== undefined) spoilt(request, response)
    else this.answerWell(part, response)
  }

  answerWell(part: Part, response: ServerResponse): void {
    const collateral = this.collateral
    switch (part) {
      case 'tcb':
        response.setHeader('TCB-Info-Issuer-Chain', encodeURIComponent(collateral.tcbInfoIssuerChain))
        response.end(`{"tcbInfo":${collateral.tcbInfo},"signature":"${hex(collateral.tcbInfoSignature)}"}`)
        break
      case 'qe':
        response.setHeader('SGX-Enclave-Identity-Issuer-Chain', encodeURIComponent(collateral.qeIdentityIssuerChain))
        response.end(`{"enclaveIdentity":${collateral.qeIdentity},"signature":"${hex(collateral.qeIdentitySignature)}"}`)
        break
      case 'pckCrl':
        response.setHeader('SGX-PCK-CRL-Issuer-Chain', encodeURIComponent(collateral.pckCrlIssuerChain))
        response.end(collateral.pckCrl)
        break
      case 'rootCaCrl':
        // Caching services give this one in hex.
        response.end(hex(collateral.rootCaCrl))
    }
  }
}

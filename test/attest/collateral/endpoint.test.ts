import assert from 'node:assert/strict'
import { collateralEndpoint, fetchCollateral, INTEL_PCS } from '../../../src/attest/collateral/index.ts'
import { prepareCollateral } from '../../../src/attest/dcap/index.ts'
import { createEmulatedPki, EMULATED_FMSPC } from '../../../src/attest/emulator/index.ts'
import { TransientError, UsageError } from '../../../src/base/index.ts'
import { ManualClock } from './manual-clock.ts'
import { type Answer, PARTS, type Part, StandIn } from './stand-in.ts'

const NOW_MS = Date.UTC(2026, 5, 1)
const PLATFORM = { fmspc: EMULATED_FMSPC, ca: 'platform' } as const

describe('fetching collateral', () => {
  const pki = createEmulatedPki({ nowMs: NOW_MS })
  const collateral = pki.collateral(NOW_MS)
  let service: StandIn
  let clock: ManualClock
  beforeEach(async () => {
    service = await StandIn.start(collateral)
    clock = new ManualClock(NOW_MS)
  })
  afterEach(() => service.stop())

  const fetching = (signal = new AbortController().signal) => fetchCollateral(service.endpoint, PLATFORM, { clock, signal })
  const fails = async (code: string, message: RegExp): Promise<void> => {
    await assert.rejects(fetching(), (error) => {
      assert.ok(error instanceof TransientError, String(error))
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      return true
    })
  }
  const spoil = (part: Part, answer: Answer): void => {
    service.spoilt.set(part, answer)
  }

  it('gives the nine pieces byte for byte', async () => {
    assert.deepEqual(await fetching(), collateral)
    assert.doesNotThrow(() => prepareCollateral(collateral, pki.rootDer, NOW_MS))
    assert.deepEqual(service.requests.sort(), [
      '/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
      '/sgx/certification/v4/rootcacrl',
      '/tdx/certification/v4/qe/identity',
      `/tdx/certification/v4/tcb?fmspc=${EMULATED_FMSPC}`,
    ])
  })

  it('takes revocation lists in DER and in hex', async () => {
    spoil('rootCaCrl', (_, response) => response.end(collateral.rootCaCrl))
    spoil('pckCrl', (_, response) => {
      response.setHeader('SGX-PCK-CRL-Issuer-Chain', encodeURIComponent(collateral.pckCrlIssuerChain))
      response.end(Buffer.from(collateral.pckCrl).toString('hex').toUpperCase())
    })
    assert.deepEqual(await fetching(), collateral)
  })

  for (const part of PARTS) {
    describe(`refuses, for ${part},`, () => {
      for (const status of [204, 301, 400, 404, 429, 500, 503]) {
        it(`status ${status}`, async () => {
          spoil(part, (_, response) => response.writeHead(status).end())
          await fails('collateral_bad_answer', new RegExp(`status ${status}`))
        })
      }

      it('a redirect, without following it', async () => {
        const elsewhere = await StandIn.start(collateral)
        try {
          spoil(part, (request, response) =>
            response.writeHead(302, { location: `${elsewhere.endpoint.url}${request.url}` }).end(),
          )
          await fails('collateral_bad_answer', /status 302/)
          assert.deepEqual(elsewhere.requests, [])
        } finally {
          await elsewhere.stop()
        }
      })

      it('an HTML page', async () => {
        spoil(part, (_, response) => response.setHeader('content-type', 'text/html').end('<html><body>Log in</body></html>'))
        await fails('collateral_bad_answer', /neither a DER|not a signed|without the header/)
      })

      it('an empty answer', async () => {
        spoil(part, (_, response) => response.end())
        await fails('collateral_bad_answer', /nothing/)
      })

      it('an endless answer, reading no more than its limit', async () => {
        let sent = 0
        spoil(part, (_, response) => {
          const more = () => {
            while (!response.destroyed && response.write(Buffer.alloc(16_384, 0x30))) sent += 16_384
          }
          response.on('drain', more)
          more()
        })
        await fails('collateral_bad_answer', /more than/)
        // What the sockets between us took in addition is bounded by their buffers.
        assert.ok(sent < 16 * 1024 * 1024, `${sent} bytes`)
      })

      it('an answer that stops in the middle', async () => {
        spoil(part, (_, response) => {
          response.writeHead(200, { 'content-length': 10_000 })
          response.write('{"tcbInfo":{', () => response.destroy())
        })
        await fails('collateral_unreachable', /did not answer/)
      })

      it('an answer that never ends, after its deadline', async () => {
        clock.deadlineMs = 50
        spoil(part, (_, response) => response.write('{'))
        await fails('collateral_unreachable', /no answer within 50 ms/)
      })
    })
  }

  for (const [part, header] of [
    ['tcb', 'TCB-Info-Issuer-Chain'],
    ['qe', 'SGX-Enclave-Identity-Issuer-Chain'],
    ['pckCrl', 'SGX-PCK-CRL-Issuer-Chain'],
  ] as const) {
    const withHeader = (value: string | undefined): void =>
      spoil(part, (_, response) => {
        const { setHeader } = response
        // The good answer, but for this header.
        response.setHeader = ((name: string, given: string) =>
          name === header
            ? value === undefined
              ? response
              : setHeader.call(response, name, value)
            : setHeader.call(response, name, given)) as never
        service.answerWell(part, response)
      })
    it(`refuses an answer without the header ${header}`, async () => {
      withHeader(undefined)
      await fails('collateral_bad_answer', new RegExp(`without the header ${header}`))
    })
    it(`refuses a header ${header} that is not URL-encoded`, async () => {
      withHeader('%E0%A4%A')
      await fails('collateral_bad_answer', new RegExp(`header ${header} that is not`))
    })
  }

  for (const [what, body] of [
    ['another order', '{"signature":"SIG","tcbInfo":{}}'],
    ['a short signature', '{"tcbInfo":{},"signature":"00"}'],
    ['no signature', '{"tcbInfo":{}}'],
    ['something after it', '{"tcbInfo":{},"signature":"SIG"}x'],
    ['another name', '{"enclaveIdentity":{},"signature":"SIG"}'],
    ['bytes that are not UTF-8', '{"tcbInfo":{"\xff":1},"signature":"SIG"}'],
  ] as const) {
    it(`refuses TCB info with ${what}`, async () => {
      spoil('tcb', (_, response) => {
        response.setHeader('TCB-Info-Issuer-Chain', encodeURIComponent(collateral.tcbInfoIssuerChain))
        response.end(Buffer.from(body.replace('SIG', '00'.repeat(64)), 'latin1'))
      })
      await fails('collateral_bad_answer', /not a signed tcbInfo/)
    })
  }

  it('refuses answers that are too large together for evidence to carry', async () => {
    for (const part of ['tcb', 'qe'] as const) spoil(part, (_, response) => response.end(Buffer.alloc(90_000, 0x20)))
    await fails('collateral_bad_answer', /1\d{5} bytes of collateral/)
  })

  it('refuses a revocation list in broken hex', async () => {
    spoil('rootCaCrl', (_, response) => response.end('3082zz'))
    await fails('collateral_bad_answer', /neither a DER/)
  })

  it('says so when nobody listens', async () => {
    await service.stop()
    await fails('collateral_unreachable', /ECONNREFUSED/)
    service = await StandIn.start(collateral)
  })

  it('ends with the reason of the signal', async () => {
    const controller = new AbortController()
    spoil('qe', () => controller.abort(new Error('enough')))
    await assert.rejects(fetching(controller.signal), /enough/)
  })

  describe('endpoints', () => {
    it("know Intel's service, whose root list is elsewhere", () => {
      assert.equal(collateralEndpoint('https://api.trustedservices.intel.com/'), INTEL_PCS)
    })
    it('have the root list below a caching service', () => {
      assert.deepEqual(collateralEndpoint('https://pccs.example:8081/'), {
        url: 'https://pccs.example:8081',
        rootCaCrlUrl: 'https://pccs.example:8081/sgx/certification/v4/rootcacrl',
      })
    })
    for (const url of [
      '',
      'pccs.example',
      'ftp://pccs.example',
      'file:///etc',
      'https://u:p@pccs.example',
      'https://pccs.example/?a',
    ]) {
      it(`are not ${JSON.stringify(url)}`, () => {
        assert.throws(() => collateralEndpoint(url), UsageError)
      })
    }
  })
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium } from 'playwright-core'
import { FakeNode, StatusBench } from '../api/status/support.ts'
import { BROWSER_FLAGS, findBrowser, inPage } from './browser.ts'

const SECRET = 'what only this machine may read'

// A person on the node's machine opens somebody's page; that page wants to know what the node says.
describe('the status port and a page from elsewhere, in a browser', function () {
  this.timeout(120_000)
  let browser: Browser
  let bench: StatusBench
  let elsewhere: Server
  let foreign: string

  before(async () => {
    const node = new FakeNode()
    node.view = { words: SECRET }
    bench = await StatusBench.open({ node })
    elsewhere = createServer((_, response) =>
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>evil</title>'),
    )
    elsewhere.listen(0, '127.0.0.1')
    await once(elsewhere, 'listening')
    foreign = `http://evil.example:${(elsewhere.address() as AddressInfo).port}/`
    browser = await chromium.launch({
      executablePath: findBrowser(),
      // The name is its owner's: he can have it point anywhere, here to this machine.
      args: [...BROWSER_FLAGS, '--host-resolver-rules=MAP evil.example 127.0.0.1'],
    })
  })
  after(async () => {
    await browser?.close()
    await bench?.close()
    elsewhere?.closeAllConnections()
    elsewhere?.close()
  })

  it('is not read by a name that was made to point here', async () => {
    const page = await browser.newPage()
    for (const path of ['/', '/view', '/status', '/events']) {
      const response = await page.goto(`http://evil.example:${bench.port}${path}`)
      assert.equal(response?.status(), 421, path)
      assert.doesNotMatch(await page.content(), new RegExp(SECRET))
    }
    // The same question by its own name is answered.
    assert.equal((await page.goto(new URL('/view', bench.url).href))?.status(), 200)
    assert.match(await page.content(), new RegExp(SECRET))
    await page.close()
  })

  it('is not read, framed or listened to by another origin', async () => {
    const page = await browser.newPage()
    await page.goto(foreign)
    const look = async (base: string) => {
      const outcome = (work: Promise<unknown>) =>
        work.then(
          (value) => `read ${value}`,
          () => 'nothing',
        )
      const fetched = (init?: RequestInit) => outcome(fetch(`${base}view`, init).then((response) => response.text()))
      const loaded = (path: string) =>
        outcome(
          new Promise((resolve, reject) => {
            const element = Object.assign(document.createElement('script'), {
              onload: resolve,
              onerror: reject,
              src: base + path,
            })
            document.body.append(element)
          }),
        )
      const events = new Promise((resolve, reject) => {
        const stream = new EventSource(`${base}events`)
        stream.addEventListener('view', ({ data }) => resolve(data))
        stream.addEventListener('error', reject)
      })
      document.body.append(Object.assign(document.createElement('iframe'), { src: base }))
      return {
        read: await fetched(),
        withCredentials: await fetched({ credentials: 'include' }),
        // Without CORS a page gets a closed envelope; here not even that.
        opaque: await fetched({ mode: 'no-cors' }),
        script: await loaded('view'),
        events: await outcome(events),
      }
    }
    const found = await inPage(page, look, bench.url.href)
    for (const [way, got] of Object.entries(found)) assert.equal(got, 'nothing', way)
    assert.equal(page.frames().length, 2)
    assert.ok(
      page.frames().every((frame) => !frame.url().startsWith(bench.url.href)),
      'a frame shows an error in its place',
    )
    await page.close()
  })
})

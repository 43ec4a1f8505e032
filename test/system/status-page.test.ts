import assert from 'node:assert/strict'

import type { Browser } from 'playwright-core'
import type { StatusView } from '../../src/api/index.ts'
import { systemClock } from '../../src/base/index.ts'
import type { NodeStatus } from '../../src/index.ts'
import { wordsOf } from '../../src/node/alarm-words.ts'
import { FakeNode, StatusBench } from '../api/status/support.ts'
import { Bench } from '../mesh/support.ts'
import { inPage, openBrowser, WatchedPage } from './browser.ts'
import { busyHour, type FakeMember, member, viewOf } from './status-view.ts'

const DESKTOP = { viewport: { width: 1280, height: 900 } }
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true }
const PAGE_BYTES_MAX = 150 * 1024
const MEASURED_MS = 3_000
/** WCAG 2.2, 1.4.3 (AA). */
const CONTRAST_MIN = 4.5

/** Runs in the page: every text on it whose colour is too near to the one behind it. */
const weakTexts = (least: number) => {
  const parts = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number)
  const luminance = ([r = 0, g = 0, b = 0]: number[]) => {
    const linear = [r, g, b].map((value) =>
      value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
    )
    return 0.2126 * linear[0]! + 0.7152 * linear[1]! + 0.0722 * linear[2]!
  }
  const behind = (element: Element | null): number[] => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor)
      if (colour[3] !== 0) return colour
    }
    return [255, 255, 255]
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const weak: string[] = []
  let texts = 0
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement!
    if (node.textContent!.trim() === '' || !element.checkVisibility() || element.closest('script, style, .sr, .skip') !== null)
      continue
    texts++
    const [a, b] = [luminance(parts(getComputedStyle(element).color)), luminance(behind(element))]
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (contrast < least) weak.push(`${contrast.toFixed(2)}: ${node.textContent!.trim().slice(0, 40)}`)
  }
  return { texts, weak }
}

describe('the status page in a browser', function () {
  this.timeout(120_000)
  let browser: Browser
  before(async () => {
    browser = await openBrowser()
  })
  after(() => browser?.close())

  describe('of a node that only a test knows', () => {
    const node = new FakeNode()
    let bench: StatusBench
    const pages: WatchedPage[] = []
    const open = async (options = {}): Promise<WatchedPage> => {
      const watched = await WatchedPage.open(browser, bench.url.href, { ...DESKTOP, ...options })
      pages.push(watched)
      await watched.page.waitForSelector('#live.good')
      return watched
    }
    const show = (view: unknown) => {
      node.view = view
      bench.server.changed()
    }
    const some = (count: number, change: (index: number) => Partial<FakeMember> = () => ({})) =>
      Array.from({ length: count }, (_, index) => member(index, count, change(index)))

    before(async () => {
      bench = await StatusBench.open({ node })
    })
    afterEach(async () => {
      for (const watched of pages.splice(0)) {
        assert.deepEqual(watched.complaints, [], 'nothing on the console')
        for (const url of watched.asked) assert.ok(url.startsWith(bench.url.href) || url.startsWith('data:'), url)
        await watched.close()
      }
    })
    after(() => bench?.close())

    it('tells who is in, and in words what happened when one stops answering', async () => {
      const members = some(7)
      show(viewOf(members))
      const { page } = await open()
      await page.waitForSelector('#rows tr:nth-child(7)')
      assert.match(await page.textContent('#lede').then(String), /This node and 6 other members hold one secret together/)
      assert.equal(await page.textContent('#state'), 'member')
      const { quote } = viewOf(members)
      assert.equal(await page.textContent('#quote').then(String), Object.entries(quote).flat().join(''))
      assert.match(await page.textContent('#node').then(String), /Quotes byIntel TDX.*Public since/)
      assert.match(await page.textContent('body').then(String), /pubnet/)

      const dead = some(7, (index) => (index === 3 ? { state: 'unreachable' } : {}))
      show(viewOf(dead, busyHour(dead)))
      await page.waitForSelector('#rows .tag.warn')
      assert.match(
        await page.textContent('#happened li').then(String),
        /stopped answering.*stays a member until its credential ends \(in \d+ (s|min)\)/s,
      )
      assert.match(await page.textContent('#lede').then(String), /1 member does not answer/)
      assert.match(
        await page.textContent('#refused li').then(String),
        /refused: measurement_unacceptable.*other software than the policy admits/s,
      )
      assert.match((await page.getAttribute('#graph', 'aria-label'))!, /1 do not answer/)
    })

    it('has a picture for each theme, width and size', async () => {
      const members = some(7, (index) => (index === 3 ? { state: 'unreachable' } : index === 5 ? { tcbStatus: 'OutOfDate' } : {}))
      show(viewOf(members, busyHour(members)))
      const light = await open({ colorScheme: 'light' })
      await light.page.waitForSelector('#rows tr')
      const background = () => light.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
      const lightBackground = await background()
      await light.picture('light')
      await light.page.click('#theme')
      const darkBackground = await background()
      assert.notEqual(darkBackground, lightBackground)
      await light.page.reload()
      await light.page.waitForSelector('#rows tr')
      assert.equal(await background(), darkBackground, 'the choice is kept')

      const dark = await open({ colorScheme: 'dark' })
      assert.equal(await dark.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor), darkBackground)
      await dark.picture('dark')

      for (const colorScheme of ['light', 'dark'] as const) {
        const phone = await open({ ...PHONE, colorScheme })
        await phone.page.waitForSelector('#rows tr')
        const width = await phone.page.evaluate(() => document.documentElement.scrollWidth)
        assert.ok(width <= PHONE.viewport.width, `the page is ${width} wide`)
        await phone.picture(`phone-${colorScheme}`)
      }
      const crowd = some(200, (index) => (index % 41 === 7 ? { state: 'unreachable' } : {}))
      show(
        viewOf(crowd, {
          ...busyHour(crowd),
          insecure: true,
          alarms: [{ alarm: 'own_clock', since: new Date(systemClock.now()).toISOString(), ...wordsOf('own_clock') }],
        }),
      )
      await dark.page.waitForSelector('.notice.bad')
      await dark.picture('many-dark')
    })

    for (const colorScheme of ['light', 'dark'] as const)
      it(`can be read by weak eyes: every text stands out from what is behind it (${colorScheme})`, async () => {
        const states = ['self', 'active', 'unreachable', 'lapsed', 'leaving']
        const members = some(5, (index) => ({ state: states[index]!, ...(index === 1 && { tcbStatus: 'OutOfDate' }) }))
        const since = new Date(systemClock.now()).toISOString()
        const alarms = [{ alarm: 'lapsed', since, ...wordsOf('lapsed') }]
        show(viewOf(members, { ...busyHour(members), insecure: true, alarms, status: { state: 'lapsed' } }))
        const watched = await open({ colorScheme, reducedMotion: 'reduce' })
        await watched.page.waitForSelector('#rows tr:nth-child(5)')
        await watched.page.click('#rows tr:nth-child(3) .id')
        const { texts, weak } = await inPage(watched.page, weakTexts, CONTRAST_MIN)
        assert.ok(texts > 100, `only ${texts} texts were found`)
        assert.deepEqual(weak, [])
        const moving = await watched.page.evaluate(() => document.getAnimations().length)
        assert.equal(moving, 0, 'nothing moves for who wants no motion')
        await watched.picture(`states-${colorScheme}`)
      })

    it('is used by keyboard: every control, the members in the picture, and back out', async () => {
      show(viewOf(some(5)))
      const { page } = await open()
      await page.waitForSelector('#rows tr:nth-child(5)')
      const reached = new Set<string>()
      for (let i = 0; i < 25; i++) {
        await page.keyboard.press('Tab')
        reached.add(await page.evaluate(() => document.activeElement?.id || document.activeElement?.className || ''))
      }
      for (const name of ['skip', 'theme', 'copy', 'graph', 'scroll', 'id', 'happened', 'refused'])
        assert.ok(reached.has(name), `${name}: ${[...reached]}`)
      await page.focus('#graph')
      await page.keyboard.press('ArrowRight')
      await page.waitForSelector('tr.selected')
      const first = await page.textContent('#detail h3')
      await page.keyboard.press('ArrowRight')
      await page.waitForFunction((before) => document.querySelector('#detail h3')?.textContent !== before, first)
      await page.keyboard.press('Escape')
      await page.waitForFunction(() => document.querySelector('tr.selected') === null)
      await page.focus('#rows .id')
      await page.keyboard.press('Enter')
      await page.waitForSelector('#rows .id[aria-pressed="true"]')
    })

    it('shows what hostile members send as text, and stays as it is', async () => {
      const bidi = '\u202egnissim\u2066 \u200f\ufeff\u0007'
      const html = '<img src=x onerror=alert(1)><script>alert(2)</script><style>*{display:none}</style>'
      const hostile = {
        peerId: `12D3KooW${html}${bidi}`,
        addresses: [`/dns4/${bidi}/tcp/1`, html, 'a'.repeat(5_000)],
        tcbStatus: `constructor${html}`,
        issuer: '__proto__',
        state: 'toString',
        issuedAt: 'never',
        expiresAt: html,
      }
      const members = [...some(2), member(2, 3, hostile), member(3, 3, { state: '__proto__', tcbStatus: '__proto__' })]
      const happened = [
        { kind: 'join', peerId: html, outcome: html, code: html, reasons: [html, bidi], atMs: 1e300 },
        { kind: 'join', peerId: bidi, outcome: 'refused', code: '__proto__', reasons: [html, bidi], atMs: systemClock.now() },
        { kind: 'member', peerId: `${'Z͑ͫ̓'.repeat(20)}${'\u0301'.repeat(100)}`, change: 'constructor', atMs: systemClock.now() },
        { kind: 'challenge', side: 'verifier', peerId: html, outcome: bidi, atMs: systemClock.now() },
        { kind: html, atMs: systemClock.now() },
      ]
      const notes = [{ code: html, words: `${html}${bidi}`, alarm: true }]
      show(
        viewOf(members, {
          happened,
          alarms: [
            { alarm: html, since: html, peerId: bidi, about: html, words: bidi, next: html },
            { alarm: '__proto__', since: 'never', words: html, next: bidi },
          ],
          status: { anchorNotes: notes, witness: html, proof: '__proto__' },
        }),
      )
      const { page, complaints } = await open()
      await page.waitForSelector('#rows tr:nth-child(4)')
      await page.click('#rows tr:nth-child(4) .id')
      assert.equal(await page.locator('main img, main script, main style, main iframe').count(), 0)
      const text = await page.evaluate(() => document.body.innerText)
      assert.doesNotMatch(text, /[^\P{C}\n\t]/u)
      assert.match(text, /\\u\{202e\}/)
      assert.match(text, /<img src=x onerror=alert\(1\)>/)
      assert.deepEqual(complaints, [])
      const { width, window } = await page.evaluate(() => ({ width: document.documentElement.scrollWidth, window: innerWidth }))
      assert.ok(width <= window, 'no text is so long that the page grows')
      await pages.at(-1)!.picture('hostile')
    })

    it('asks now and then where the node has no place for a stream, and says when nobody answers', async () => {
      const small = await StatusBench.open({ node, limits: { streams: 0 } })
      try {
        show(viewOf(some(3)))
        const watched = await WatchedPage.open(browser, small.url.href, DESKTOP)
        await watched.page.waitForSelector('#rows tr:nth-child(3)')
        await small.server.stop()
        await watched.page.waitForSelector('#live.bad')
        assert.match(await watched.page.textContent('#live').then(String), /no answer since \d\d:\d\d:\d\d/)
        await watched.close()
      } finally {
        await small.close()
      }
    })

    it('redraws 200 members while something moves, and rests when nothing does', async () => {
      const crowd = some(200)
      show(viewOf(crowd))
      const context = await browser.newContext(DESKTOP)
      await context.addInitScript(() => {
        const counted = window as unknown as { redraws: number }
        counted.redraws = 0
        const clear = CanvasRenderingContext2D.prototype.clearRect
        CanvasRenderingContext2D.prototype.clearRect = function (...rectangle) {
          counted.redraws++
          clear.apply(this, rectangle)
        }
      })
      const page = await context.newPage()
      await page.goto(bench.url.href)
      await page.waitForSelector('#rows tr:nth-child(200)')
      const redraws = () => page.evaluate(() => (window as unknown as { redraws: number }).redraws)
      // Members come and go all the while, so that something always moves.
      const moving = new AbortController()
      const change = (async () => {
        for (let i = 0; !moving.signal.aborted; i++) {
          show(viewOf(crowd.slice(0, 200 - (i % 2) * 20)))
          await systemClock.sleep(400, moving.signal).catch(() => {})
        }
      })()
      await page.waitForFunction(() => (window as unknown as { redraws: number }).redraws > 30)
      const from = await redraws()
      await page.waitForTimeout(MEASURED_MS)
      const rate = ((await redraws()) - from) / (MEASURED_MS / 1000)
      moving.abort()
      await change
      console.log(`      ${rate.toFixed(0)} frames a second with 200 members`)
      assert.ok(rate > 0)
      await page.waitForFunction(
        async () => {
          const counted = window as unknown as { redraws: number }
          const before = counted.redraws
          await new Promise((resolve) => setTimeout(resolve, 700))
          return counted.redraws === before
        },
        undefined,
        { timeout: 20_000 },
      )
      await context.close()
    })

    it('is small and soon there', async () => {
      show(viewOf(some(7)))
      const { body } = await bench.get('/')
      assert.ok(body.length <= PAGE_BYTES_MAX)
      const paints: number[] = []
      for (let i = 0; i < 5; i++) {
        const { page } = await open()
        const paint = await page.evaluate(
          () => performance.getEntriesByType('paint').find(({ name }) => name === 'first-contentful-paint')?.startTime,
        )
        assert.ok(paint !== undefined, 'it was painted')
        paints.push(paint)
      }
      paints.sort((a, b) => a - b)
      console.log(`      ${body.length} bytes, first paint after ${paints[2]!.toFixed(0)} ms (median of 5)`)
    })
  })

  it('shows a real mesh: a member joins, and is killed', async () => {
    const bench = await Bench.open()
    try {
      const first = await bench.up('a', '--new', '--status-listen', '127.0.0.1:0')
      const watched = await WatchedPage.open(browser, first.status.statusUrl!, DESKTOP)
      const { page } = watched
      await page.waitForSelector('#rows tr:nth-child(1)')
      assert.match(await page.textContent('#notices').then(String), /INSECURE/)
      const peer = ['--cluster', first.status.cluster!, '--peer', first.status.addresses[0]!, '--status-listen', '127.0.0.1:0']
      const second = await bench.up('b', ...peer)
      await page.waitForSelector('#rows tr:nth-child(2)')
      await page.waitForSelector('#happened li.good')
      assert.match(await page.textContent('#happened').then(String), /was let in by this node|became a member/)
      second.program.child.kill('SIGKILL')
      await page.waitForSelector('#rows .tag.warn', { timeout: 60_000 })
      assert.match(await page.textContent('#happened').then(String), /stopped answering/)
      const view = (await (await fetch(`${first.status.statusUrl}view`)).json()) as StatusView<NodeStatus>
      assert.equal(view.memberCount, 2)
      await watched.picture('real-mesh')
      assert.deepEqual(watched.complaints, [])
      await watched.close()
    } finally {
      await bench.close()
    }
  })
})

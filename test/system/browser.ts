/** Debian's Chromium, headless, and what its pages complained about. */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
export const BROWSER_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
]
/** Where pictures are kept for who wants to look at them; outside of git. */
const PICTURES = process.env.DSTACK_MESH_PICTURES ?? '.bench/status-page'

export const findBrowser = (): string => {
  const found = PROGRAMS.find((path) => existsSync(path))
  if (found === undefined) throw new Error('no browser: apt-get install -y --no-install-recommends chromium')
  return found
}

export const openBrowser = (): Promise<Browser> => chromium.launch({ executablePath: findBrowser(), args: BROWSER_FLAGS })

/** Runs a function of several parts in a page: our transpiler marks their names by a helper that a page does not have. */
export const inPage = async <A, R>(page: Page, work: (argument: A) => R | Promise<R>, argument: A): Promise<R> => {
  await page.evaluate('globalThis.__name = (named) => named')
  return page.evaluate(work as (argument: unknown) => R | Promise<R>, argument)
}

/** A page, with everything that it asked for and complained about. */
export class WatchedPage {
  readonly complaints: string[] = []
  readonly asked: string[] = []
  private constructor(readonly page: Page) {
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text())
    })
    page.on('pageerror', (error) => this.complaints.push(String(error)))
    page.on('dialog', (dialog) => {
      this.complaints.push(`dialog: ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on('request', (request) => this.asked.push(request.url()))
  }

  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<WatchedPage> {
    const context = await browser.newContext(options)
    const watched = new WatchedPage(await context.newPage())
    await watched.page.goto(url)
    return watched
  }

  async picture(name: string, fullPage = true): Promise<void> {
    await mkdir(PICTURES, { recursive: true })
    await this.page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage })
  }

  async close(): Promise<void> {
    await this.page.context().close()
  }
}

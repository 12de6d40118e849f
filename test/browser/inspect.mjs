// SPDX-License-Identifier: Apache-2.0

// What must hold of every page in every language (WCAG 2.1 AA, EN 301 549): axe-core finds nothing in light and in
// dark, nothing has to be scrolled sideways at 320 px and at 200 % zoom, nothing comes from elsewhere, no cookie is set.

import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const wide = { width: 1280, height: 900 }
const narrow = { width: 320, height: 640 }
// 200 % of a window of 1280 pixels.
const zoomed = { width: 640, height: 450 }

export class Inspector {
  constructor (site, folder) {
    this.site = site
    this.folder = folder
    this.findings = []
    this.pages = 0
    mkdirSync(folder, { recursive: true })
  }

  find (where, what) { this.findings.push(`${where}: ${what}`) }

  // watch reports what a page asks of others and what the browser refuses. A sign-in leads to the identity provider,
  // whose own pages are its own affair.
  watch (page, where, provider) {
    const under = (url, origin) => origin !== undefined && url.startsWith(origin + '/')
    page.on('request', request => {
      if (under(request.url(), this.site) || under(request.url(), provider) || under(request.frame().url(), provider)) return
      this.find(where, `asks ${request.url()}`)
    })
    page.on('console', message => {
      if (under(page.url(), provider)) return
      // The browser says of each refusal's status what the test asked for.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) this.find(where, `console: ${message.text()}`)
    })
  }

  // inspect holds one page against everything above and keeps pictures of it.
  async inspect (page, name, language) {
    this.pages++
    const where = `${language} ${name}`
    const picture = kind => page.screenshot({ path: join(this.folder, `${name}.${language}.${kind}.png`), fullPage: true })
    if (await page.locator('html').getAttribute('lang') !== language) this.find(where, 'says it is in another language')
    await this.axe(page, where, {})
    await picture('light')
    // Colours and sizes are the same in every language, the lengths of words are not.
    if (language === 'de') {
      await page.emulateMedia({ colorScheme: 'dark' })
      await this.axe(page, where + ', dark', { runOnly: ['color-contrast'] })
      await picture('dark')
      await page.emulateMedia({ colorScheme: 'light' })
    }
    for (const [kind, size] of Object.entries({ '200 %': zoomed, '320 px': narrow })) {
      await page.setViewportSize(size)
      await this.fits(page, `${where} at ${kind}`, size.width)
    }
    if (language === 'de') {
      await this.axe(page, `${where} at 320 px`, { runOnly: ['color-contrast', 'target-size', 'scrollable-region-focusable'] })
      await picture('narrow')
    }
    await page.setViewportSize(wide)
  }

  async axe (page, where, options) {
    const violations = await page.evaluate(async ([source, options]) => {
      if (!window.axe) (0, eval)(source)
      return (await window.axe.run(document, { resultTypes: ['violations'], ...options })).violations
    }, [axe, options])
    for (const { id, help, nodes } of violations) {
      this.find(where, `${id}: ${help}: ${nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(' | ')}`)
    }
  }

  async fits (page, where, width) {
    const broad = await page.evaluate(width => {
      if (document.documentElement.scrollWidth <= width) return null
      const beyond = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > width + 1)
      return beyond.slice(0, 3).map(e => e.outerHTML.slice(0, 120)).join(' | ')
    }, width)
    if (broad !== null) this.find(where, `has to be scrolled sideways: ${broad}`)
  }
}

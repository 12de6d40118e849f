// SPDX-License-Identifier: Apache-2.0

// What the staff does, in every language, with and without JavaScript: node staff.mjs reads a line of JSON (site,
// provider, pins of their certificates, chromium, pictures, office, day, languages, codes) and walks from the identity
// provider's pages through every page of the staff side. It ends with status 1 and a line per finding.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { Inspector } from './inspect.mjs'

const { site, provider, pins, executablePath, pictures, office, day, languages, codes } = JSON.parse(readFileSync(0, 'utf8'))
const inspector = new Inspector(site, pictures)
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    `--ignore-certificate-errors-spki-list=${pins.join(',')}`]
})
const path = page => new URL(page.url()).pathname
const submit = (page, action) => page.locator(`main form[action$="${action}"] button`).first().click()

// enter walks the provider's pages: a name, any password, consent.
async function enter (page, name) {
  await page.locator('main a[href="/staff/login"]').click()
  await page.locator('input[name="login"]').fill(name)
  await page.locator('input[name="password"]').fill('any')
  await page.locator('button[type="submit"]').click()
  await page.locator('button[type="submit"]').click()
}

// signIn ends signed in. Someone who reads is held on the page the provider sends back to, and goes on by its link;
// others are taken on by the page itself. A strict cookie must be there either way.
async function signIn (page, name, look, held) {
  await page.goto('/staff/')
  await look('staff-signin')
  const home = site + '/staff/'
  if (held) await page.route(home, route => route.fulfill({ status: 204 }))
  await enter(page, name)
  if (held) {
    await page.locator('main a[href="/staff/"]').waitFor()
    assert.equal(path(page), '/staff/callback')
    await look('staff-signedin')
    await page.unroute(home)
    await page.locator('main a[href="/staff/"]').click()
  }
  await page.waitForURL(home)
  await page.locator('footer form[action="/staff/logout"]').waitFor()
  await look('staff-home')
}

async function serve (page, code, look) {
  await page.goto(`/staff/offices/${office}?day=2001-01-01`)
  await look('staff-day-empty')
  await page.goto(`/staff/offices/${office}?day=${day}`)
  await look('staff-day')
  await page.locator('main tbody a', { hasText: code }).click()
  await look('staff-visit')
  await page.goto('/staff/find')
  await look('staff-find')
  await page.locator('#code').fill('0000-0000')
  await submit(page, '/find')
  await look('staff-find-none')
  await page.locator('#code').fill(code.toLowerCase())
  await submit(page, '/find')
  await submit(page, '/call')
  await look('staff-called')
  await submit(page, '/complete')
  await submit(page, '/reopen')
  await look('staff-reason-missing')
  await page.locator('#reason').selectOption('mistake')
  await submit(page, '/reopen')
  await submit(page, '/miss')
  await look('staff-missed')
}

async function book (page, look) {
  const own = `/staff/offices/${office}/book`
  await page.goto(own)
  await look('staff-book')
  await page.locator('#service').selectOption('beratung')
  await page.locator('#channel').selectOption('Phone')
  await submit(page, '/book')
  await look('staff-times')
  await page.locator('#reason').selectOption('urgent')
  await page.locator('#at').fill('2001-01-01T09:00')
  await page.locator('#at').locator('xpath=ancestor::form').locator('button').click()
  await look('staff-not-offered')
  await page.locator('.times a').last().click()
  await look('staff-book-form')
  await submit(page, '/book')
  await look('staff-book-faults')
  for (const [name, value] of Object.entries({ given_name: 'Zoë', family_name: 'Quittenbaum', phone: '061 555 01 23' })) await page.locator(`#${name}`).fill(value)
  await page.locator('#notice').check()
  await submit(page, '/book')
  await page.locator('main [role="status"]').waitFor()
  await look('staff-booked')
}

async function oversee (page, code, reference, look) {
  await page.goto('/staff/cases')
  await look('staff-cases')
  await submit(page, '/cases')
  await look('staff-cases-faults')
  await page.locator('#reference').fill(reference)
  await page.locator('#what').fill(code)
  await page.locator('#days').fill('30')
  await submit(page, '/cases')
  await page.locator('tbody', { hasText: reference }).waitFor()
  await look('staff-case-opened')
  await page.goto('/staff/audit')
  await look('staff-audit')
  await page.goto('/staff/sessions')
  await look('staff-sessions')
}

async function leave (page, look) {
  await page.goto('/staff/visits/none')
  await look('staff-missing')
  await page.locator('footer form[action="/staff/logout"] button').click()
  await look('staff-signedout')
  await page.goto('/staff/find')
  await page.locator('a[href="/staff/login"]').waitFor()
}

async function work (language, javaScriptEnabled) {
  const name = `${language} staff ${javaScriptEnabled ? 'with' : 'without'} JavaScript`
  const context = await browser.newContext({ baseURL: site, locale: language, javaScriptEnabled, viewport: { width: 1280, height: 900 } })
  context.setDefaultTimeout(120_000)
  await context.route(url => ![site, provider].includes(url.origin), route => route.abort())
  const page = await context.newPage()
  inspector.watch(page, name, provider)
  const look = javaScriptEnabled ? what => inspector.inspect(page, what, language) : async () => {}
  const code = codes[name]
  try {
    await signIn(page, `lead.officer.auditor.admin.${language}-${javaScriptEnabled}`, look, javaScriptEnabled)
    const cookie = (await context.cookies(site)).find(cookie => cookie.name === '__Host-termintreu-staff')
    assert.deepEqual([cookie.sameSite, cookie.secure, cookie.httpOnly, cookie.expires], ['Strict', true, true, -1])
    await serve(page, code, look)
    await book(page, look)
    await oversee(page, code, `2026-${language}-${javaScriptEnabled}`, look)
    await leave(page, look)
  } catch (fault) {
    inspector.find(name, fault.stack)
  } finally {
    await context.close()
  }
}

// Two at a time: one page is drawn while another is thought about.
const waiting = languages.flatMap(language => [[language, true], [language, false]])
const worker = async () => { while (waiting.length > 0) await work(...waiting.shift()) }
await Promise.all([worker(), worker()])
await browser.close()
console.log(`${inspector.pages} pages looked at, ${inspector.findings.length} findings`)
for (const finding of inspector.findings) console.log(finding)
process.exitCode = inspector.findings.length === 0 ? 0 : 1

// SPDX-License-Identifier: Apache-2.0

// Runs every flow in every language with and without JavaScript: node run.mjs SITE LANGUAGES CHROMIUM PICTURES; with
// "work" behind, those of a site where a hold costs work. It
// ends with status 1 and a line per finding when a page is not what it must be.

import { chromium } from 'playwright-core'
import { Inspector } from './inspect.mjs'
import * as flows from './flows.mjs'

const [site, languages, executablePath, pictures, what] = process.argv.slice(2)
const inspector = new Inspector(site, pictures)
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
})
let citizens = 0

// visit gives a citizen a browser of their own, coming from an address of their own.
async function visit (name, language, javaScriptEnabled, way) {
  const context = await browser.newContext({
    baseURL: site, locale: language, javaScriptEnabled, viewport: { width: 1280, height: 900 },
    extraHTTPHeaders: { 'X-Forwarded-For': `192.0.2.${++citizens}` }
  })
  context.setDefaultTimeout(120_000)
  try {
    const page = await context.newPage()
    inspector.watch(page, `${language} ${name}`)
    await way(page, context)
    const cookies = await context.cookies()
    if (cookies.length > 0) inspector.find(`${language} ${name}`, 'sets a cookie')
  } catch (fault) {
    inspector.find(`${language} ${name}`, fault.stack)
  } finally {
    await context.close()
  }
}

async function everything (page, language, look) {
  await flows.book(page, language, look)
  await flows.rights(page, language, look)
  await flows.move(page, language, look)
  await flows.cancel(page, language, look)
  await flows.erase(page, language, look)
  await flows.consent(page, language, look)
  await flows.address(page, language, look)
  await flows.notice(page, language, look)
}

async function speak (language) {
  await visit('with JavaScript', language, true, async (page, context) => {
    const look = name => inspector.inspect(page, name, language)
    await everything(page, language, look)
    await flows.late(page, language, look, await context.newPage())
  })
  await visit('without JavaScript', language, false, page => everything(page, language, () => {}))
  await visit('by keyboard', language, true, page => flows.keyboard(page, language))
}

async function hold (language) {
  await visit('working', language, true, page => flows.work(page, language, name => inspector.inspect(page, name, language)))
  await visit('waiting', language, true, page => flows.wait(page, language, name => inspector.inspect(page, name, language)))
  await visit('waiting without JavaScript', language, false, page => flows.wait(page, language, () => {}))
}

// Two at a time: one page is drawn while another is thought about.
const waiting = languages.split(',')
const worker = async () => { while (waiting.length > 0) await (what === 'work' ? hold : speak)(waiting.shift()) }
await Promise.all([worker(), worker()])
await browser.close()
console.log(`${inspector.pages} pages looked at, ${inspector.findings.length} findings`)
for (const finding of inspector.findings) console.log(finding)
process.exitCode = inspector.findings.length === 0 ? 0 : 1

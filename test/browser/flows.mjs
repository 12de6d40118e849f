// SPDX-License-Identifier: Apache-2.0

// What citizens do, told without a word of any language: each flow finds its way by the structure of the pages, and
// looks at each page it comes to.

import assert from 'node:assert/strict'

const person = { given_name: 'Zoë', family_name: 'Quittenbaum', email: 'zoe.quittenbaum@example.org' }
// another is the same person under another address: a mail address gets only so many bookings in a short time.
const another = (language, what) => ({ ...person, email: `zoe.${what}.${language}@example.org` })
const path = page => new URL(page.url()).pathname
const submit = (page, action) => page.locator(`form[action$="${action}"] button`).first().click()
const follow = (page, end) => page.locator(`main a[href$="${end}"]`).first().click()

async function fill (page, values) {
  for (const [name, value] of Object.entries(values)) await page.locator(`input[name="${name}"]`).fill(value)
}

// hold presses the button of a time, and another where somebody else was faster, as a citizen would.
async function hold (page, n) {
  const answer = page.locator('input[name="given_name"], [role="alert"]').first()
  await page.locator('button[name="start"]').nth(n).click()
  await answer.waitFor()
  for (let tries = 0; tries < 5 && !path(page).includes('/appointments/'); tries++) {
    await page.locator('button[name="start"]').first().click()
    await answer.waitFor()
  }
}

// choose goes from the first page to a held slot; look is told every page on the way.
async function choose (page, language, look) {
  await page.goto(`/${language}/`)
  await look('home')
  await page.locator('a[href$="/services/ausweis"]').click()
  await look('service')
  await page.locator('a[href$="/offices/einwohneramt"]').click()
  await look('slots')
  await page.locator('a[rel="next"]').click()
  await page.locator('a[rel="prev"]').click()
  await hold(page, -1)
  assert.match(path(page), /\/appointments\//)
}

// enter gives name and address: first nothing, then all of it.
async function enter (page, look) {
  await look('contact')
  await page.locator('form[action$="/contact"] button').click()
  assert.equal(await page.locator('[role="alert"] li').count(), 4, 'a page that names each fault')
  await look('contact-faults')
  await fill(page, person)
  await page.locator('input[name="notice"]').check()
  await submit(page, '/contact')
  await look('pending')
  await submit(page, '/confirm')
  await look('confirmed')
}

// book is the whole way; it gives the address of the appointment.
export async function book (page, language, look) {
  await choose(page, language, look)
  await enter(page, look)
  return path(page)
}

// rights: see, take away, correct.
export async function rights (page, language, look) {
  const appointment = path(page)
  await follow(page, '/data')
  await look('data')
  const copy = await (await page.request.get(appointment + '/data.json')).json()
  assert.equal(copy.contact.familyName, person.family_name)
  await follow(page, '/correct')
  await look('correct')
  await fill(page, { given_name: '' })
  await submit(page, '/correct')
  await look('correct-faults')
  await fill(page, { given_name: 'Zoé' })
  await submit(page, '/correct')
  assert.match(await page.locator('main').innerText(), /Zoé/)
  await object(page, appointment, look)
  await page.goto(appointment)
}

// object: restrict the use, lift that again, and object; the appointment stands.
async function object (page, appointment, look) {
  const exported = async () => (await (await page.request.get(appointment + '/data.json')).json()).appointment
  await follow(page, '/rights')
  await look('rights')
  await submit(page, '/restrict')
  await submit(page, '/object')
  await look('rights-asked')
  assert.ok((await exported()).restrictedUntil, 'the use is restricted')
  await page.goto(appointment + '/erase')
  await submit(page, '/erase')
  await look('onhold')
  await follow(page, '/rights')
  await submit(page, '/lift')
  const stands = await exported()
  assert.ok(!stands.restrictedUntil && stands.objectedAt && stands.state === 'confirmed', 'the appointment stands')
}

export async function move (page, language, look) {
  const appointment = path(page)
  const before = await page.locator('.summary').innerText()
  await follow(page, '/move')
  await look('move')
  do await page.locator('button[name="start"]').first().click()
  while (path(page) !== appointment)
  assert.notEqual(await page.locator('.summary').innerText(), before, 'the appointment is at another time')
  const calendar = await (await page.request.get(appointment + '/calendar.ics')).text()
  assert.match(calendar, /SEQUENCE:1/)
}

export async function cancel (page, language, look) {
  await follow(page, '/cancel')
  await look('cancel')
  await submit(page, '/cancel')
  await look('cancelled')
}

export async function erase (page, language, look) {
  const appointment = path(page)
  await page.goto(appointment + '/erase')
  await look('erase')
  await submit(page, '/erase')
  await look('erased')
  const gone = await page.goto(appointment)
  assert.equal(gone.status(), 404)
  await look('missing')
}

// consent: a service that rests on it is not booked without; no box is ticked before the citizen ticks it, and one press
// withdraws what one press gave.
export async function consent (page, language, look) {
  await page.goto(`/${language}/services/beratung/offices/einwohneramt?channel=Video`)
  await hold(page, 5)
  assert.equal(await page.locator('input:checked').count(), 0, 'nothing is ticked')
  await look('consent-asked')
  await fill(page, another(language, 'consent'))
  await page.locator('input[name="notice"]').check()
  await submit(page, '/contact')
  assert.equal(await page.locator('[role="alert"] li').count(), 1, 'the consent is missing')
  await look('consent-missing')
  await page.locator('input[name="notice"]').check()
  await page.locator('input[name="consent_service"]').check()
  await submit(page, '/contact')
  await submit(page, '/confirm')
  const appointment = path(page)
  await follow(page, '/consent')
  await look('consent')
  await submit(page, '/withdraw')
  await look('withdrawn')
  const gone = await page.goto(appointment)
  assert.equal(gone.status(), 404)
}

// address: given freely, and withdrawn while the appointment stands.
export async function address (page, language, look) {
  await page.goto(`/${language}/services/ausweis/offices/einwohneramt`)
  await hold(page, 9)
  await fill(page, { ...another(language, 'address'), street: 'Quellenweg 9', postal_code: '4001', city: 'Basel' })
  await page.locator('input[name="consent_postal_address"]').check()
  await page.locator('input[name="reminder"]').check()
  await page.locator('input[name="notice"]').check()
  await submit(page, '/contact')
  await submit(page, '/confirm')
  const appointment = path(page)
  await follow(page, '/consent')
  await submit(page, '/withdraw')
  await look('consent-withdrawn')
  const copy = await (await page.request.get(appointment + '/data.json')).json()
  assert.ok(!copy.contact.street && copy.consents[0].withdrawnAt && copy.appointment.state === 'confirmed', 'the address alone is gone')
  await page.goto(appointment + '/correct')
  assert.ok(await page.locator('input[name="reminder"]').isChecked(), 'the reminder is wanted')
  await look('correct-reminder')
  await page.goto(appointment + '/data')
  await look('data-consent')
}

// work: where a hold costs work, the script does it before anybody notices.
export async function work (page, language, look) {
  await page.goto(`/${language}/services/ausweis/offices/einwohneramt`)
  await look('slots-work')
  await hold(page, 3)
  await page.locator('input[name="given_name"]').waitFor()
}

// wait: without the script a few seconds do instead; a button pressed too early says so.
export async function wait (page, language, look) {
  await page.route('**/challenge.js*', route => route.abort())
  await page.goto(`/${language}/services/ausweis/offices/einwohneramt`)
  await page.locator('button[name="start"]').nth(7).click()
  await look('wait')
  await page.goto(`/${language}/services/ausweis/offices/einwohneramt`)
  await page.locator('button[name="start"]').nth(7).click()
  await submit(page, '/hold')
  await look('wait-early')
  while (await page.locator('input[name="given_name"]').count() === 0) {
    await page.waitForTimeout(2000)
    await submit(page, '/hold')
  }
}

export async function notice (page, language, look) {
  await page.goto(`/${language}/`)
  await page.locator('footer a[href$="/privacy"]').click()
  await look('privacy')
  assert.equal(new URL(page.url()).pathname, `/${language}/privacy`)
}

// late is the citizen who wants a slot somebody else has just taken.
export async function late (page, language, look, rival) {
  const office = `/${language}/services/ausweis/offices/gundeli`
  await page.goto(office)
  await rival.goto(office)
  await rival.locator('button[name="start"]').first().click()
  await page.locator('button[name="start"]').first().click()
  await look('taken')
}

// keyboard books without a mouse: every stop can be seen, and the way is short.
export async function keyboard (page, language) {
  await page.goto(`/${language}/`)
  await page.keyboard.press('Tab')
  assert.equal(await focused(page, e => e.getAttribute('href')), '#main', 'the first stop skips to the content')
  await page.keyboard.press('Enter')
  await reach(page, 'a[href$="/services/ausweis"]')
  await page.keyboard.press('Enter')
  await reach(page, 'a[href$="/offices/einwohneramt"]')
  await page.keyboard.press('Enter')
  do {
    await reach(page, 'button[name="start"]')
    await page.keyboard.press('Space')
    await page.locator('input[name="given_name"], [role="alert"]').first().waitFor()
  } while (!path(page).includes('/appointments/'))
  await reach(page, 'input[name="given_name"]')
  for (const name of ['given_name', 'family_name', 'email']) {
    await reach(page, `input[name="${name}"]`)
    await page.keyboard.type(person[name])
  }
  await reach(page, 'input[name="notice"]')
  await page.keyboard.press('Space')
  await page.keyboard.press('Enter')
  await reach(page, 'form[action$="/confirm"] button')
  await page.keyboard.press('Enter')
  await reach(page, 'a[href$="/cancel"]')
  await page.keyboard.press('Enter')
  await reach(page, 'form[action$="/cancel"] button')
  await page.keyboard.press('Enter')
  await page.locator('.alert').waitFor()
}

const focused = (page, tell) => page.evaluate(`(${tell})(document.activeElement)`)

// reach presses Tab until the wanted element has the focus.
async function reach (page, selector) {
  await page.locator(selector).first().waitFor()
  for (let stops = 0; stops < 60; stops++) {
    if (await focused(page, `e => e.matches(${JSON.stringify(selector)})`)) {
      assert.notEqual(await focused(page, e => getComputedStyle(e).outlineStyle), 'none', `${selector} shows that it has the focus`)
      return
    }
    await page.keyboard.press('Tab')
  }
  assert.fail(`${selector} cannot be reached with the keyboard`)
}

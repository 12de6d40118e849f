// SPDX-License-Identifier: Apache-2.0

// Does the work a hold costs: finds a counter so that the SHA-256 of "challenge.counter" begins with as many zero bits as
// the form asks for. It talks to nobody, stores nothing, and without it the site works too, only slower.
'use strict'
{
  const K = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
  ]
  const H = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
  ]
  const form = document.querySelector('form[data-challenge]')
  const proof = form.elements.proof
  const { challenge, bits } = form.dataset
  const w = new Int32Array(64)

  // first gives the first 32 bits of the hash of a text of at most 55 letters, which is one block.
  const first = text => {
    w.fill(0, 0, 16)
    for (let n = 0; n < text.length; n++) w[n >> 2] |= text.charCodeAt(n) << (24 - (n & 3) * 8)
    w[text.length >> 2] |= 0x80 << (24 - (text.length & 3) * 8)
    w[15] = text.length * 8
    for (let n = 16; n < 64; n++) {
      const a = w[n - 15]
      const b = w[n - 2]
      const s = (a >>> 7 | a << 25) ^ (a >>> 18 | a << 14) ^ (a >>> 3)
      const t = (b >>> 17 | b << 15) ^ (b >>> 19 | b << 13) ^ (b >>> 10)
      w[n] = w[n - 16] + s + w[n - 7] + t
    }
    let [a, b, c, d, e, f, g, h] = H
    for (let n = 0; n < 64; n++) {
      const s = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)
      const x = h + s + (e & f ^ ~e & g) + K[n] + w[n] | 0
      const t = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)
      const y = t + (a & b ^ a & c ^ b & c) | 0
      h = g; g = f; f = e; e = d + x | 0; d = c; c = b; b = a; a = x + y | 0
    }
    return a + H[0] >>> 0
  }

  let counter = 0
  let pressed
  // A little at a time, so that the page stays quick.
  const work = () => {
    for (let n = 0; n < 8000; n++, counter++) {
      const text = challenge + '.' + counter
      if (Math.clz32(first(text)) < bits) continue
      proof.value = text
      if (pressed) form.requestSubmit(pressed)
      return
    }
    setTimeout(work)
  }
  form.addEventListener('submit', event => {
    if (proof.value) return
    event.preventDefault()
    pressed = event.submitter
  })
  work()
}

// The next byte of a text: the declarations that come with the installed TypeScript.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { inMemory, Tensor } from 'espalier'
import { Network } from '../../../../examples/network.mjs'

const [WINDOW, VOCABULARY] = [32, 48]

/** RMS norm, rotary positions, queries in groups over fewer keys, gated hidden layers, as Llama has them. @param {number} seed */
export function decoder(seed) {
  const net = new Network(seed)
  const [width, hidden, heads, shared] = [48, 96, 4, 2]
  const size = width / heads
  /** @param {string} x @param {string} name */
  const norm = (x, name) => {
    const weight = net.tensor(`${name}.weight`, [width], () => 1)
    return `${x} * torch.rsqrt(${x}.pow(2).mean([-1], True) + 1e-6) * ${weight}`
  }
  const angles = (/** @type {(angle: number) => number} */ of) =>
    Float32Array.from({ length: WINDOW * size }, (_, k) => {
      const [time, at] = [Math.floor(k / size), (k % size) % (size / 2)]
      return of(time * 100 ** ((-2 * at) / size))
    })
  /** @param {string} name @param {Float32Array} values */
  const table = (name, values) => {
    net.buffers[name] = Tensor.from(values, [WINDOW, size])
    return `self.${name}`
  }
  const [cosines, sines] = [table('cosines', angles(Math.cos)), table('sines', angles(Math.sin))]
  const turned = (/** @type {string} */ x) =>
    `${x} * ${cosines} + torch.cat([-${x}[:, :, :, ${size / 2}:], ${x}[:, :, :, :${size / 2}]], -1) * ${sines}`
  net.add(`x = torch.embedding(${net.tensor('embed.weight', [VOCABULARY, width], net.normal(0.3))}, x)`)
  for (let k = 0; k < 2; k++) {
    const name = `block${k}`
    net.add(`y = ${norm('x', `${name}.norm1`)}`)
    for (const [part, count] of /** @type {[string, number][]} */ ([
      ['q', heads],
      ['k', shared],
      ['v', shared],
    ])) {
      const made = net.linear('y', `${name}.${part}`, count * size, width, false)
      net.add(`${part} = ${made}.view(B, ${WINDOW}, ${count}, ${size}).transpose(1, 2)`)
    }
    net.add(`q = ${turned('q')}`)
    net.add(`k = ${turned('k')}`)
    for (const part of ['k', 'v']) net.add(`${part} = torch.repeat_interleave(${part}, ${heads / shared}, 1)`)
    net.add('a = torch.scaled_dot_product_attention(q, k, v, None, 0.0, True)')
    net.add(`a = a.transpose(1, 2).reshape(B, ${WINDOW}, ${width})`)
    net.add(`x = x + ${net.linear('a', `${name}.out`, width, width, false)}`)
    net.add(`y = ${norm('x', `${name}.norm2`)}`)
    net.add(`g = ${net.linear('y', `${name}.gate`, hidden, width, false)}`)
    net.add(`u = ${net.linear('y', `${name}.up`, hidden, width, false)}`)
    net.add(`x = x + ${net.linear('torch.silu(g) * u', `${name}.down`, width, hidden, false)}`)
  }
  net.add(`x = ${norm('x', 'norm')}`)
  return net.model(net.linear('x', 'head', VOCABULARY, width, false))
}

/** Windows of the text, far apart: the most frequent bytes are classes of their own, the others one together. */
export function text() {
  const path = createRequire(import.meta.url).resolve('typescript/lib/lib.es5.d.ts')
  const bytes = readFileSync(path)
  const counts = new Array(256).fill(0)
  for (const byte of bytes) counts[byte]++
  const frequent = [...counts.keys()].sort((a, b) => counts[b] - counts[a] || a - b).slice(0, VOCABULARY - 1)
  const classOf = new Map(frequent.map((byte, k) => [byte, BigInt(k + 1)]))
  const codes = BigInt64Array.from([...bytes].map((byte) => classOf.get(byte) ?? 0n))
  const count = Math.floor((codes.length - 1) / WINDOW)
  /** @param {number} after */
  const windows = (after) => ({ data: codes.slice(after, after + count * WINDOW), shape: [count, WINDOW] })
  const [x, y] = [windows(0), windows(1)]
  const some = (/** @type {(k: number) => boolean} */ which, most = count) =>
    inMemory(x, y, [...Array(count).keys()].filter(which).slice(0, most))
  return {
    train: some((k) => k % 5 < 3, 2000),
    selection: some((k) => k % 5 === 3, 300),
    test: some((k) => k % 5 === 4, 800),
    shape: [1, WINDOW],
  }
}

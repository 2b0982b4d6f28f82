import { expect, it } from 'vitest'
import { PixelCache } from '../../../lib/train/data/files/images/cache.js'

/** A picture of `size` bytes of one value, and how often it was decoded. */
function pictures() {
  const decoded: number[] = []
  const decode = (index: number, size: number) => async () => {
    decoded.push(index)
    return { data: new Uint8Array(size).fill(index), width: size, height: 1 }
  }
  return { decoded, decode }
}

it('the first pictures stay until the limit is reached, and come as they were', async () => {
  const { decoded, decode } = pictures()
  const cache = new PixelCache(1000)
  const sizes = [400, 500, 200, 100]
  for (let pass = 0; pass < 2; pass++) {
    for (const [index, size] of sizes.entries()) {
      const { data, width } = await cache.get(index, decode(index, size))
      expect([width, data]).toEqual([size, new Uint8Array(size).fill(index)])
    }
  }
  // The third did not fit any more: 1,100 bytes.
  expect(decoded).toEqual([0, 1, 2, 3, 2])
})

it('what is larger than the limit, or all where there is none, is decoded each time', async () => {
  const { decoded, decode } = pictures()
  const [small, none] = [new PixelCache(10), new PixelCache(0)]
  for (let pass = 0; pass < 2; pass++) {
    await small.get(0, decode(0, 11))
    await none.get(1, decode(1, 1))
  }
  expect(decoded).toEqual([0, 1, 0, 1])
})

it('pictures share buffers: not one each', async () => {
  const { decode } = pictures()
  const cache = new PixelCache(2 ** 26)
  const buffers = new Set<ArrayBufferLike>()
  for (let k = 0; k < 100; k++) buffers.add((await cache.get(k, decode(k, 200_000))).data.buffer)
  // 20 MB in buffers of 16 MiB.
  expect(buffers.size).toBe(2)
})

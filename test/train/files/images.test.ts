import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { batches, type Dataset, type ImageFolderOptions, imageFolder, Random, subset } from 'espalier'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { descriptionOf } from '../../../lib/base/describe.js'
import { loadSharp } from '../../../lib/train/data/files/images/sharp.js'
import { temporary, unread } from './bytes.js'

const { folder } = temporary()
const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
const at = (...names: string[]) => join(folder, ...names)

type Color = readonly [number, number, number]
async function picture(path: string, width: number, height: number, color: (x: number, y: number) => Color) {
  mkdirSync(dirname(path), { recursive: true })
  const bytes = Array.from({ length: width * height }, (_, k) => color(k % width, Math.floor(k / width))).flat()
  await sharp(Uint8Array.from(bytes), { raw: { width, height, channels: 3 } }).toFile(path)
}
const plain = (color: Color) => () => color
/** Red runs from left to right, green from top to bottom. */
const ramp = (x: number, y: number): Color => [x * 4, y * 4, 100]

const first = async (dataset: Dataset, draw?: number) => {
  const { inputs, targets } = await dataset.batch(
    Int32Array.from({ length: dataset.size }, (_, i) => i),
    draw,
  )
  return { data: inputs[0]!.data as Float32Array, shape: inputs[0]!.shape, targets: targets?.data }
}

beforeAll(async () => {
  await picture(at('pets/dogs/b.png'), 16, 16, plain([0, 51, 255]))
  await picture(at('pets/cats/deep/a.JPG'), 16, 16, plain([128, 128, 128]))
  await picture(at('pets/birds/c.webp'), 16, 16, plain([255, 255, 255]))
  writeFileSync(at('pets/cats/notes.txt'), 'no picture')
  mkdirSync(at('pets/.thumbs'))
  mkdirSync(at('pets/empty'))
  for (let k = 0; k < 6; k++) await picture(at(`ramps/all/${k}.png`), 60 + k, 50, ramp)
})

describe('imageFolder', () => {
  it('has a class for each sub-folder, by name, also for an empty one', async () => {
    const pets = await imageFolder(at('pets'), { size: 4, normalize: 'none' })
    expect(pets.classes).toEqual(['birds', 'cats', 'dogs', 'empty'])
    expect(pets.skipped).toEqual([])
    const { data, shape, targets } = await first(pets)
    expect(shape).toEqual([3, 3, 4, 4])
    expect(targets).toEqual(BigInt64Array.of(0n, 1n, 2n))
    // Of the dog: red, green and blue one after the other.
    const dog = data.subarray(2 * 48)
    expect([dog[0], dog[16], dog[32]]).toEqual([0, 51, 255])
    expect(new Set(dog)).toEqual(new Set([0, 51, 255]))
  })

  it('takes the order of the classes from elsewhere', async () => {
    const classes = ['dogs', 'cats', 'birds', 'empty', 'fish']
    const pets = await imageFolder(at('pets'), { size: 4, classes })
    expect([pets.classes, (await first(pets)).targets]).toEqual([classes, BigInt64Array.of(2n, 1n, 0n)])
    await expect(imageFolder(at('pets'), { classes: ['cats'] })).rejects.toEqual(refused)
    await expect(imageFolder(at('pets'), { classes: [...classes, 'cats'] })).rejects.toThrow(
      /'cats' is twice in 'classes'/,
    )
  })

  it('reads labels from a table and from JSON, with names or numbers of classes', async () => {
    const files = ['dogs/b.png', 'cats/deep/a.JPG']
    const told = async (labels: string, content: string) => {
      writeFileSync(at('pets', labels), content)
      const { classes, size, ...rest } = await imageFolder(at('pets'), { labels, size: 4 })
      expect(size).toBe(2)
      return [classes, [...(await first({ size, ...rest })).targets!].map(Number)]
    }
    expect(await told('l.csv', `file,label\n${files[0]},dog\n${files[1]},cat\n`)).toEqual([
      ['cat', 'dog'],
      [1, 0],
    ])
    expect(await told('l.tsv', `${files[0]}\t1\n${files[1]}\t0\n`)).toEqual([
      ['0', '1'],
      [1, 0],
    ])
    expect(await told('l.json', JSON.stringify({ [files[0]!]: 2, [files[1]!]: 0 }))).toEqual([
      ['0', '1', '2'],
      [2, 0],
    ])
  })

  it.each([
    ['l.csv', 'file,label\n', 'no labels'],
    ['l.csv', 'a.png,\n', "'a.png' has no label"],
    ['l.csv', 'a.png,1\na.png,2\n', "'a.png' twice"],
    ['l.csv', 'a.png,1\nb.txt,2\n', "'b.txt' is no name"],
    ['l.csv', 'a.png,0.5\n', '0.5 is no number of a class'],
    ['l.json', '[]', 'no object'],
    ['l.json', '{', 'no JSON'],
    ['l.json', '{"a.png": {}}', 'has no label'],
    ['none.csv', undefined, 'ENOENT'],
  ])('refuses labels in %s: %s', async (labels, content, words) => {
    if (content !== undefined) writeFileSync(at('pets', labels), content)
    await expect(imageFolder(at('pets'), { labels })).rejects.toEqual(unread(words))
  })

  it('does without classes', async () => {
    const pets = await imageFolder(at('pets'), { labels: false, size: 4 })
    expect([pets.size, pets.classes, (await first(pets)).targets]).toEqual([3, [], undefined])
    await expect(imageFolder(at('pets/dogs'))).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_READ', hint: expect.stringContaining('labels: false') }),
    )
  })

  it('refuses a folder that is not there, or has no pictures', async () => {
    await expect(imageFolder(at('none'))).rejects.toEqual(unread('ENOENT'))
    await expect(imageFolder(at('pets/empty'), { labels: false })).rejects.toEqual(unread('no JPEG'))
  })

  it('names the broken pictures of a folder that has no others', async () => {
    mkdirSync(at('unread/dogs'), { recursive: true })
    for (const name of ['a.png', 'b.jpg']) writeFileSync(at('unread/dogs', name), 'no picture')
    await expect(imageFolder(at('unread'), { size: 4 })).rejects.toEqual(
      unread(/has 2 broken pictures, and no other: dogs\/a\.png: .+; dogs\/b\.jpg: /),
    )
  })

  it('is cancelled by its signal', async () => {
    await expect(imageFolder(at('pets'), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    })
  })

  it('follows a class that is a link', async () => {
    mkdirSync(at('linked'))
    symlinkSync(at('pets/dogs'), at('linked/hounds'))
    expect((await imageFolder(at('linked'), { size: 4 })).classes).toEqual(['hounds'])
  })
})

describe('the values of images', () => {
  const dogOf = async (options: ImageFolderOptions) => {
    const { data } = await first(subset(await imageFolder(at('pets'), { size: 2, ...options }), [2]))
    return options.channels === 1 ? [data[0]] : [data[0], data[4], data[8]]
  }
  const closeTo = (values: number[]) => values.map((value) => expect.closeTo(value, 5))

  it.each<[ImageFolderOptions, number[]]>([
    [{ normalize: 'none' }, [0, 51, 255]],
    [{ normalize: 'unit' }, [0, 0.2, 1]],
    [{}, [-0.485 / 0.229, (0.2 - 0.456) / 0.224, (1 - 0.406) / 0.225]],
    [{ mean: 0.5, std: [1, 0.5, 0.25] }, [-0.5, -0.6, 2]],
    [{ normalize: 'unit', mean: [0, 0.1, 0.2] }, [0, 0.1, 0.8]],
  ])('are by %o', async (options, values) => {
    expect(await dogOf(options)).toEqual(closeTo(values))
  })

  it('are of one channel, if wanted', async () => {
    const { data, shape } = await first(await imageFolder(at('pets'), { size: 2, channels: 1, normalize: 'none' }))
    expect(shape).toEqual([3, 1, 2, 2])
    expect([data[0], data[4]]).toEqual([255, expect.closeTo(128, -0.5)])
    expect(await dogOf({ channels: 1, normalize: 'imagenet', mean: 0, std: 1 })).not.toEqual([0])
  })

  it('need as many means as channels', async () => {
    await expect(imageFolder(at('pets'), { mean: [0.5] })).rejects.toEqual(refused)
    await expect(imageFolder(at('pets'), { channels: 1, std: [1, 1, 1] })).rejects.toEqual(refused)
  })

  it('can not be larger than float32 holds', async () => {
    await expect(imageFolder(at('pets'), { std: 1e-300 })).rejects.toEqual(refused)
  })

  it('are of gray, transparent and 16-bit pictures, too', async () => {
    mkdirSync(at('kinds'))
    const image = (channels: 3 | 4, background: object) =>
      sharp({ create: { width: 4, height: 4, channels, background: background as never } })
    await image(3, { r: 90, g: 90, b: 90 }).toColourspace('b-w').png().toFile(at('kinds/gray.png'))
    await image(4, { r: 255, g: 0, b: 51, alpha: 0.5 }).png().toFile(at('kinds/half.png'))
    await image(3, { r: 255, g: 0, b: 51 }).toColourspace('rgb16').png().toFile(at('kinds/wide.png'))
    for (const channels of [3, 1] as const) {
      const { data } = await first(
        await imageFolder(at('kinds'), { labels: false, size: 1, crop: 1, normalize: 'none', channels }),
      )
      if (channels === 3)
        expect([...data]).toEqual([90, 90, 90, 255, 127, 153, 255, 0, 51].map((v) => expect.closeTo(v, -0.5)))
      else expect(data[0]).toBe(90)
    }
  })

  it('are of the middle: the short side is fitted, the long one cut', async () => {
    await picture(at('wide/x.png'), 90, 30, (x) => (x < 30 ? [255, 0, 0] : x < 60 ? [0, 255, 0] : [0, 0, 255]))
    const { data } = await first(
      await imageFolder(at('wide'), { labels: false, size: [10, 10], crop: 1, normalize: 'none' }),
    )
    const middle = (c: number) => data[c * 100 + 55]
    expect([middle(0), middle(1), middle(2)]).toEqual([0, 255, 0])
    const whole = await first(
      await imageFolder(at('wide'), { labels: false, size: [10, 30], crop: 1, normalize: 'none' }),
    )
    expect([whole.shape, whole.data[0], whole.data[300 + 15], whole.data[629]]).toEqual([[1, 3, 10, 30], 255, 255, 255])
  })
})

describe('random changes', () => {
  const options: ImageFolderOptions = { size: 8, normalize: 'none', transform: 'train' }

  it('depend on the seed, the pass and the picture alone', async () => {
    const seen = async (draw: number, more: ImageFolderOptions = {}) =>
      (await first(await imageFolder(at('ramps'), { ...options, jitter: 0.3, ...more }), draw)).data
    const wanted = await seen(7)
    for (const more of [{ workers: 1 }, { workers: 16 }, { cache: 0 }, { cache: 20_000 }]) {
      expect(await seen(7, more)).toEqual(wanted)
    }
    const all = await imageFolder(at('ramps'), { ...options, jitter: 0.3 })
    const [a, b] = [await all.batch(Int32Array.of(5, 2), 7), await all.batch(Int32Array.of(2), 7)]
    expect(a.inputs[0]!.data.slice(192)).toEqual(b.inputs[0]!.data)
    expect(b.inputs[0]!.data).toEqual(wanted.slice(2 * 192, 3 * 192))
    expect(await seen(8)).not.toEqual(wanted)
    expect(await seen(7, { seed: 1 })).not.toEqual(wanted)
  })

  it('are the same when a pass goes on, and others in the next', async () => {
    const pass = async (random: Random, resume?: { batch: number; random: Random['state'] }) => {
      const seen: number[][] = []
      const ramps = await imageFolder(at('ramps'), options)
      for await (const { inputs } of batches(ramps, { batchSize: 2, random, resume })) {
        seen.push([...(inputs[0]!.data() as Float32Array)])
      }
      return seen
    }
    const random = new Random(5)
    const whole = await pass(random)
    expect(await pass(new Random(5), { batch: 2, random: random.state })).toEqual(whole.slice(2))
    expect(await pass(random)).not.toEqual(whole)
  })

  /** From the first to the last column, and row. */
  const slopes = (data: Float32Array) => [data[7]! - data[0]!, data[64 + 56]! - data[64]!]

  it('are crops of many sizes, half of them mirrored', async () => {
    const ramps = subset(await imageFolder(at('ramps'), options), [0])
    const seen: number[][] = []
    for (let draw = 0; draw < 200; draw++) seen.push(slopes((await first(ramps, draw)).data))
    const mirrored = seen.filter(([across]) => across! < 0).length
    expect(mirrored).toBeGreaterThan(70)
    expect(mirrored).toBeLessThan(130)
    expect(seen.every(([, down]) => down! > 0)).toBe(true)
    const widths = seen.map(([across]) => Math.abs(across!))
    expect(Math.min(...widths)).toBeLessThan(90)
    expect(Math.max(...widths)).toBeGreaterThan(170)
  })

  it('are none where all is switched off', async () => {
    const still = subset(await imageFolder(at('ramps'), { ...options, scale: 1, flip: false }), [0])
    const seen = new Set<string>()
    for (let draw = 0; draw < 50; draw++) {
      const [across, down] = slopes((await first(still, draw)).data)
      expect(across).toBeGreaterThan(0)
      seen.add(`${across} ${down}`)
    }
    // All of the area, with sides of another ratio than the picture's, fits into it seldom.
    expect(seen.size).toBeLessThan(12)
  })

  it('change brightness and colors by up to the part given', async () => {
    const gray = subset(await imageFolder(at('pets'), { ...options, jitter: 0.5 }), [1])
    const values: number[] = []
    for (let draw = 0; draw < 60; draw++) values.push((await first(gray, draw)).data[0]!)
    expect(Math.min(...values)).toBeGreaterThanOrEqual(63)
    expect(Math.max(...values)).toBeLessThanOrEqual(193)
    expect(new Set(values).size).toBeGreaterThan(30)
  })
})

describe('broken pictures', () => {
  beforeAll(async () => {
    for (let k = 0; k < 4; k++)
      await picture(at(`torn/all/${k}.jpg`), 64, 64, (x, y) => [x * 4, (y * 37) % 256, 50 * k])
    const path = at('torn/all/1.jpg')
    truncateSync(path, Math.floor(readFileSync(path).length * 0.6))
    writeFileSync(at('torn/all/4.png'), 'no picture')
    writeFileSync(at('torn/all/5.png'), '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    writeFileSync(at('torn/all/6.webp'), '')
  })

  it('are left out and named; one that is cut short has the next in its place', async () => {
    const torn = await imageFolder(at('torn'), { size: 8 })
    expect(torn.size).toBe(4)
    expect(torn.skipped.map(({ file }) => file)).toEqual(['all/4.png', 'all/5.png', 'all/6.webp'])
    expect(torn.skipped[1]!.reason).toContain('svg')
    const [one, two] = [1, 2].map((index) => torn.batch(Int32Array.of(index)))
    expect(await one).toEqual(await two)
    expect(torn.skipped[3]).toEqual({ file: 'all/1.jpg', reason: expect.stringContaining("pixels can't be decoded") })
    await torn.batch(Int32Array.of(1))
    expect(torn.skipped).toHaveLength(4)
  })

  it('are an error that names them when there are too many', async () => {
    await expect(imageFolder(at('torn'), { maxBroken: 2 })).rejects.toEqual(
      unread(/3 broken pictures.*4\.png.*6\.webp/),
    )
    const torn = await imageFolder(at('torn'), { maxBroken: 3, size: 8 })
    await expect(torn.batch(Int32Array.of(0, 1))).rejects.toEqual(unread(/4 broken pictures.*all\/1\.jpg/))
  })

  it('of a file of labels are those that are not there, too', async () => {
    writeFileSync(at('torn/l.csv'), 'all/0.jpg,a\nall/9.jpg,b\n')
    const torn = await imageFolder(at('torn'), { labels: 'l.csv' })
    expect([torn.size, torn.classes]).toEqual([1, ['a', 'b']])
    expect(torn.skipped).toEqual([{ file: 'all/9.jpg', reason: expect.stringContaining('ENOENT') }])
  })
})

describe('the description of a folder', () => {
  it('is that of the pictures and of what is made of them, not of how', async () => {
    const told = async (options: ImageFolderOptions) =>
      JSON.stringify(descriptionOf(await imageFolder(at('ramps'), options)))
    const wanted = await told({ size: 8 })
    expect(await told({ size: [8, 8], workers: 1, cache: 0, maxBroken: 0, seed: 4, normalize: 'imagenet' })).toBe(
      wanted,
    )
    const others = [
      { size: 9 },
      { size: 8, channels: 1 },
      { size: 8, crop: 1 },
      { size: 8, transform: 'train' },
    ] as const
    for (const other of others) expect(await told(other)).not.toBe(wanted)
    expect(await told({ size: 8, labels: false })).not.toBe(wanted)
  })
})

describe('sharp', () => {
  it('that is not installed is told, with what to do', async () => {
    const missing = () => Promise.reject(new Error("Cannot find package 'sharp'"))
    await expect(loadSharp(missing)).rejects.toMatchObject({ code: 'ERR_READ', hint: 'npm install sharp' })
  })
})

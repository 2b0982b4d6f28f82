import { execFile, execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Dataset, evaluate, imageFolder, load, Random, split, Tensor, tokenFile } from 'espalier'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { python } from '../support/python.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

// The folder of a reader: a copy of the examples, and what npm would have installed.
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-programs-'))
  cpSync(join(ROOT, 'examples'), folder, { recursive: true })
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules/espalier'), 'dir')
  symlinkSync(join(ROOT, 'node_modules/sharp'), join(folder, 'node_modules/sharp'), 'dir')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const at = (name: string) => join(folder, name)

/** Runs an example and gives what it prints; it has nothing to complain about. */
async function run(script: string): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [script], { cwd: folder, encoding: 'utf8' })
  expect(stderr).toBe('')
  return stdout
}

const numberOf = (text: string, pattern: RegExp) => Number(pattern.exec(text)?.[1])
/** Of a line such as `cut: accuracy 0.9917`. */
const measured = (text: string, metric: string) => (stage: string) =>
  numberOf(text, new RegExp(`^${stage}: ${metric} ([\\d.]+)$`, 'm'))
function partOfMacs(text: string): number {
  const [, before, after] = /^MACs: (\d+) -> (\d+)/m.exec(text)!
  return Number(after) / Number(before)
}
const bytesOf = (name: string) => statSync(at(name)).size

describe('an image classifier, from a folder of pictures', () => {
  it('learns, is halved, and loses nothing', async () => {
    const text = await run('images/classifier.mjs')
    const accuracy = measured(text, 'accuracy')
    expect(accuracy('before')).toBeGreaterThan(0.95)
    expect(accuracy('regularized') - accuracy('cut')).toBeLessThanOrEqual(0.005)
    expect(accuracy('finetuned')).toBeGreaterThan(0.95)
    expect(partOfMacs(text)).toBeLessThanOrEqual(0.5)
    // The file is the model that was measured.
    const options = { size: 8, channels: 1, mean: 0.5, std: 0.5, crop: 1 } as const
    const pictures = await imageFolder(at('photos/validation'), options)
    const again = await evaluate(await load(at('classifier-small.pt')), pictures, { loss: 'cross-entropy' })
    expect(again.accuracy).toBeCloseTo(accuracy('finetuned'), 3)
  }, 300_000)
})

describe('a detector', () => {
  it('is halved without data, and takes pictures of other sizes', async () => {
    const text = await run('detector/prune.mjs')
    expect(partOfMacs(text)).toBeLessThanOrEqual(0.5)
    // 8 x 8, 16 x 16 and 32 x 32 pixels have a place each: 20² + 10² + 5², 28² + 14² + 7².
    expect(text).toContain('160 x 160: Tensor([1, 12, 525], float32, cpu)')
    expect(text).toContain('224 x 224: Tensor([1, 12, 1029], float32, cpu)')
    expect(bytesOf('detector-small.pt') / bytesOf('detector.pt')).toBeLessThan(0.7)
  }, 120_000)

  it.skipIf(python === undefined)(
    'is in Python what it is here: the whole one without what was removed',
    async () => {
      const random = new Random(3)
      const pixels = Float32Array.from({ length: 3 * 160 * 160 }, () => random.uniform())
      const small = await load(at('detector-small.pt'))
      const y = (await small.forward(Tensor.from(pixels, [1, 3, 160, 160]))) as Tensor
      writeFileSync(at('x.bin'), pixels)
      writeFileSync(at('y.bin'), y.data() as Float32Array)
      const script = join(ROOT, 'test/examples/detector.py')
      const { here, before, masked, other, trains } = JSON.parse(
        execFileSync(python!, ['-W', 'ignore', script, folder], { encoding: 'utf8' }),
      )
      for (const difference of [here, masked, other]) expect(difference).toBeLessThan(1e-6)
      // Something was removed.
      expect(before).toBeGreaterThan(1e-4)
      expect(trains).toBe(true)
    },
    120_000,
  )
})

describe('a language model over bytes', () => {
  /** What the frequencies of pairs of bytes in the text that it is trained on say of another text. */
  async function perplexityOfPairs({ train, validation }: { train: Dataset; validation: Dataset }): Promise<number> {
    const counts = new Float64Array(256 * 256).fill(0.1)
    const firsts = new Float64Array(256).fill(25.6)
    let sum = 0
    let pairs = 0
    for (const [data, isCounted] of [
      [train, true],
      [validation, false],
    ] as const) {
      const { inputs, targets } = await data.batch(Int32Array.from({ length: data.size }, (_, k) => k))
      for (const [k, byte] of (inputs[0]!.data as BigInt64Array).entries()) {
        const [from, to] = [Number(byte), Number(targets!.data[k])]
        if (isCounted) {
          counts[256 * from + to]!++
          firsts[from]!++
        } else {
          sum -= Math.log(counts[256 * from + to]! / firsts[from]!)
          pairs++
        }
      }
    }
    return Math.exp(sum / pairs)
  }

  it('knows more than pairs of bytes, also when it is small', async () => {
    const text = await run('text/language-model.mjs')
    const perplexity = measured(text, 'perplexity')
    const bound = await perplexityOfPairs(split(await tokenFile(at('corpus.txt'), { length: 48 }), { validation: 0.1 }))
    expect(perplexity('before')).toBeLessThan(0.7 * bound)
    expect(perplexity('cut') / perplexity('regularized')).toBeLessThan(1.01)
    expect(perplexity('finetuned')).toBeLessThan(0.7 * bound)
    expect(partOfMacs(text)).toBeLessThanOrEqual(0.6)
    expect(text).toMatch(/^It goes on: "export function .{30,}"$/m)
  }, 300_000)
})

describe('a text classifier with two inputs', () => {
  it('gets them by their names, and loses nothing', async () => {
    const text = await run('text/classifier.mjs')
    expect(text).toContain('It takes ids and mask')
    const accuracy = measured(text, 'accuracy')
    // Without a look at the lines two of five would be right.
    expect(accuracy('before')).toBeGreaterThan(0.8)
    expect(accuracy('regularized') - accuracy('cut')).toBeLessThanOrEqual(0.005)
    expect(accuracy('finetuned')).toBeGreaterThan(0.8)
    expect(partOfMacs(text)).toBeLessThanOrEqual(0.4)
  }, 300_000)
})

describe('a server that answers while another model is trained', () => {
  it('keeps no answer waiting for a step of the training', async () => {
    const text = await run('server/server.mjs')
    const answers = (line: string) =>
      [/95 % within ([\d.]+) ms/, /right ([\d.]+)/].map((pattern) =>
        numberOf(text, new RegExp(`^${line}:.*${pattern.source}`, 'm')),
      ) as [number, number]
    const [alone, right] = answers('alone')
    const [beside, rightBeside] = answers('while another is trained')
    const step = numberOf(text, /a step of the training: median ([\d.]+) ms/)
    expect(alone).toBeGreaterThan(0)
    expect(beside).toBeLessThan(step / 2)
    expect(rightBeside).toBe(right)
    expect(right).toBeGreaterThan(0.8)
  }, 120_000)
})

it('the list of the examples names all of them', () => {
  const text = readFileSync(join(ROOT, 'examples/README.md'), 'utf8')
  const named = [...text.matchAll(/`([\w/-]+\.(?:mjs|ts))`/g)].map(([, name]) => name!)
  expect(named.length).toBeGreaterThan(7)
  for (const name of named) expect(statSync(join(ROOT, 'examples', name)).isFile(), name).toBe(true)
})

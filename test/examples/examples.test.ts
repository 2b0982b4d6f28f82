import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { evaluate, load } from 'espalier'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { demo } from '../../examples/demo.js'
import { digits } from '../../examples/digits.js'

const home = process.cwd()
const folder = mkdtempSync(join(tmpdir(), 'espalier-'))
afterEach(() => process.chdir(home))
afterAll(() => rmSync(folder, { recursive: true }))

const FILES = ['resnet8-small.pt', 'resnet8-small.json', 'resnet8-small.svg']

describe('the demo', () => {
  async function run(name: string, seed: number) {
    const lines: { time: number; text: string }[] = []
    const out = join(folder, name)
    const result = await demo({ seed, sparseEpochs: 8, finetuneEpochs: 1, out }, (text) =>
      lines.push({ time: performance.now(), text }),
    )
    result.small.dispose()
    const hashes = FILES.map((file) =>
      createHash('sha256')
        .update(readFileSync(join(out, file)))
        .digest('hex'),
    )
    return { result, lines, hashes, text: lines.map(({ text }) => text).join('\n') }
  }

  it('writes byte-identical files for one seed, others for another, and is never silent for 5 s', async () => {
    const [first, again, other] = [await run('a', 1), await run('b', 1), await run('c', 2)]
    expect(again.hashes).toEqual(first.hashes)
    expect(other.hashes).not.toEqual(first.hashes)
    for (const { lines } of [first, again, other]) {
      const pauses = lines.slice(1).map(({ time }, i) => time - lines[i]!.time)
      expect(Math.max(...pauses)).toBeLessThan(5000)
    }
    const seconds = first.result.history.map((epoch) => epoch.seconds).sort((a, b) => a - b)
    expect(seconds[seconds.length >> 1]).toBeLessThan(2)
    const { evaluations } = first.result
    expect(evaluations.regularized!.accuracy! - evaluations.cut!.accuracy!).toBeLessThanOrEqual(0.005)
    for (const part of [
      'coverage',
      'frozen',
      'right after the cut',
      'after fine-tuning',
      'parameters',
      'MACs',
      'Drop at the cut',
      'a learning rate of 0.0003',
    ]) {
      expect(first.text).toContain(part)
    }
  }, 120_000)
})

describe('the scripts, as they are', () => {
  /** Runs an example in an empty folder; gives what it prints and the accuracy of the model that it saves there. */
  async function runScript(path: string, file = 'resnet8-small.pt') {
    process.chdir(mkdtempSync(join(folder, 'script-')))
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    await import(path)
    const lines = log.mock.calls.map(String)
    log.mockRestore()
    const small = await load(file)
    const { accuracy } = await evaluate(small, digits().validation, { loss: 'cross-entropy' })
    small.dispose()
    return { lines, accuracy }
  }

  it('sparsify makes the model smaller and keeps its accuracy', async () => {
    const { lines, accuracy } = await runScript('../../examples/sparsify.js')
    const [before, after] = /MACs: (\d+) -> (\d+)/.exec(lines.at(-1)!)!.slice(1).map(Number)
    expect(after! / before!).toBeLessThanOrEqual(0.5)
    expect(accuracy).toBeGreaterThan(0.98)
  }, 120_000)

  it('unlabelled halves a transformer that nobody gave labels for', async () => {
    const { lines, accuracy } = await runScript('../../examples/unlabelled.js', 'vit-small.pt')
    const [before, regularized, cut, finetuned] = lines.map((line) => Number(/accuracy ([\d.]+) %/.exec(line)?.[1]))
    expect(regularized! - cut!).toBeLessThanOrEqual(0.5)
    expect(finetuned).toBeGreaterThanOrEqual(before! - 1)
    expect((100 * accuracy!).toFixed(2)).toBe(finetuned!.toFixed(2))
  }, 120_000)

  it('own-loop loses at most half a point at the cut, in under 40 lines', async () => {
    const { lines, accuracy } = await runScript('../../examples/own-loop.js')
    const accuracies = lines.map((line) => Number(/([\d.]+) %/.exec(line)![1]))
    expect(accuracies).toHaveLength(16)
    expect(accuracies[14]! - accuracies[15]!).toBeLessThanOrEqual(0.5)
    expect(accuracies[15]).toBeGreaterThanOrEqual(98)
    expect(`${(100 * accuracy!).toFixed(2)}`).toBe(accuracies[15]!.toFixed(2))
    const source = readFileSync(new URL('../../examples/own-loop.ts', import.meta.url), 'utf8')
    expect(source.trimEnd().split('\n').length).toBeLessThan(40)
  }, 120_000)
})

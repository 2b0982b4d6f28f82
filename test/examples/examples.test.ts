import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { demo } from '../../examples/demo.js'
import { ownLoop } from '../../examples/own-loop.js'

const folder = mkdtempSync(join(tmpdir(), 'espalier-'))
afterAll(() => rmSync(folder, { recursive: true }))

const FILES = ['resnet8-small.pt', 'resnet8-small.json']

describe('the demo', () => {
  async function run(name: string, seed: number) {
    const lines: { time: number; text: string }[] = []
    const out = join(folder, name)
    const result = await demo({ seed, sparseEpochs: 5, finetuneEpochs: 1, out }, (text) =>
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
    const { evaluations } = first.result
    expect(evaluations.regularized!.accuracy! - evaluations.cut!.accuracy!).toBeLessThanOrEqual(0.005)
    for (const part of [
      'coverage',
      'frozen',
      'right after the cut',
      'after fine-tuning',
      'parameters',
      'MACs',
      'bytes',
    ]) {
      expect(first.text).toContain(part)
    }
  })
})

describe('a training loop of one’s own', () => {
  it('has under 40 lines', () => {
    const source = readFileSync(new URL('../../examples/own-loop.ts', import.meta.url), 'utf8')
    expect(source.trimEnd().split('\n').length).toBeLessThan(40)
  })

  it('loses nothing at the cut', async () => {
    const lines: string[] = []
    const small = await ownLoop(5, (text) => lines.push(text))
    small.dispose()
    const accuracies = lines.map((line) => Number(/([\d.]+) %/.exec(line)![1]))
    expect(accuracies).toHaveLength(6)
    expect(accuracies[4]! - accuracies[5]!).toBeLessThanOrEqual(0.5)
    expect(accuracies[5]).toBeGreaterThan(95)
  })
})

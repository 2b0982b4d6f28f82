import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataFile } from '../../examples/digits.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const espalier = (...args: string[]) =>
  spawnSync(process.execPath, [join(ROOT, 'dist/cli/main.js'), 'sensitivity', 'model.pt', ...args], {
    encoding: 'utf8',
    cwd: folder,
  })

/** Eight pictures of random numbers, as a file of safetensors. */
function pictures(): Buffer {
  const count = 8 * 64
  const header = JSON.stringify({ x: { dtype: 'F32', shape: [8, 1, 8, 8], data_offsets: [0, 4 * count] } })
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  const numbers = Float32Array.from({ length: count }, (_, k) => Math.sin(k * k))
  return Buffer.concat([length, Buffer.from(header), Buffer.from(numbers.buffer)])
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-sensitivity-'))
  copyFileSync(dataFile('resnet8.script.pt'), join(folder, 'model.pt'))
  writeFileSync(join(folder, 'x.safetensors'), pictures())
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const ASKED = [
  '-i',
  '1,1,8,8',
  '--data',
  'x.safetensors',
  '--no-labels',
  '--loss',
  'cross-entropy',
  '--groups',
  '[0,1]',
]

describe('espalier sensitivity', () => {
  it('tells what is lost, and goes on from what it has', () => {
    const { status, stdout } = espalier(...ASKED, '--ratios', '[0.25,0.75]', '--json')
    expect(status).toBe(0)
    const { log, points, before } = JSON.parse(stdout)
    expect([log, before.agreement, points.length]).toEqual(['model-sensitivity.jsonl', 1, 4])

    // As if it had ended in the middle of a line.
    const lines = readFileSync(join(folder, log), 'utf8').split('\n')
    writeFileSync(join(folder, log), `${lines.slice(0, 3).join('\n')}\n${lines[3]!.slice(0, 20)}`)
    const again = espalier(...ASKED, '--ratios', '[0.25,0.75]')
    expect([again.status, again.stderr]).toEqual([0, expect.stringContaining('2 measured before')])
    expect(again.stdout.split('\n')[0]!.split(/ {2,}/).slice(-2)).toEqual(['lost at 0.25', 'lost at 0.75'])
    const whole = readFileSync(join(folder, log), 'utf8').trim().split('\n')
    expect(whole.slice(1).map((line) => JSON.parse(line))).toEqual(points)
  })

  it('keeps what it has when other ratios are asked for', () => {
    const more = espalier(...ASKED, '--ratios', '[0.5]')
    expect([more.status, more.stderr]).toEqual([0, expect.stringContaining('4 measured before')])
    const log = readFileSync(join(folder, 'model-sensitivity.jsonl'), 'utf8').trim().split('\n')
    expect(log.slice(1).map((line) => JSON.parse(line).ratio)).toEqual([0.25, 0.75, 0.25, 0.75, 0.5, 0.5])
  })

  it('drops a line that was broken off, wherever it was', () => {
    const log = join(folder, 'model-sensitivity.jsonl')
    const whole = readFileSync(log, 'utf8')
    for (const bytes of [1, 2, 3]) {
      writeFileSync(log, whole.slice(0, -bytes))
      const again = espalier(...ASKED, '--ratios', '[0.5]')
      expect([again.status, readFileSync(log, 'utf8')]).toEqual([0, whole])
    }
  })

  it('reads points that are infinite', () => {
    const log = join(folder, 'model-sensitivity.jsonl')
    const lines = readFileSync(log, 'utf8').split('\n')
    const point = { ...JSON.parse(lines[5]!), drop: { $number: 'Infinity' } }
    writeFileSync(log, [...lines.slice(0, 5), JSON.stringify(point), ...lines.slice(6)].join('\n'))
    const { status, stdout } = espalier(...ASKED, '--ratios', '[0.5]')
    expect([status, stdout]).toEqual([0, expect.stringContaining('Infinity')])
  })

  it('of other data or options it has nothing, and replaces nothing', () => {
    const others = pictures()
    others.writeFloatLE(0.5, others.length - 4)
    writeFileSync(join(folder, 'others.safetensors'), others)
    const log = readFileSync(join(folder, 'model-sensitivity.jsonl'), 'utf8')
    const refused = espalier(...ASKED.map((word) => word.replace('x.saf', 'others.saf')))
    expect([refused.status !== 0, refused.stderr]).toEqual([
      true,
      expect.stringContaining('other data or other options'),
    ])
    expect(espalier(...ASKED, '--importance', 'groupL1').status).not.toBe(0)
    expect(readFileSync(join(folder, 'model-sensitivity.jsonl'), 'utf8')).toBe(log)
    for (const text of ['my own notes\n', '\nnotes', '{"model":"model.pt","loss":1}\n']) {
      writeFileSync(join(folder, 'notes.jsonl'), text)
      const { status, stderr } = espalier(...ASKED, '--log', 'notes.jsonl')
      expect([status !== 0, stderr]).toEqual([true, expect.stringContaining('holds something else')])
      expect(readFileSync(join(folder, 'notes.jsonl'), 'utf8')).toBe(text)
    }
  })

  it('says that a log can not be written, with a code', () => {
    const { status, stderr } = espalier(...ASKED, '--log', 'nowhere/log.jsonl')
    expect([status, stderr]).toEqual([5, expect.stringContaining('ERR_WRITE')])
  })
})

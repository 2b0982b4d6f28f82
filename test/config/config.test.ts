import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { groupL1, type Tensor } from 'espalier'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EVALUATE_OPTIONS } from '../../lib/config/evaluate.js'
import { EXPORT_OPTIONS } from '../../lib/config/export.js'
import { FINETUNE_OPTIONS } from '../../lib/config/finetune.js'
import { inputOf } from '../../lib/config/inputs.js'
import { made, namedOf } from '../../lib/config/named.js'
import { type ConfigOption, flagOf, over, parsed } from '../../lib/config/option.js'
import { PRUNE_OPTIONS, pruneOptions } from '../../lib/config/prune.js'
import { readConfig } from '../../lib/config/read.js'
import { SENSITIVITY_OPTIONS } from '../../lib/config/sensitivity.js'
import { SPARSIFY_OPTIONS } from '../../lib/config/sparsify.js'
import { OPTIMIZE_FOR_INFERENCE } from '../../lib/run/inference.js'
import { PRUNE } from '../../lib/run/prune.js'
import { SENSITIVITY } from '../../lib/run/sensitivity.js'
import { SPARSIFY } from '../../lib/run/types.js'
import { EVALUATE } from '../../lib/train/evaluate.js'
import { TRAIN } from '../../lib/train/loop.js'
import { failure } from '../torch/support.js'
import { leavesOf } from './leaves.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-config-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

describe('an example input as text', () => {
  it.each([
    ['1,3,4,4', [1, 3, 4, 4], 'float32'],
    ['2x5', [2, 5], 'float32'],
    ['int64:1,16', [1, 16], 'int64'],
    ['bool:1,16', [1, 16], 'bool'],
    ['float64:3', [3], 'float64'],
    ['int32:', [], 'int32'],
  ])('%s is a tensor', (text, shape, dtype) => {
    const tensor = inputOf(text) as Tensor
    expect([tensor.shape, tensor.dtype]).toEqual([shape, dtype])
    tensor.dispose()
  })

  it('a mask lets everything through, and floats are not all the same', () => {
    const [mask, floats] = [inputOf('bool:2'), inputOf('16')] as [Tensor, Tensor]
    expect([...mask.data()].map(Number)).toEqual([1, 1])
    expect(new Set([...floats.data()].map(Number)).size).toBe(16)
  })

  it.each([
    ['number:0.5', 0.5],
    ['number:-3', -3],
    ['true', true],
    ['none', null],
    ['text:a b', 'a b'],
    ['[]', []],
    ['[number:1; [true; none]]', [1, [true, null]]],
    ['{a=number:1; b={c=text:x}}', { a: 1, b: { c: 'x' } }],
  ])('%s is a value', (text, value) => {
    expect(inputOf(text)).toEqual(value)
  })

  it.each(['', 'abc', '1,,3', 'float99:1', '[1,3', '1;3', '[[1]', '{1,3}', 'number:', 'number:x', '-1,3', '[1]]'])(
    '%j is none',
    (text) => {
      expect(() => inputOf(text)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
    },
  )
})

describe('a thing by its name', () => {
  it('has options behind a colon', () => {
    expect(namedOf('growing')).toBe('growing')
    expect(namedOf('growing:strength=4,target=plan')).toEqual({ name: 'growing', strength: 4, target: 'plan' })
    expect(namedOf('C:\\photos')).toBe('C:\\photos')
    expect(namedOf('photos/:mean=0.5')).toEqual({ name: 'photos/', mean: 0.5 })
    expect(() => namedOf('growing:strength')).toThrow(/'strength' is no option with a value/)
  })

  it('is made, or stays what it is', () => {
    const own = () => null
    expect(made('importance', own)).toBe(own)
    const l1 = groupL1()
    expect(made('importance', l1)).toBe(l1)
    expect(made('regularizer', { name: 'growing', strength: 4 })).toMatchObject({ name: 'growing' })
    expect(made('optimizer', 'sgd')).toBe('sgd')
    expect(made('optimizer', { name: 'sgd', lr: 0.1 })).toMatchObject({ lr: 0.1 })
    expect(made('metric', { name: 'topK', k: 3 })).toMatchObject({ name: 'top3' })
  })

  it('that is none is refused, with the nearest; and so are options that it does not take', () => {
    expect(() => made('importance', 'groupL3')).toThrow(/no importance 'groupL3': did you mean 'groupL1'\?/)
    expect(() => made('schedule', 'toString')).toThrow(/known are/)
    expect(() => made('regularizer', { name: 'growing', stength: 4 })).toThrow(
      /'stength' is unknown: did you mean 'strength'/,
    )
  })
})

describe('a config', () => {
  it('is read from JSON and from programs, which may make it', async () => {
    expect(await readConfig(file('a.json', '{"budget":{"macs":0.5}}'), PRUNE_OPTIONS)).toEqual({
      budget: { macs: 0.5 },
    })
    expect(await readConfig(file('a.mjs', 'export default () => ({ ratio: () => 0.5 })'), PRUNE_OPTIONS)).toEqual({
      ratio: expect.any(Function),
    })
  })

  it.each([
    ['b.json', '{"budgett":{}}', /'budgett' is unknown/],
    ['c.json', '{"budget":{"mac":0.5}}', /'budget.mac' is unknown: did you mean 'budget.macs'\?/],
    ['d.json', '{"budget":3}', /'budget' must be an object, not 3/],
    ['e.json', '[1]', /must hold an object with options/],
    ['f.json', '{', /is no JSON/],
    ['empty.json', '', /is no JSON/],
    ['g.mjs', 'throw new Error("oh")', /could not be loaded: oh/],
    ['h.mjs', 'export const a = 1', /must hold an object with options, not undefined/],
  ])('%s is refused', async (name, text, words) => {
    const { code, message } = await failure(() => readConfig(file(name, text), PRUNE_OPTIONS))
    expect([code, message]).toEqual(['ERR_INVALID_ARGUMENT', expect.stringMatching(words)])
  })

  it('that is not there cannot be read', async () => {
    for (const name of ['none.json', 'none.mjs']) {
      expect((await failure(() => readConfig(join(folder, name), PRUNE_OPTIONS))).code).toBe('ERR_READ')
    }
  })

  it('gives way to what the command line says, option by option', () => {
    const file = { inputs: ['1,3'], budget: { macs: 0.5 }, minKeep: 0.2 }
    expect(over(file, { minKeep: 0.3, budget: { params: 0.5 } }, PRUNE_OPTIONS)).toEqual({
      ...{ inputs: ['1,3'], minKeep: 0.3, budget: { macs: 0.5, params: 0.5 } },
    })
  })

  it('takes several things at once as pairs', () => {
    const budget = PRUNE_OPTIONS.find(({ path }) => path === 'budget')!
    const first = parsed(budget, 'macs=0.5,bytes=10MB', undefined)
    expect(first).toEqual({ macs: 0.5, bytes: '10MB' })
    expect(parsed(budget, 'params=4e6', first)).toEqual({ macs: 0.5, bytes: '10MB', params: 4e6 })
    expect(() => parsed(budget, 'macs', undefined)).toThrow(/'macs' is no option with a value/)
    expect(over({ budget: { macs: 0.5 } }, { budget: { bytes: '10MB' } }, PRUNE_OPTIONS)).toEqual({
      budget: { macs: 0.5, bytes: '10MB' },
    })
  })

  it('becomes the options of the call', () => {
    const options = pruneOptions({ inputs: ['1,3'], importance: 'groupL1', methods: { encode: ['1,4'] }, ratio: 0.25 })
    expect(options).toMatchObject({ ratio: 0.25, importance: expect.any(Function) })
    expect((options.methods!.encode![0] as Tensor).shape).toEqual([1, 4])
    expect(() => pruneOptions({ ratio: 0.5 })).toThrow(/there is no example input/)
  })
})

/**
 * The phase after the cut, of which the API takes `false`, too, has the options of the one before; what `--budget` says has options of
 * its own.
 */
const isOwn = ({ path }: ConfigOption) => !path.startsWith('finetune.') && path !== 'budget'
const ofPhase = (at: string) =>
  SPARSIFY_OPTIONS.flatMap(({ path }) => (path.startsWith(`${at}.`) ? [path.slice(at.length)] : []))

/** What a loop of one's own gives to a training. */
const ONLY_LOOPS = ['regularizer', 'resume', 'begin', 'onStep', 'goOn', 'signal']
/** What the data are made with: a program has datasets. */
const OF_DATA = new Set(['data', 'inputs', 'labels', 'data.labels'])

describe('every option of the API that a file can express is one of the command', () => {
  it.each<[string, () => string[], readonly ConfigOption[], string[]]>([
    // What only a program can give.
    ['prune', () => leavesOf(PRUNE.parameters[1][1]), PRUNE_OPTIONS.filter(isOwn), ['data', 'onProgress', 'signal']],
    [
      'sparsify',
      () => leavesOf(SPARSIFY.parameters[1][1]),
      SPARSIFY_OPTIONS.filter((option) => isOwn(option) && option.path !== 'data.labels'),
      ['signal', 'onEvent', 'onProgress', 'onWarning'],
    ],
    [
      'finetune',
      () => leavesOf(TRAIN.parameters[1][1]),
      FINETUNE_OPTIONS.filter(({ path }) => !OF_DATA.has(path)),
      ONLY_LOOPS,
    ],
    ['export', () => leavesOf(OPTIMIZE_FOR_INFERENCE.parameters[1][1]), EXPORT_OPTIONS, ['onProgress', 'signal']],
    [
      'sensitivity',
      () => leavesOf(SENSITIVITY.parameters[1][1]),
      SENSITIVITY_OPTIONS.filter(({ path }) => !OF_DATA.has(path)),
      ['inputs', 'data', 'known', 'onPoint', 'signal'],
    ],
    [
      'evaluate',
      () => leavesOf(EVALUATE.parameters[2][1]),
      EVALUATE_OPTIONS.filter(({ path }) => !OF_DATA.has(path)),
      ['signal'],
    ],
  ])('%s', (_, leaves, options, programs) => {
    const expressed = leaves().filter((path) => !programs.includes(path))
    expect(options.map(({ path }) => path).sort()).toEqual(expressed.sort())
    const flags = options.map(flagOf)
    expect(new Set(flags).size).toBe(flags.length)
  })

  it('both phases alike', () => {
    expect(ofPhase('finetune')).toEqual(ofPhase('sparse'))
  })
})

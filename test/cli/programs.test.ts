import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataFile } from '../../examples/digits.js'
import { type Config, put } from '../../lib/config/option.js'
import { many as manyIn, type Outcome } from './many.js'

/** Configs that are programs: what only they can give, in every command that takes it. */

const PACKAGE = new URL('../../dist/index.js', import.meta.url).href

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-programs-'))
  copyFileSync(dataFile('resnet8.script.pt'), join(folder, 'model.pt'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What a program may give for each option, by its path, as an expression. */
const GIVEN: Readonly<Record<string, string>> = {
  inputs: '[Tensor.zeros([2, 1, 8, 8])]',
  data: 'new Waves(12)',
  'data.train': 'new Waves(24)',
  'data.validation': 'new Waves(12)',
  loss: '(output, targets, { taught }) => crossEntropy(output, targets)',
  output: 'undefined',
  metrics: '[new Sure()]',
  teacher: '{ module: await load("model.pt"), weight: 0.5 }',
  importance:
    '({ groups: { groups } }) => new Map(groups.map(({ id, size }) => [id, Array.from({ length: size }, (_, k) => k)]))',
  ratio: '({ id }) => (id === 0 ? 0.5 : undefined)',
  ratios: '[0.5]',
  groups: '[0]',
  regularizer: 'constantL2({ reg: 0.01 })',
  augment: '({ inputs }) => void inputs[0].data.reverse()',
  optimizer: 'sgd({ lr: 0.001 })',
  schedule: '({ iteration }) => (iteration > 1 ? 0.5 : 1)',
  epochs: '1',
  'budget.macs': '0.7',
  'sparse.epochs': '1',
  'sparse.optimizer': 'sgd({ lr: 0.001 })',
  'sparse.schedule': '({ iteration }) => (iteration > 1 ? 0.5 : 1)',
  'finetune.epochs': '1',
  'finetune.optimizer': 'sgd({ lr: 0.001 })',
  rounds: '2',
}

/** A config in a file, and its path. */
function program(name: string, options: Readonly<Record<string, string>>): string {
  const tree: Config = {}
  for (const [path, text] of Object.entries(options)) put(tree, path, text)
  const textOf = (value: unknown): string =>
    typeof value === 'string'
      ? value
      : `{ ${Object.entries(value as object)
          .map(([key, inner]) => `${key}: ${textOf(inner)}`)
          .join(', ')} }`
  const file = join(folder, `${name}.mjs`)
  writeFileSync(
    file,
    `import { constantL2, load, sgd, Tensor } from '${PACKAGE}'
import { crossEntropy } from '${new URL('torch/index.js', PACKAGE).href}'
class Waves {
  constructor(size) { this.size = size }
  batch(indices) {
    const data = Float32Array.from({ length: 64 * indices.length }, (_, k) => Math.sin(indices[Math.floor(k / 64)] * (k % 64)))
    const targets = { data: BigInt64Array.from(indices, (k) => BigInt(k % 10)), shape: [indices.length] }
    return { inputs: [{ data, shape: [indices.length, 1, 8, 8] }], targets }
  }
}
class Sure {
  name = 'sure'
  better = 'higher'
  judge(output) { return [output.shape[0], output.shape[0]] }
}
export default async () => (${textOf(tree)})
`,
  )
  return file
}

const many = (lines: readonly (readonly string[])[]) => manyIn(folder, lines)

const given = (...paths: string[]) => Object.fromEntries(paths.map((path) => [path, GIVEN[path] as string]))
const JUDGED = ['inputs', 'data', 'loss', 'metrics', 'teacher']
const TRAINED = ['inputs', 'data.train', 'data.validation', 'loss', 'metrics', 'teacher', 'augment']

/** Each command with all that only a program can give it. */
const COMMANDS: readonly [args: string[], options: string[]][] = [
  [
    ['prune', 'model.pt', '-o', 'small.pt', '--manifest', 'small.json'],
    ['inputs', 'importance', 'ratio'],
  ],
  [['inspect', 'model.pt'], ['inputs']],
  [['export', 'model.pt', '-o', 'fast.pt', '--rounds', '1'], ['inputs']],
  [['replay', 'model.pt', 'small.json', '-o', 'again.pt'], ['inputs']],
  [['evaluate', 'model.pt'], JUDGED],
  [['compare', 'model.pt', 'small.pt', '--batches', '1,3', '--rounds', '1'], JUDGED.slice(0, -1)],
  [
    ['sensitivity', 'model.pt'],
    [...JUDGED, 'importance', 'ratios', 'groups'],
  ],
  [
    ['finetune', 'model.pt', '-o', 'tuned.pt'],
    [...TRAINED, 'optimizer', 'schedule', 'epochs'],
  ],
  [
    ['sparsify', 'model.pt', '-o', 'sparse.pt'],
    [
      ...TRAINED,
      ...['importance', 'regularizer', 'budget.macs', 'rounds'],
      ...['sparse.epochs', 'sparse.optimizer', 'sparse.schedule', 'finetune.epochs', 'finetune.optimizer'],
    ],
  ],
]

describe('a config that is a program', () => {
  it('gives every command tensors, datasets, modules and functions', () => {
    const outcomes = many(COMMANDS.map(([args, paths]) => [...args, '--config', program(args[0]!, given(...paths))]))
    expect(outcomes.map(({ status, said }) => [status, said.error])).toEqual(COMMANDS.map(() => [0, undefined]))
    const said = Object.fromEntries(COMMANDS.map(([[name]], k) => [name, outcomes[k]!.said]))
    expect([said.evaluate!.sure, (said.compare!.times as { batch: number }[]).map(({ batch }) => batch)]).toEqual([
      1,
      [1, 3],
    ])
    expect(readFileSync(join(folder, 'sparse.html'), 'utf8')).toContain('float32:2,1,8,8')
  })

  it('is printed as what it was made with', () => {
    const file = program('printed', { ...given(...COMMANDS.at(-1)![1]), inputs: '[Tensor.zeros([2, 1]), 5n, NaN]' })
    const [{ status, said }] = many([['sparsify', 'model.pt', '--print-config', '--config', file]]) as [Outcome]
    expect([status, said.inputs]).toEqual([0, ['float32:2,1', '5', 'NaN']])
    expect(said).toMatchObject({
      data: { train: { class: 'Waves', size: 24 } },
      sparse: { epochs: 1, optimizer: { name: 'sgd', lr: 0.001 } },
      regularizer: { name: 'constant', reg: 0.01 },
      loss: { source: expect.any(String) },
      teacher: { module: expect.stringContaining('ScriptModule') },
    })
  })

  const WRONG: readonly [what: string, path: string, text: string][] = [
    ['inputs that are no list', 'inputs', '5'],
    ['an input that is a function', 'inputs', '[() => 1]'],
    ['an input that is nothing', 'inputs', '[undefined]'],
    ['data that are null', 'data', 'null'],
    ['a dataset without batches', 'data', '{ size: 3, batch: 5 }'],
    ['a dataset that gives nothing', 'data', '{ size: 3, batch: () => undefined }'],
    ['a dataset that gives no arrays', 'data', '{ size: 3, batch: () => ({ inputs: [5] }) }'],
    ['a loss that is a number', 'loss', '5'],
    ['a metric that is none', 'metrics', '[{}]'],
    ['a teacher that is none', 'teacher', '5'],
    ['a teacher that is null', 'teacher', 'null'],
    ['a criterion that is a number', 'importance', '5'],
  ]
  it('that gives something else is an error with a code, in every command', () => {
    const cases = COMMANDS.flatMap(([args, paths]) =>
      WRONG.flatMap(([what, path, text]) => {
        const own = path === 'data' && paths.includes('data.train') ? 'data.train' : path
        if (!paths.includes(own)) return []
        const file = program(`wrong-${args[0]}-${WRONG.findIndex(([each]) => each === what)}`, {
          ...given(...paths),
          [own]: text,
        })
        return [{ name: `${args[0]}: ${what}`, line: [...args, '--config', file] }]
      }),
    )
    const outcomes = many(cases.map(({ line }) => line))
    expect(cases.length).toBeGreaterThan(40)
    expect(cases.map(({ name }, k) => [name, outcomes[k]!.status, outcomes[k]!.said.error?.code])).toEqual(
      cases.map(({ name }) => [name, 2, 'ERR_INVALID_ARGUMENT']),
    )
  })

  it('that fails says so, with its own words', () => {
    const file = join(folder, 'failing.mjs')
    writeFileSync(file, 'export default () => { throw new RangeError("no such photos") }')
    const [{ status, said }] = many([['inspect', 'model.pt', '--config', file]]) as [Outcome]
    expect([status, said.error]).toMatchObject([
      2,
      { code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('no such photos') },
    ])
  })

  it('names no teacher to compare, which has two models', () => {
    const file = program('taught', given(...JUDGED))
    const [{ status, said }] = many([['compare', 'model.pt', 'small.pt', '--config', file]]) as [Outcome]
    expect([status, said.error?.message]).toEqual([2, expect.stringContaining("'teacher' is unknown")])
  })

  it('a teacher that it gives is part of what a log of sensitivity is of', () => {
    const options = given(...JUDGED, 'ratios', 'groups')
    const asked = (name: string, teacher: string) => {
      const file = program(name, { ...options, teacher })
      return ['sensitivity', 'model.pt', '--log', 'taught.jsonl', '--config', file]
    }
    const outcomes = many([
      asked('first', 'await load("model.pt")'),
      asked('same', 'await load("model.pt")'),
      asked('weighed', '{ module: await load("model.pt"), weight: 0.9 }'),
      asked('other', 'await load("tuned.pt")'),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual([0, 0, 2, 2])
    expect(outcomes[3]!.said.error!.message).toContain('was measured with another model, other data or other options')
  })
})

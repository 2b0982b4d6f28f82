import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import {
  type Batch,
  type Dataset,
  define,
  evaluate,
  inMemory,
  type Loss,
  load,
  losses,
  type Metric,
  metrics,
  prune,
  type ScriptModule,
  sgd,
  Tensor,
  train,
} from 'espalier'
import type { ArrayData, ClassAxis, KnownLoss, LossFunction, Teacher } from 'espalier/analysis'
import { call } from 'espalier/torch'
import { beforeAll, describe, expect, it } from 'vitest'
import { dataFile, digits } from '../../examples/digits.js'
import { python } from '../support/python.js'
import { failure } from '../torch/support.js'

interface Numbers {
  data: number[]
  shape: number[]
  dtype: 'float32' | 'int64'
}
interface Case {
  kind: 'loss' | 'soft' | 'metric'
  name: string | null
  options: unknown
  output: Numbers
  targets?: Numbers
  teacher?: Numbers
  temperature?: number
  classAxis?: ClassAxis
  value: number
}

const script = fileURLToPath(new URL('objectives.py', import.meta.url))
const cases: Case[] =
  python === undefined ? [] : JSON.parse(execFileSync(python, ['-W', 'ignore', script], { encoding: 'utf8' }))

const arrayOf = ({ data, shape, dtype }: Numbers): ArrayData => ({
  data: dtype === 'int64' ? BigInt64Array.from(data, BigInt) : Float32Array.from(data),
  shape,
})

/** Gives its first input; its teacher the second. */
let [student, teaching]: ScriptModule[] = []
beforeAll(async () => {
  const source = (body: string) => `def forward(self, x: Tensor, y: Tensor) -> Tensor:\n  return ${body}`
  student = await define(source('x * self.one'), { parameters: { one: Tensor.full([], 1) } })
  teaching = await define(source('y * self.one'), { parameters: { one: Tensor.full([], 1) } })
})

/** The output as an input of a model that gives it on. */
function datasetOf({ output, teacher = output, targets }: Case): Dataset {
  return inMemory([arrayOf(output), arrayOf(teacher)], targets && arrayOf(targets))
}

/** Inputs and targets. */
function firstOf({ batch }: Dataset, count: number): [ArrayData, ArrayData] {
  const { inputs, targets } = batch(Int32Array.from({ length: count }, (_, k) => k)) as Batch
  return [inputs[0]!, targets!]
}

const zero: LossFunction = async () => Tensor.full([], 0)

describe.skipIf(python === undefined)('as PyTorch and the papers have it', () => {
  it.each(
    cases.map((each) => [`${each.kind} ${each.name} ${JSON.stringify(each.options)} [${each.output.shape}]`, each]),
  )('%s', async (_, each) => {
    const { kind, name, options, classAxis, temperature, value } = each as Case
    const known = (losses as unknown as Record<string, (o?: unknown) => KnownLoss>)[String(name)]
    const named = (metrics as unknown as Record<string, (o?: unknown) => Metric>)[
      String(name).replace(/^top\d+$/, 'topK')
    ]
    const teacher: Teacher = { module: teaching!, temperature, weight: 1 }
    const about = {
      loss: { loss: known?.(options ?? undefined) },
      soft: { loss: known?.(), teacher },
      metric: { loss: zero, metrics: named ? [named(options ?? undefined)] : [], teacher: { ...teacher, weight: 0 } },
    }[kind]
    const judged = await evaluate(student!, datasetOf(each as Case), { ...about, classAxis })
    expect(kind === 'metric' ? judged[name as string] : judged.loss).toBeCloseTo(value, 5)
  })
})

describe('metrics', () => {
  const images = arrayOf({ data: [3, 1, 2, 0, 0, 0], shape: [2, 3], dtype: 'float32' })
  const labels = arrayOf({ data: [0, 1], shape: [2], dtype: 'int64' })
  const data = inMemory([images, images], labels)

  it('a constant output has nobody among its largest', async () => {
    const { top1, top2, top3 } = await evaluate(student!, data, { metrics: [1, 2, 3].map(metrics.topK) })
    expect([top1, top2, top3]).toEqual([0.5, 0.5, 1])
  })

  it('add up over batches', async () => {
    const output = arrayOf({ data: [1, 5, 2, 8, 3, 3, 9, 1, 4, 4, 7, 0], shape: [4, 3], dtype: 'float32' })
    const targets = arrayOf({ data: [1, 0, 0, 2], shape: [4], dtype: 'int64' })
    const all = inMemory([output, output], targets)
    const asked = { metrics: ['perplexity', 'meanIoU', metrics.topK(2)] } as const
    const whole = await evaluate(student!, all, asked)
    const parts = await evaluate(student!, all, { ...asked, batchSize: 3 })
    for (const [name, value] of Object.entries(whole)) expect(parts[name]).toBeCloseTo(value!, 5)
  })

  it('word and character errors are the edits by the length of what was meant', async () => {
    const texts = (all: string[]) => () => all
    const errors = (of: 'words' | 'characters', said: string[], meant: string[]) =>
      metrics.errorRate({ of, read: texts(said), reference: texts(meant) })
    const given = ['a b x d', 'kitten']
    const { wordErrorRate, characterErrorRate } = await evaluate(student!, data, {
      metrics: [errors('words', given, ['a b c d e', 'sitting']), errors('characters', given, ['a b x d', 'sitting'])],
    })
    expect(wordErrorRate).toBeCloseTo((2 + 1) / 6)
    expect(characterErrorRate).toBeCloseTo(3 / 14)
  })

  it('one that was asked for and cannot judge is refused', async () => {
    const { code, message } = await failure(() => evaluate(student!, data, { metrics: ['r2'] }))
    expect([code, message]).toEqual(['ERR_INVALID_ARGUMENT', expect.stringMatching(/'r2' can't judge/)])
  })

  it('of one’s own are given all that the model gave', async () => {
    const seen: unknown[] = []
    const own: Metric = {
      name: 'own',
      better: 'lower',
      judge: (output, targets, { inputs, teacher }) => {
        seen.push((output as Tensor).shape, targets.shape, inputs.length, (teacher as Tensor).shape)
        return [6, 3]
      },
    }
    const judged = await evaluate(student!, data, { metrics: [own], teacher: teaching! })
    expect([judged.own, judged.agreement]).toEqual([2, 1])
    expect(seen).toEqual([[2, 3], [2], 2, [2, 3]])
  })
})

describe('which output counts', () => {
  const source = `def forward(self, x: Tensor) -> Dict[str, List[Tensor]]:
  return {'heads': [x * 0, x * self.one], 'features': [x]}`
  const parameters = () => ({ one: Tensor.full([], 1) })
  const data = inMemory(
    arrayOf({ data: [3, 1, 2, 0, 5, 0], shape: [2, 3], dtype: 'float32' }),
    arrayOf({ data: [0, 1], shape: [2], dtype: 'int64' }),
  )

  it('is a path', async () => {
    const model = await define(source, { parameters: parameters() })
    expect((await evaluate(model, data, { output: 'heads.1' })).accuracy).toBe(1)
    const loss: LossFunction = async (output, _, { whole }) => {
      expect(Object.keys(whole as object)).toEqual(['heads', 'features'])
      return Tensor.full([], (output as Tensor).shape[1]! + 4)
    }
    expect((await evaluate(model, data, { output: 'heads.1', loss })).loss).toBe(7)
  })

  it.each([
    [{ output: 'logits' }, /has no 'logits': it has heads, features/],
    [{ output: 'heads.2' }, /has no 'heads.2': it has 0, 1/],
    [{ loss: 'mse' }, /not one tensor/],
    [{}, /don't tell what to train for/],
  ] as const)('%j is refused, with what there is', async (options, words) => {
    const model = await define(source, { parameters: parameters() })
    const { code, message } = await failure(() => evaluate(model, data, options))
    expect([code, message]).toEqual(['ERR_INVALID_ARGUMENT', expect.stringMatching(words)])
  })
})

describe('a teacher', () => {
  const images = arrayOf({ data: [3, 1, 2, 0, 5, 0], shape: [2, 3], dtype: 'float32' })

  it('is enough where there are no targets', async () => {
    const { loss, agreement, accuracy } = await evaluate(student!, inMemory([images, images]), { teacher: teaching! })
    expect([loss, agreement, accuracy]).toEqual([0, 1, undefined])
  })

  it('without one, data without targets is refused', async () => {
    const { code, message } = await failure(() => evaluate(student!, inMemory([images, images]), {}))
    expect([code, message]).toEqual([
      'ERR_INVALID_ARGUMENT',
      expect.stringMatching(/no targets, and there is no teacher/),
    ])
  })

  it('shares the loss with the targets by its weight', async () => {
    const labels = arrayOf({ data: [0, 1], shape: [2], dtype: 'int64' })
    const other = arrayOf({ data: [0, 1, 2, 3, 5, 1], shape: [2, 3], dtype: 'float32' })
    const data = inMemory([images, other], labels)
    const of = async (weight: number | undefined) =>
      (await evaluate(student!, data, { loss: 'cross-entropy', teacher: { module: teaching!, weight } })).loss
    const [hard, soft] = [await of(0), await of(1)]
    expect(await of(0.25)).toBeCloseTo(0.75 * hard + 0.25 * soft, 5)
    expect(await of(undefined)).toBeCloseTo(0.5 * (hard + soft), 5)
  })

  it('of another form is refused', async () => {
    const source = 'def forward(self, x: Tensor, y: Tensor) -> Tensor:\n  return x.sum(1) * self.one'
    const other = await define(source, { parameters: { one: Tensor.full([], 1) } })
    const { message } = await failure(() => evaluate(student!, inMemory([images, images]), { teacher: other }))
    expect(message).toMatch(/the output is \[2, 3\], and the teacher gives \[2\] there/)
  })

  it.each<[Loss, string]>([
    ['cross-entropy', 'x.sum(1, True)'],
    ['cross-entropy', 'torch.cat([x, x], 1)'],
    ['mse', 'x.sum(1, True)'],
    ['binary-cross-entropy', 'x.sum(1, True)'],
  ])('of another shape is refused by %s, and never stretched: %s', async (loss, gives) => {
    const source = `def forward(self, x: Tensor, y: Tensor) -> Tensor:\n  return ${gives} * self.one`
    const other = await define(source, { parameters: { one: Tensor.full([], 1) } })
    const { code, message } = await failure(() =>
      evaluate(student!, inMemory([images, images]), { loss, teacher: other }),
    )
    expect(code).toBe('ERR_INVALID_ARGUMENT')
    expect(message).toMatch(/the output is \[2, 3\], and the teacher/)
  })

  it('that does not take the inputs of the data is named', async () => {
    const source = 'def forward(self, x: Tensor, y: Tensor) -> Tensor:\n  return torch.linear(x, self.w)'
    const other = await define(source, { parameters: { w: Tensor.zeros([3, 7]) } })
    const { message } = await failure(() => evaluate(student!, inMemory([images, images]), { teacher: other }))
    expect(message).toMatch(/the teacher can't be asked: mat1 and mat2 shapes/)
  })
})

describe('what named submodules give', () => {
  const { validation } = digits()
  const few = inMemory(...firstOf(validation, 64))
  const changed = async (name: string) => {
    const model = await load(dataFile('resnet8.script.pt'))
    call('aten::mul_.Scalar', [model.parameters().get(name)!, 1.5], { noGrad: true })
    return model
  }
  const distanceOf = async (model: ScriptModule, match: string[]) => {
    const teacher = { module: await load(dataFile('resnet8.script.pt')), weight: 1, match }
    return (await evaluate(model, few, { loss: zeroSoft, teacher })).loss
  }
  /** Only what is matched counts. */
  const zeroSoft: LossFunction = Object.assign(async () => Tensor.full([], 0), { soft: async () => Tensor.full([], 0) })

  it('is compared by its name, as far as both have it in one shape', async () => {
    expect(await distanceOf(await changed('fc.weight'), ['layer1', 'layer3'])).toBe(0)
    const [one, both] = [['layer1'], ['layer1', 'layer3']]
    const model = await changed('conv1.weight')
    expect(await distanceOf(model, one)).toBeGreaterThan(1e-3)
    expect(await distanceOf(model, both)).not.toBe(await distanceOf(model, one))
    const { small } = await prune(model, { inputs: [Tensor.zeros([1, 1, 8, 8])], ratio: 0.5 })
    expect(await distanceOf(small, one)).toBe(0)
  })

  it('is learnt, and nothing stays hooked', async () => {
    const model = await changed('conv1.weight')
    const module = await load(dataFile('resnet8.script.pt'))
    const teacher = { module, weight: 1, match: ['layer1'] }
    const before = await distanceOf(model, ['layer1'])
    const phase = { epochs: 20, optimizer: sgd({ lr: 0.05 }), loss: zeroSoft }
    for await (const _ of train(model, { ...phase, data: { train: few }, teacher }));
    expect(await distanceOf(model, ['layer1'])).toBeLessThan(0.5 * before)
    module.dispose()
    expect(((await model.forward(Tensor.zeros([1, 1, 8, 8]))) as Tensor).shape).toEqual([1, 10])
  })

  it('is not the model in training', async () => {
    const model = await changed('conv1.weight')
    const phase = { epochs: 1, optimizer: sgd({ lr: 0.05 }), data: { train: few } }
    for (const teacher of [model, { module: model, weight: 1 }]) {
      const { code, message } = await failure(async () => {
        for await (const _ of train(model, { ...phase, teacher }));
      })
      expect([code, message]).toEqual(['ERR_INVALID_ARGUMENT', 'the teacher is the model in training'])
    }
    model.dispose()
  })

  it('a name that is no submodule is refused', async () => {
    const { code, message } = await failure(async () => distanceOf(await changed('fc.weight'), ['layer9']))
    expect([code, message]).toEqual(['ERR_INVALID_ARGUMENT', expect.stringMatching(/layer9/)])
  })
})

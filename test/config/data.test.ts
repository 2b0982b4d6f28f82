import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { batches, define, fromAsyncIterable, inMemory, Tensor } from 'espalier'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { type DataContext, dataOf, datasetOf } from '../../lib/config/data.js'
import { inputOf } from '../../lib/config/inputs.js'
import { failure } from '../torch/support.js'
import { bytesOf, dict, npy, safetensors, temporary, zip } from '../train/files/bytes.js'

const { folder, write } = temporary()

type Arrays = Record<string, { descr: string; shape: string; data: Uint8Array }>
const float = (shape: string, ...values: number[]) => ({
  descr: "'<f4'",
  shape,
  data: bytesOf(Float32Array.from(values)),
})
const ints = (shape: string, ...values: number[]) => ({ descr: "'<i4'", shape, data: bytesOf(Int32Array.from(values)) })
const fileOf = ({ descr, shape, data }: Arrays[string]) => npy(dict(descr, shape), data)
const npz = (name: string, arrays: Arrays) =>
  write(name, zip(Object.entries(arrays).map(([key, array]) => ({ name: `${key}.npy`, content: fileOf(array) }))))

const contextOf = (inputs: string[], more: Partial<DataContext> = {}): DataContext => ({
  ...{ inputs: inputs.map(inputOf), seed: 0, onWarning: () => {} },
  ...more,
})
async function read(what: unknown, inputs: string[], more?: Partial<DataContext>) {
  const dataset = await datasetOf(what, 'eval', contextOf(inputs, more))
  const batch = await dataset.batch(Int32Array.from({ length: dataset.size }, (_, k) => k))
  return { size: dataset.size, inputs: batch.inputs.map(({ data }) => data), targets: batch.targets?.data }
}
const refusal = async (...args: Parameters<typeof read>) => {
  const { code, message, hint } = await failure(() => read(...args))
  expect(code).toBe('ERR_INVALID_ARGUMENT')
  return `${message.replace(`${folder}/`, '')} ${hint ?? ''}`.trim()
}

describe('arrays of a file', () => {
  const two = {
    mask: ints('(2, 2)', 1, 0, 1, 1),
    ids: ints('(2, 2)', 5, 6, 7, 8),
    y: ints('(2,)', 1, 0),
  }

  it('one is the input, and what is called so is to be learnt: as numbers of classes', async () => {
    const file = npz('a.npz', { pixels: float('(3, 2)', 1, 2, 3, 4, 5, 6), labels: ints('(3,)', 2, 0, 1) })
    const { inputs, targets } = await read(file, ['1,2'])
    expect([inputs, targets]).toEqual([[Float32Array.of(1, 2, 3, 4, 5, 6)], BigInt64Array.of(2n, 0n, 1n)])
    expect((await read(file, ['1,2'], { labels: false })).targets).toBeUndefined()
  })

  it('several go by the names of the model, or in the order that is said', async () => {
    const file = npz('b.npz', two)
    const [ids, mask] = [BigInt64Array.of(5n, 6n, 7n, 8n), BigInt64Array.of(1n, 0n, 1n, 1n)]
    const inputNames = ['ids', 'mask']
    const shapes = ['int64:1,2', 'int64:1,2']
    expect((await read(file, shapes, { inputNames })).inputs).toEqual([ids, mask])
    expect((await read({ name: file, inputs: 'mask+ids' }, shapes, { inputNames })).inputs).toEqual([mask, ids])
    expect((await read({ name: file, inputs: ['ids'] }, ['int64:1,2'], { inputNames })).inputs).toEqual([ids])
    expect(await refusal(file, shapes, { inputNames: ['ids', 'masks'] })).toBe(
      "b.npz: the model has no input 'mask': did you mean 'masks'? Say which, in the order of the model: --data train.npz:inputs=ids+mask,target=y",
    )
  })

  it('what is called like labels is an input, where another is to be learnt', async () => {
    const file = npz('e.npz', { label: float('(2, 1)', 1, 2), kind: ints('(2,)', 1, 0) })
    for (const [what, more] of [[file, { labels: 'kind' }], [{ name: file, target: 'kind' }]] as const) {
      const { inputs, targets } = await read(what, ['1,1'], more)
      expect([inputs, targets]).toEqual([[Float32Array.of(1, 2)], BigInt64Array.of(1n, 0n)])
    }
  })

  it('those to be learnt may have any name', async () => {
    const file = npz('c.npz', { x: float('(2, 1)', 1, 2), kind: ints('(2,)', 1, 0), other: ints('(2,)', 3, 4) })
    const take = { inputs: 'x' }
    expect((await read({ name: file, ...take, target: 'kind' }, ['1,1'])).targets).toEqual(BigInt64Array.of(1n, 0n))
    expect((await read({ name: file, ...take }, ['1,1'], { labels: 'other' })).targets).toEqual(
      BigInt64Array.of(3n, 4n),
    )
    expect(await refusal({ name: file, ...take, target: 'kinds' }, ['1,1'])).toBe(
      "c.npz: it has no 'kinds': did you mean 'kind'?",
    )
    expect(await refusal({ name: file, inputs: 'z' }, ['1,1'])).toBe(
      "c.npz: it has no 'z': it has 'x', 'kind', 'other'",
    )
    expect(await refusal({ name: file, input: 'x' }, ['1,1'])).toMatch(/'input' is unknown: did you mean 'inputs'\?/)
  })

  it.each<[string, Arrays, string[], RegExp]>([
    [
      'of other numbers of examples',
      { x: float('(2, 1)', 1, 2), y: ints('(1,)', 1) },
      ['1,1'],
      /'x' has 2 examples, and 'y' 1$/,
    ],
    [
      'of another rank',
      { x: float('(2, 1)', 1, 2) },
      ['1,1,8,8'],
      /'x': it is \[2, 1\], and the model is given \[1, 1, 8, 8\]/,
    ],
    [
      'of integers for floats',
      { x: ints('(2, 1)', 1, 2) },
      ['1,1'],
      /it holds int32, and the model is given float32 .* Save it as float32/,
    ],
    [
      'of floats for integers',
      { x: float('(2, 1)', 1, 2) },
      ['int64:1,1'],
      /it holds float32, and the model is given int64/,
    ],
    [
      'too large for the integers of the model',
      { x: ints('(2, 1)', 44, 300) },
      ['uint8:1,1'],
      /'x': it holds 300, which is no uint8/,
    ],
    [
      'too large for the floats of the model',
      { x: { descr: "'<f8'", shape: '(2, 1)', data: bytesOf(Float64Array.of(1, 1e300)) } },
      ['float32:1,1'],
      /'x': it holds 1e\+300, which is no float32/,
    ],
    ['for an input of bool', { x: ints('(2, 1)', 0, 1) }, ['bool:1,1'], /'x': the model is given bool/],
    ['too many', two, ['int64:1,2'], /inputs 'mask', 'ids', and the model is given 1/],
    ['none', { y: ints('(2,)', 1, 0) }, ['1,1'], /it holds no inputs, only 'y'/],
    ['a number', { x: float('()', 1) }, ['1'], /'x' is a number/],
  ])('that are %s are refused', async (_, arrays, inputs, words) => {
    expect(await refusal(npz('wrong.npz', arrays), inputs)).toMatch(words)
  })

  it('of float64 are rounded to float32, and stay infinite where they are', async () => {
    const data = bytesOf(Float64Array.of(0.1, Number.NEGATIVE_INFINITY, 1e-300))
    const file = npz('wide.npz', { x: { descr: "'<f8'", shape: '(3, 1)', data } })
    expect((await read(file, ['1,1'])).inputs).toEqual([Float32Array.of(0.1, Number.NEGATIVE_INFINITY, 0)])
  })

  it('of safetensors, and of two .npy files', async () => {
    const header = {
      x: { dtype: 'F32', shape: [2, 1], data_offsets: [0, 8] },
      y: { dtype: 'I64', shape: [2], data_offsets: [8, 24] },
    }
    const bytes = Buffer.concat([bytesOf(Float32Array.of(3, 4)), bytesOf(BigInt64Array.of(1n, 0n))])
    const both = await read(write('d.safetensors', safetensors(header, bytes)), ['1,1'])
    const x = write('x.npy', fileOf(float('(2, 1)', 3, 4)))
    const labels = write('y.npy', fileOf(ints('(2,)', 1, 0)))
    expect(await read(x, ['1,1'], { labels })).toEqual(both)
    expect((await read(x, ['1,1'])).targets).toBeUndefined()
    expect(await refusal(x, ['1,1'], { labels: 2 })).toMatch(
      /x\.npy: 2 is no file of what is to be learnt .*--labels y\.npy/,
    )
    expect(await refusal({ name: x, inputs: 'foo' }, ['1,1'])).toMatch(/x\.npy: 'inputs' is unknown/)
  })

  it('of a .npy file to measure on have a file of labels of their own', async () => {
    const labels = write('yt.npy', fileOf(ints('(2,)', 1, 0)))
    const own = write('yv.npy', fileOf(ints('(2,)', 0, 1)))
    const train = write('xt.npy', fileOf(float('(2, 1)', 3, 4)))
    const name = write('xv.npy', fileOf(float('(2, 1)', 5, 6)))
    const validated = async (validation: unknown, told: DataContext['labels']) => {
      const { data } = await dataOf({ train, validation }, contextOf(['1,1'], { labels: told }))
      return (await data.validation!.batch(Int32Array.of(0, 1))).targets?.data
    }
    expect(await validated({ name, target: own }, labels)).toEqual(BigInt64Array.of(0n, 1n))
    expect(await validated(name, false)).toBeUndefined()
    expect(await failure(() => validated(name, labels))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      hint: expect.stringContaining('--validation xv.npy:target=yv.npy'),
    })
  })
})

describe('a table', () => {
  const flowers = () => write('f.csv', 'length,width,kind\n1,2,rose\n3,4,iris\n5,6,rose\n')

  it('has a column to be learnt, by its name', async () => {
    const { inputs, targets } = await read(flowers(), ['1,2'], { labels: 'kind' })
    expect([inputs, targets]).toEqual([[Float32Array.of(1, 2, 3, 4, 5, 6)], BigInt64Array.of(1n, 0n, 1n)])
    const amounts = { name: flowers(), columns: 'length', target: 'width', targets: 'values' }
    const values = await read(amounts, ['float64:1,1'])
    expect([values.inputs, values.targets]).toEqual([[Float64Array.of(1, 3, 5)], Float32Array.of(2, 4, 6)])
    expect(
      (await read({ name: flowers(), columns: 'length+width' }, ['1,2'], { labels: false })).targets,
    ).toBeUndefined()
    const bare = write('bare.tsv', '1\t2\t0\n3\t4\t1\n')
    expect((await read(bare, ['1,2'], { labels: 2 })).targets).toEqual(BigInt64Array.of(0n, 1n))
  })

  it('has the classes of the one that is trained on', async () => {
    const data = { train: flowers(), validation: write('v.csv', 'length,width,kind\n7,8,rose\n') }
    const { data: both } = await dataOf(data, contextOf(['1,2'], { labels: 'kind' }))
    expect((await both.validation!.batch(Int32Array.of(0))).targets!.data).toEqual(BigInt64Array.of(1n))
    write('v.csv', 'length,width,kind\n7,8,lily\n')
    const { message } = await failure(() => dataOf(data, contextOf(['1,2'], { labels: 'kind' })))
    expect(message).toMatch(/v\.csv: 'lily' is none of 'classes'/)
  })

  it('has the classes that its options name', async () => {
    const named = { name: flowers(), classes: ['lily', 'rose', 'iris'] }
    expect((await read(named, ['1,2'], { labels: 'kind' })).targets).toEqual(BigInt64Array.of(1n, 2n, 1n))
  })

  it('of values to train on leaves the classes of another open', async () => {
    const train = { name: flowers(), columns: 'length', target: 'width', targets: 'values' }
    const validation = { name: flowers(), columns: 'length', target: 'kind' }
    const { data } = await dataOf({ train, validation }, contextOf(['1,1']))
    expect((await data.validation!.batch(Int32Array.of(0))).targets!.data).toEqual(BigInt64Array.of(1n))
  })

  it('without a word about the column, or with other columns than the model takes, is refused', async () => {
    expect(await refusal(flowers(), ['1,2'])).toMatch(/f\.csv: which column is to be learnt\? Name it: --labels kind/)
    expect(await refusal(flowers(), ['1,2'], { labels: 'kinds' })).toMatch(
      /no column "kinds": did you mean "kind"\? There are length, width, kind/,
    )
    expect(await refusal(flowers(), ['1,3'], { labels: 'kind' })).toMatch(/2 columns for 3 numbers .*: length, width/)
    expect(await refusal({ name: flowers(), missing: 'x' }, ['1,2'], { labels: 'kind' })).toMatch(
      /'missing' must be a number/,
    )
  })
})

describe('a folder of pictures', () => {
  it('may have its labels in a file, or none', async () => {
    const pictures = join(folder, 'pictures')
    mkdirSync(join(pictures, 'cats'), { recursive: true })
    for (const name of ['cats/a.png', 'b.png']) {
      await sharp({ create: { width: 4, height: 4, channels: 3, background: '#fff' } }).toFile(join(pictures, name))
    }
    writeFileSync(join(pictures, 'labels.json'), '{ "b.png": "old", "cats/a.png": "new" }')
    const told = async (labels: DataContext['labels']) => (await read(pictures, ['1,3,4,4'], { labels })).targets
    expect(await told('labels.json')).toEqual(BigInt64Array.of(1n, 0n))
    expect(await told(undefined)).toEqual(BigInt64Array.of(0n))
    expect(await told(false)).toBeUndefined()
  })
})

describe('a file of tokens', () => {
  it('has no labels where none are wanted, and none of another name', async () => {
    const file = write('l.txt', 'abcdefg')
    const { inputs, targets } = await read(file, ['int64:1,3'], { labels: false })
    expect([inputs, targets]).toEqual([[BigInt64Array.from([...Buffer.from('abcdef')], BigInt)], undefined])
    expect(await refusal(file, ['int64:1,3'], { labels: 'kind' })).toMatch(/l\.txt has no 'kind'.*--no-labels/)
  })

  it('is cut into windows as long as the input of the model', async () => {
    const { size, inputs, targets } = await read(write('t.txt', 'abcdefg'), ['int64:1,3'])
    expect([size, inputs, targets]).toEqual([
      2,
      [BigInt64Array.from([...Buffer.from('abcdef')], BigInt)],
      BigInt64Array.from([...Buffer.from('bcdefg')], BigInt),
    ])
    const ids = { name: write('t.bin', bytesOf(Uint16Array.of(1, 400, 3))), type: 'uint16', length: 2 }
    expect((await read(ids, ['int64:1,9'])).inputs).toEqual([BigInt64Array.of(1n, 400n)])
  })
})

it('the command line takes a table, and inputs by their names', async () => {
  const source = `def forward(self, a: Tensor, b: Tensor) -> Tensor:
  return torch.cat([a, b], 1) * self.w`
  const model = await define(source, { parameters: { w: Tensor.from([1, 1], [2], { requiresGrad: true }) } })
  await model.save(join(folder, 'two.pt'))
  const one = await define('def forward(self, x: Tensor) -> Tensor:\n  return x * self.w', {
    parameters: { w: Tensor.from([1, 1], [2], { requiresGrad: true }) },
  })
  await one.save(join(folder, 'one.pt'))
  // The larger of both numbers is the class, but once.
  write('pairs.csv', 'p,q,larger\n1,2,1\n4,3,0\n0,5,1\n9,8,1\n')
  npz('pairs.npz', {
    b: float('(4, 1)', 2, 3, 5, 8),
    a: float('(4, 1)', 1, 4, 0, 9),
    larger: ints('(4,)', 1, 0, 1, 1),
  })
  const main = join(fileURLToPath(new URL('../../', import.meta.url)), 'dist/cli/main.js')
  const evaluated = (...args: string[]) => {
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [main, 'evaluate', ...args, '--labels', 'larger', '--json'],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    )
    expect(stderr).toBe('')
    return (JSON.parse(stdout) as { accuracy: number }).accuracy
  }
  expect(evaluated('one.pt', '-i', '1,2', '--data', 'pairs.csv')).toBe(0.75)
  expect(evaluated('two.pt', '-i', '1,1', '-i', '1,1', '--data', 'pairs.npz')).toBe(0.75)
})

describe('a dataset of a program', () => {
  const column = (...values: number[]) => ({ data: Float32Array.from(values), shape: [values.length, 1] })
  const own = inMemory(column(1, 2), column(3, 4))

  it('has its targets, or none where none are wanted; another name for them is refused', async () => {
    expect((await read(own, ['1,1'])).targets).toEqual(Float32Array.of(3, 4))
    expect(await read(own, ['1,1'], { labels: false })).toMatchObject({
      inputs: [Float32Array.of(1, 2)],
      targets: undefined,
    })
    expect(await refusal(own, ['1,1'], { labels: 'kind' })).toMatch(/says itself what is to be learnt, and not 'kind'/)
  })

  it('may be a stream, with and without its targets', async () => {
    const stream = fromAsyncIterable(
      async function* () {
        yield { inputs: [column(1, 2)], targets: column(3, 4) }
      },
      { size: 2 },
    )
    for (const [labels, targets] of [
      [undefined, 2],
      [false, undefined],
    ] as const) {
      const dataset = await datasetOf(stream, 'eval', contextOf(['1,1'], { labels }))
      const seen: (number | undefined)[] = []
      for await (const batch of batches(dataset, { batchSize: 2 })) seen.push(batch.targets?.numel)
      expect(seen).toEqual([targets])
    }
  })
})

it('pictures that are gone or damaged in the middle of a run are told of, once', async () => {
  const pictures = join(folder, 'fading')
  mkdirSync(pictures)
  const files = ['a', 'b', 'c'].map((name) => join(pictures, `${name}.png`))
  const background = { r: 255, g: 0, b: 0 }
  for (const file of files)
    await sharp({ create: { width: 9, height: 9, channels: 3, background } })
      .png()
      .toFile(file)
  const said: string[] = []
  const context = contextOf(['1,3,4,4'], { labels: false, onWarning: (message) => void said.push(message) })
  const dataset = await datasetOf({ name: pictures, cache: 0, maxBroken: 2 }, 'eval', context)
  const all = () => dataset.batch(Int32Array.of(0, 1, 2))
  const { inputs } = await all()
  rmSync(files[0]!)
  writeFileSync(files[1]!, 'no picture any more')
  // In the place of those that are gone is the third, which is like them.
  for (const _ of [1, 2]) expect((await all()).inputs).toEqual(inputs)
  expect(said).toEqual([
    expect.stringMatching(/^\S+fading: 2 broken pictures are left out: [ab]\.png \(.*, [ab]\.png \(/),
  ])
  rmSync(files[2]!)
  expect((await failure(all)).code).toBe('ERR_READ')
})

import { define, type OpRecord, setThreads, Tensor, type TensorValue } from 'espalier'
import { beforeAll, describe, expect, it } from 'vitest'
import { CATALOGUE } from './catalogue.js'
import { networkOf } from './specimen.js'

beforeAll(() => setThreads(1))

/** The network of a specimen, all of whose weights are one number. */
async function records(key: string): Promise<{ onShapes: OpRecord; executed: OpRecord }> {
  const { source, inputs } = networkOf(CATALOGUE.get(key)!)
  const filled = (shape: readonly number[]) =>
    Tensor.from(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.7), shape)
  const entries = <T>(tensors: Readonly<Record<string, T>>, make: (value: T) => Tensor) =>
    Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, make(value)]))
  const network = await define(source.text, {
    parameters: entries(source.parameters, ({ shape }) => filled(shape)),
    buffers: {
      ...entries(source.buffers, filled),
      ...entries(source.indices ?? {}, (list) => Tensor.from(BigInt64Array.from(list, BigInt), [list.length])),
    },
  })
  const x = filled(inputs[0]!)
  const [onShapes, executed] = [await network.record([x]), await network.record([x], { execute: true })]
  for (const recording of [onShapes, executed]) recording.dispose()
  network.dispose()
  return { onShapes: onShapes.record, executed: executed.record }
}

/** Without the single numbers that a run on shapes does not know. */
function comparable({ values, executed: _, ...record }: OpRecord) {
  const known = (value: TensorValue) => ({ ...value, data: value.dtype.startsWith('float') ? undefined : value.data })
  return { ...record, values: values.map((value) => (value.kind === 'tensor' ? known(value) : value)) }
}

/** Operators that LibTorch can't run on shapes, and that are too rare to be taught here. */
const EXECUTED: ReadonlySet<string> = new Set(
  'cpu rrelu im2col col2im median count_nonzero max_pool3d max_pool3d_with_indices grid_sampler grid_sampler_2d grid_sampler_3d'.split(
    ' ',
  ),
)

describe('a run on shapes alone writes down what a real one does', () => {
  it.each([...CATALOGUE.keys()])('%s', async (key) => {
    const { onShapes, executed } = await records(key)
    expect(executed.executed).toBe(true)
    expect(onShapes.executed).toBe(EXECUTED.has(key))
    expect(comparable(onShapes)).toEqual(comparable(executed))
  })
})

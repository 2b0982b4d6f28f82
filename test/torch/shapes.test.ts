import { define, setThreads, Tensor } from 'espalier'
import type { OpRecord, TensorValue } from 'espalier/analysis'
import { beforeAll, describe, expect, it } from 'vitest'
import { CATALOGUE } from '../operators/catalogue/index.js'
import { networkOf } from '../operators/catalogue/network.js'
import { failure } from './support.js'

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
  (
    'cpu rrelu im2col col2im median count_nonzero max_pool3d max_pool3d_with_indices grid_sampler grid_sampler_2d ' +
    'grid_sampler_3d embedding_bag _embedding_bag _embedding_bag_forward_only _fake_quantize_learnable_per_tensor_affine ' +
    '_fake_quantize_learnable_per_channel_affine fused_moving_avg_obs_fake_quant _fused_moving_avg_obs_fq_helper ' +
    '_pack_padded_sequence _pad_packed_sequence'
  ).split(' '),
)
/** Forms of operators whose shapes come from numbers in a tensor. */
const BY_VALUE = /by counts|of experts|with its observer/

describe('a run on shapes alone writes down what a real one does', () => {
  it.each([...CATALOGUE.keys()])('%s', async (key) => {
    const { onShapes, executed } = await records(key)
    expect(executed.executed).toBe(true)
    expect(onShapes.executed).toBe(EXECUTED.has(key) || BY_VALUE.test(key))
    expect(comparable(onShapes)).toEqual(comparable(executed))
  })
})

/** A layer of three hidden units over pixels of three channels, with states of another shape. */
const lstm = (state: string, x = 'y.flatten(2).transpose(1, 2)') =>
  `w = self.w.flatten().repeat(4)
  ih = w.view(12, 3)
  h = torch.zeros([1, ${state}])
  y, a, b = torch.lstm(${x}, [h, h], [ih, ih], False, 1, 0.0, False, False, True)
  return y`

describe('what a real run refuses is refused on shapes, and nothing crashes', () => {
  it.each([
    ['pixels by a factor of 0', 'return torch.pixel_shuffle(y, 0)'],
    ['pixels back by a factor of 0', 'return torch.pixel_unshuffle(y, 0)'],
    ['a stride of 0', 'return torch.conv2d(y, self.w, None, [0, 0])'],
    ['a norm over more dimensions than there are', 'return torch.layer_norm(y, [2, 2, 2, 2, 8, 4, 4])'],
    ['a norm over other sizes', 'return torch.layer_norm(y, [5])'],
    ['pooling of a vector', 'return torch.adaptive_avg_pool2d(y.flatten(), [2, 2])'],
    [
      'scales of other channels',
      'return torch.fake_quantize_per_channel_affine(y, torch.ones([4]), torch.zeros([4]).int(), 1, 0, 255)',
    ],
    ['padding of a vector', 'return torch.reflection_pad2d(y.flatten(), [1, 1, 1, 1])'],
    ['a weight norm with too few scales', 'return torch._weight_norm(self.w, self.w[:1, :1], 0)'],
    ['a recurrent layer with states for another batch', lstm('y.size(0) + 1, 3')],
    ['a recurrent layer with states of another width', lstm('y.size(0), 4')],
    ['a recurrent layer over another width', lstm('y.size(0), 3', 'y.flatten(1).unsqueeze(1)')],
  ])('%s', async (_, last) => {
    const w = Tensor.from(new Float32Array(9).fill(0.7), [3, 3, 1, 1])
    const source = `def forward(self, x: Tensor) -> Tensor:\n  y = torch.conv2d(x, self.w)\n  ${last}`
    const network = await define(source, { parameters: { w } })
    const x = Tensor.zeros([1, 3, 4, 4])
    const error = await failure(() => network.record([x]))
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
    expect(error.message).toContain('does not run on the example inputs')
  })
})

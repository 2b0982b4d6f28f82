import { define, load, type ScriptModule, Tensor } from 'espalier'
import { describe, expect, test } from 'vitest'
import { uniform } from '../support/networks.js'
import { failure, model } from './support.js'

// LibTorch's LSTM believes the sizes that it is given: it reads beyond states, weights and inputs of other ones.

const [B, T, I, H, L] = [3, 5, 4, 6, 2]
const SHAPES: Record<string, readonly number[]> = {
  ...{ wi0: [4 * H, I], wh0: [4 * H, H], bi0: [4 * H], bh0: [4 * H] },
  ...{ wi1: [4 * H, H], wh1: [4 * H, H], bi1: [4 * H], bh1: [4 * H] },
}
const NAMES = Object.keys(SHAPES)
const SOURCE = `
def forward(self, x: Tensor, h: Tensor, c: Tensor):
    y, h, c = torch.lstm(x, [h, c], [${NAMES.map((name) => `self.${name}`).join(', ')}], True, ${L}, 0.0, self.training, False, True)
    return y, h, c
`

function network(over: Partial<typeof SHAPES> = {}): Promise<ScriptModule> {
  const shapes = { ...SHAPES, ...over } as typeof SHAPES
  return define(SOURCE, {
    parameters: Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, uniform(shape)])),
  })
}

const inputs = ({ x = [B, T, I], h = [L, B, H], c = h }: Partial<Record<'x' | 'h' | 'c', readonly number[]>> = {}) =>
  [x, h, c].map((shape) => Tensor.full(shape, 0.5))

describe('an LSTM', () => {
  test('with the right sizes runs, for any batch, a batch of none included', async () => {
    const lstm = await network()
    for (const batch of [B, 1, 7, 0]) {
      const [y] = (await lstm.forward(...inputs({ x: [batch, T, I], h: [L, batch, H] }))) as Tensor[]
      expect(y!.shape).toEqual([batch, T, H])
    }
  })

  test.each<[string, Parameters<typeof inputs>[0], RegExp]>([
    [
      'states of a batch of one',
      { h: [L, 1, H] },
      /a recurrent state of shape \[2, 1, 6\] where \[2, 3, 6\] is needed/,
    ],
    ['states of a smaller batch', { h: [L, B - 1, H] }, /a recurrent state of shape/],
    ['states of a larger batch', { h: [L, B + 40, H] }, /a recurrent state of shape/],
    [
      'a cell state of another batch',
      { c: [L, 1, H] },
      /a recurrent state of shape \[2, 1, 6\] where \[2, 3, 6\] is needed/,
    ],
    ['wider states', { h: [L, B, 100 * H] }, /a recurrent state of shape/],
    ['narrower states', { h: [L, B, 1] }, /a recurrent state of shape/],
    ['states of more layers', { h: [2 * L, B, H] }, /a recurrent state of shape/],
    ['states of fewer layers', { h: [1, B, H] }, /a recurrent state of shape/],
    ['states of two dimensions', { h: [B, H] }, /a recurrent state of shape/],
    ['a wider input', { x: [B, T, 200 * I] }, /a recurrent weight of shape/],
    ['a narrower input', { x: [B, T, 1] }, /a recurrent weight of shape/],
    ['an input without a batch', { x: [T, I] }, /a recurrent layer got an input of shape \[5, 4\]/],
  ])('with %s is refused, when it runs and when it is recorded', async (_, shapes, message) => {
    const lstm = await network()
    const ran = await failure(() => lstm.forward(...inputs(shapes)))
    expect([ran.code, ran.message]).toEqual(['ERR_TORCH', expect.stringMatching(message)])
    expect(() => lstm.forwardSync(...inputs(shapes))).toThrow(message)
    for (const execute of [false, true]) {
      const recorded = await failure(() => lstm.record(inputs(shapes), { execute }))
      expect([recorded.code, recorded.message]).toEqual(['ERR_INVALID_ARGUMENT', expect.stringMatching(message)])
    }
  })

  test.each<[string, Partial<typeof SHAPES>, RegExp]>([
    ['wi0', { wi0: [4 * H, I + 1] }, /a recurrent weight of shape \[24, 5\] where \[24, 4\] is needed/],
    ['wh1', { wh1: [4 * H, 1] }, /a recurrent weight of shape \[24, 1\] where \[24, 6\] is needed/],
    ['wi1', { wi1: [4, H] }, /a recurrent weight of shape \[4, 6\] where \[24, 6\] is needed/],
  ])('whose file holds a weight %s of another shape is refused', async (_, over, message) => {
    const lstm = await network(over)
    expect((await failure(() => lstm.forward(...inputs()))).message).toMatch(message)
    expect((await failure(() => lstm.record(inputs()))).message).toMatch(message)
  })
})

test('a trace with states as inputs is recorded: what shapes refuse is not tried for real', async () => {
  const stream = await load(model('stream.trace.pt'))
  const example = [Tensor.full([1, 5, 4], 0.5), Tensor.zeros([1, 1, 6]), Tensor.zeros([1, 1, 6])]
  for (const execute of [false, true]) {
    const { record } = await stream.record(example, { execute })
    expect(record.secondRun).toBeUndefined()
    // Joined to themselves along dimension 0 the states have two layers.
    expect(record.secondRunError).toMatch(/a recurrent state of shape \[2, 1, 6\] where \[1, 2, 6\] is needed/)
  }
  const [y] = (await stream.forward(...example)) as Tensor[]
  expect(y!.shape).toEqual([1, 5, 3])
})

// Every kind of parameter slice that belongs to a unit receives its penalty, in a network that has them all.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { analyse } from '../../lib/groups/analyse.js'
import type { Analysis } from '../../lib/groups/index.js'
import { constantL2 } from '../../lib/regularize/index.js'
import { call, type Recording, type ScriptModule, Tensor } from '../../lib/torch/index.js'
import { integers, network } from '../support/networks.js'

const SOURCE = `
def forward(self, x: Tensor, ids: Tensor) -> Tensor:
    x = torch.conv2d(x, self.conv.weight, self.conv.bias, [1, 1], [1, 1], [1, 1], 1)
    x = torch.batch_norm(x, self.bn.weight, self.bn.bias, self.bn.running_mean, self.bn.running_var, False, 0.1, 1e-5, False)
    x = torch.conv2d(x, self.depthwise.weight, self.depthwise.bias, [1, 1], [1, 1], [1, 1], 6)
    x = torch.prelu(x, self.prelu.weight)
    x = x * self.scale
    x = torch.conv_transpose2d(x, self.up.weight, self.up.bias)
    x = torch.group_norm(x, 4, self.gn.weight, self.gn.bias)
    x = x.mean([2, 3])
    x = torch.linear(x, self.wide.weight, self.wide.bias)
    x = x + torch.embedding(self.table.weight, ids)
    x = torch.layer_norm(x, [10], self.ln.weight, self.ln.bias)
    return torch.linear(x, self.head.weight, self.head.bias)
`

/**
 * Shape, and how many units meet in an element: its coefficient under a penalty of 1 on every unit. A channel of a group norm
 * is a unit in its group of the norm, and part of the unit that is the whole group.
 */
const PARAMETERS: Readonly<Record<string, readonly [shape: number[], penalised: number]>> = {
  'conv.weight': [[6, 3, 3, 3], 1], // rows: the columns are the input's
  'conv.bias': [[6], 1],
  'bn.weight': [[6], 1],
  'bn.bias': [[6], 1],
  'depthwise.weight': [[6, 1, 3, 3], 1],
  'depthwise.bias': [[6], 1],
  'prelu.weight': [[6], 1],
  scale: [[1, 6, 1, 1], 1], // a raw parameter
  'up.weight': [[6, 8, 2, 2], 3], // transposed: rows consume, columns produce
  'up.bias': [[8], 2],
  'gn.weight': [[8], 2],
  'gn.bias': [[8], 2],
  'wide.weight': [[10, 8], 3],
  'wide.bias': [[10], 1],
  'table.weight': [[5, 10], 1], // columns of an embedding
  'ln.weight': [[10], 1],
  'ln.bias': [[10], 1],
  'head.weight': [[4, 10], 1], // columns: the rows are the output's
  'head.bias': [[4], 0],
}

let model: ScriptModule
let recording: Recording
let groups: Analysis
beforeAll(async () => {
  const shapes = Object.fromEntries(Object.entries(PARAMETERS).map(([name, [shape]]) => [name, shape]))
  const buffers = { 'bn.running_mean': Tensor.zeros([6]), 'bn.running_var': Tensor.full([6], 1) }
  model = await network(SOURCE, shapes, buffers)
  recording = await model.record([Tensor.full([2, 3, 5, 5], 0.5), integers([1, 2])])
  groups = analyse(recording.record)
})
afterAll(() => {
  recording.dispose()
  model.dispose()
})

describe.each(['float32', 'float64'] as const)('in %s', (dtype) => {
  const rounded = dtype === 'float32' ? Math.fround : (x: number) => x
  it.each(Object.entries(PARAMETERS))('%s: %j', async (name, [, penalised]) => {
    const typed = await model.to(dtype)
    const parameter = typed.parameters().get(name)!
    for (const each of typed.parameters().values()) each.requiresGrad = true
    const regularizer = await constantL2({ reg: 1 }).attach({ model: typed, groups, iterations: 1 })
    await regularizer.apply()
    const weight = parameter.data() as Float32Array
    const gradient = parameter.grad?.data() as Float32Array | undefined
    if (penalised === 0) expect(gradient).toBeUndefined()
    else expect([...gradient!]).toEqual([...weight].map((w) => rounded(penalised * w)))
    regularizer.dispose()
    typed.dispose()
  })
})

it('a hook adds to each what apply() adds', async () => {
  const after = async (isHooked: boolean) => {
    const copy = await model.clone()
    for (const each of copy.parameters().values()) each.requiresGrad = true
    const regularizer = await constantL2({ reg: 1 }).attach({ model: copy, groups, iterations: 1 })
    if (isHooked) regularizer.hook()
    const output = (await copy.forwardWith([Tensor.full([2, 3, 5, 5], 0.5), integers([1, 2])], {
      grad: true,
    })) as Tensor
    await (call('aten::sum', [output]) as Tensor).backward()
    if (!isHooked) await regularizer.apply()
    return [...copy.parameters()].map(([name, { grad }]) => [name, [...(grad!.data() as Float32Array)]])
  }
  expect(await after(true)).toEqual(await after(false))
})

it('statistics receive none, and what is not trained neither', async () => {
  const copy = await model.clone()
  const frozen = copy.parameters().get('bn.weight')!
  for (const each of copy.parameters().values()) each.requiresGrad = each !== frozen
  const regularizer = await constantL2({ reg: 1 }).attach({ model: copy, groups, iterations: 1 })
  await regularizer.apply()
  expect(frozen.grad).toBe(null)
  expect([...copy.buffers().values()].map((buffer) => buffer.grad)).toEqual([null, null])
  expect([...(copy.buffers().get('bn.running_var')!.data() as Float32Array)]).toEqual([1, 1, 1, 1, 1, 1])
  regularizer.dispose()
  copy.dispose()
})

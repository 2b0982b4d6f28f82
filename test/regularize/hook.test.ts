import {
  bnScale,
  constantL2,
  growing,
  load,
  type Regularizer,
  type RegularizerFactory,
  type ScriptModule,
  scope,
  sgd,
  Tensor,
} from 'espalier'
import { analyse } from 'espalier/analysis'
import { call, crossEntropy } from 'espalier/torch'
import { afterEach, describe, expect, it } from 'vitest'
import { dataFile } from '../../examples/digits.js'
import { attached, dispose, gradientOf, small } from './support.js'

afterEach(dispose)

const refused = (message: RegExp, code = 'ERR_INVALID_ARGUMENT') =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

/** sum(weight²) over the parameters named: the gradient is 2w. */
function loss({ parameters }: ReturnType<typeof small>, ...names: string[]): Tensor {
  const squares = names.map((name) => {
    const parameter = parameters.get(name)!
    return call('aten::sum', [call('aten::mul.Tensor', [parameter, parameter]) as Tensor]) as Tensor
  })
  return squares.reduce((a, b) => call('aten::add.Tensor', [a, b]) as Tensor)
}
const ALL = ['a.weight', 'a.bias', 'b.weight']
const gradients = ({ parameters }: ReturnType<typeof small>) =>
  ALL.map((name) => Array.from(gradientOf(parameters.get(name)) ?? []))
/** 2w + reg * w, with reg 0.5 and passes. */
const times = (factor: number) => [
  [1, 2, 3, 4].map((w) => factor * w),
  [5, 6].map((w) => factor * w),
  [7, 8].map((w) => factor * w),
]

async function hooked(factory: RegularizerFactory = constantL2({ reg: 0.5 })) {
  const model = small()
  const regularizer = await attached(factory.attach(model.context))
  return { model, regularizer, hook: regularizer.hook() }
}

describe('a hook that adds the penalty', () => {
  it.each([
    ['backward', (y: Tensor) => y.backward()],
    ['backwardSync', async (y: Tensor) => y.backwardSync()],
  ])('does so in %s; apply() adds nothing more, and counts the step', async (_way, backward) => {
    const { model, regularizer } = await hooked()
    await backward(loss(model, ...ALL))
    expect(gradients(model)).toEqual(times(2.5))
    await regularizer.apply()
    expect(gradients(model)).toEqual(times(2.5))
    expect(regularizer.state.iteration).toBe(1)
    model.clear()
    await backward(loss(model, ...ALL))
    expect(gradients(model)).toEqual(times(2.5))
  })

  it('leaves to apply() what no pass has reached', async () => {
    const { model, regularizer } = await hooked()
    await loss(model, 'a.weight').backward()
    await regularizer.apply()
    expect(gradients(model)).toEqual([
      [2.5, 5, 7.5, 10],
      [2.5, 3],
      [3.5, 4],
    ])
  })

  it.each([
    ['armed for the last of four passes', [false, false, false, true]],
    ['armed all the time', [true, true, true, true]],
    ['never armed: apply() adds it', [false, false, false, false]],
  ])('adds it once, %s', async (_what, armed) => {
    const { model, regularizer, hook } = await hooked()
    for (const on of armed) {
      hook.armed = on
      await loss(model, ...ALL).backward()
    }
    expect(gradients(model)).toEqual(times(armed.includes(true) ? 8.5 : 8))
    await regularizer.apply()
    expect(gradients(model)).toEqual(times(8.5))
  })

  it('scales it as the gradients are scaled', async () => {
    const { model, regularizer, hook } = await hooked()
    hook.scale = 16
    const scaled = call('aten::mul.Scalar', [loss(model, 'a.weight', 'a.bias'), 16]) as Tensor
    await scaled.backward()
    await regularizer.apply({ scale: 16 })
    expect(gradients(model)).toEqual([
      [40, 80, 120, 160],
      [200, 240],
      [56, 64],
    ])
    expect(() => {
      hook.scale = Number.NaN
    }).toThrow(refused(/'scale' must be a number, not NaN/))
  })

  it('adds it anew when a step was not made', async () => {
    const { model, regularizer, hook } = await hooked()
    await loss(model, ...ALL).backward()
    model.clear()
    hook.reset()
    await loss(model, ...ALL).backward()
    await regularizer.apply()
    expect(gradients(model)).toEqual(times(2.5))
  })

  it('is off when it is removed, or its regularizer disposed of', async () => {
    const { model, regularizer, hook } = await hooked()
    hook.remove()
    hook.remove()
    await loss(model, ...ALL).backward()
    expect(gradients(model)).toEqual(times(2))
    await regularizer.apply()
    expect(gradients(model)).toEqual(times(2.5))
    expect(regularizer.hook()).not.toBe(hook)
    regularizer.dispose()
    model.clear()
    await loss(model, ...ALL).backward()
    expect(gradients(model)).toEqual(times(2))
  })

  it('takes the place of the term: no optimizer adds it a second time', async () => {
    const { regularizer, hook } = await hooked()
    expect(regularizer.term).toBeUndefined()
    expect(regularizer.hook()).toBe(hook)
    hook.remove()
    expect(regularizer.term).toBeDefined()
  })

  it('is refused where it can not be', async () => {
    const { model } = await hooked()
    const other = await attached(constantL2().attach(model.context))
    expect(() => other.hook()).toThrow(refused(/a parameter has a penalty hook already/))
    await expect(hooked(constantL2({ coupling: 'decoupled' }))).rejects.toEqual(
      refused(/'constant' has no hook here: a decoupled penalty/, 'ERR_UNSUPPORTED'),
    )
    await expect(hooked(bnScale())).rejects.toEqual(refused(/'bn-scale' has no hook here/, 'ERR_UNSUPPORTED'))
  })
})

describe('in a training', () => {
  /** 12 steps of growing regularization; the penalty comes by `step`. */
  async function trained(step: (regularizer: Regularizer) => void): Promise<{ weights: number[][]; reg: unknown }> {
    const model: ScriptModule = await load(dataFile('resnet8.script.pt'))
    const recording = await model.eval().record([Tensor.zeros([1, 1, 8, 8])])
    const groups = analyse(recording.record)
    const factory = growing({ deltaReg: 0.01, updateEvery: 3 })
    const regularizer = await factory.attach({ model, groups, iterations: 12 })
    step(regularizer)
    const optimizer = sgd({ lr: 0.01, momentum: 0.9 }).bind(model.parameters())
    const images = Tensor.from(
      Float32Array.from({ length: 8 * 64 }, (_, i) => Math.sin(i)),
      [8, 1, 8, 8],
    )
    const labels = Tensor.from(
      BigInt64Array.from({ length: 8 }, (_, i) => BigInt(i)),
      [8],
    )
    model.train()
    for (let k = 0; k < 12; k++) {
      await scope(async () => {
        await (await crossEntropy((await model.forward(images)) as Tensor, labels)).backward()
        await regularizer.apply()
        await optimizer.step()
        optimizer.zeroGrad()
      })
    }
    const weights = [...model.parameters().values()].map((parameter) => Array.from(parameter.data(), Number))
    return { weights, reg: regularizer.state.reg }
  }

  it('gives the same weights, bit by bit, as apply() after the pass', async () => {
    const [apart, on] = [await trained(() => undefined), await trained((regularizer) => regularizer.hook())]
    expect(on.weights).toEqual(apart.weights)
    expect(on.reg).toEqual(apart.reg)
  })
})

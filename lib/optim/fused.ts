import { EspalierError } from '../base/errors.js'
import { call, keep, type OpArg, type OpCall, type OpResult, run, scope, Tensor } from '../torch/index.js'
import type { Optimizer, OptimizerState } from './optimizer.js'
import type { PenaltyTerm } from './penalty-term.js'
import { layoutTensor } from './penalty-term.js'

/** What distinguishes one optimizer from another. */
export interface Rule {
  /** Operator of native/ops. Its arguments: weights, gradients, one list for each part, layout, coefficients, settings. */
  op: string
  /** Tensors that it can keep for each parameter, in the order of its arguments. */
  parts: readonly string[]
  /** Whether it keeps them with these options; they start at zero. */
  keeps: boolean
  /** @param steps steps so far, this one included */
  settings(lr: number, decoupled: boolean, steps: number): readonly OpArg[]
}

/** How the parameters lie under a penalty. */
interface Layout {
  penalty: PenaltyTerm | undefined
  tensor: Tensor
  coefficients: Tensor
  /** The coefficients of no penalty. */
  none: Tensor
}

/** An optimizer whose step is one operator: all parameters, and the penalty, in one pass over the weights. */
export class FusedOptimizer implements Optimizer {
  lr: number
  readonly #names: ReadonlyMap<Tensor, string>
  readonly #parameters: readonly Tensor[]
  readonly #rule: Rule
  /** By part, one tensor for each parameter; made with the first step. */
  #kept: Readonly<Record<string, readonly Tensor[]>> = {}
  #steps = 0
  /** Layout of the parameters under the last penalty. */
  #layout: Layout | undefined

  constructor(parameters: ReadonlyMap<string, Tensor>, lr: number, rule: Rule, state?: OptimizerState) {
    this.#names = new Map([...parameters].reverse().map(([name, parameter]) => [parameter, name]))
    this.#parameters = [...new Set(parameters.values())].filter((parameter) => parameter.requiresGrad)
    this.lr = lr
    this.#rule = rule
    if (state === undefined) return
    this.#steps = state.steps
    this.#kept = this.#made((part, parameter) => {
      const name = this.#names.get(parameter) as string
      const saved = state.tensors.get(name)
      return saved === undefined ? zerosLike(parameter) : copyOf(saved[part], part, name, parameter)
    })
  }

  #made(make: (part: string, parameter: Tensor) => Tensor): Readonly<Record<string, readonly Tensor[]>> {
    const { parts, keeps } = this.#rule
    const all = (part: string) => this.#parameters.map((parameter) => keep(make(part, parameter)))
    return Object.fromEntries(parts.map((part) => [part, keeps ? all(part) : []]))
  }

  state(): OptimizerState {
    const kept = Object.entries(this.#kept).filter(([, tensors]) => tensors.length > 0)
    if (kept.length === 0) return { steps: this.#steps, tensors: new Map() }
    const of = (index: number) => Object.fromEntries(kept.map(([part, tensors]) => [part, tensors[index] as Tensor]))
    const tensors = this.#parameters.map((parameter, k) => [this.#names.get(parameter) as string, of(k)] as const)
    return { steps: this.#steps, tensors: new Map(tensors) }
  }

  async step(penalty?: PenaltyTerm): Promise<void> {
    await scope(async () => {
      await this.stepAfter([], penalty)
    })
  }

  /** A step in one job with calls before it: it isn't made where one of them throws. Gives their results. */
  async stepAfter(calls: readonly OpCall[], penalty?: PenaltyTerm): Promise<OpResult[]> {
    const under = this.#layoutUnder(penalty)
    if (Object.keys(this.#kept).length === 0) this.#kept = this.#made((_, parameter) => zerosLike(parameter))
    this.#steps++
    const own = this.#parameters.length === 0 ? [] : [this.#call(under)]
    try {
      const returns = calls.map((_, k) => k)
      // Denormal numbers are slow to compute with on a CPU; a GPU has nothing of them.
      return await run([...calls, ...own], { returns, flushDenormals: this.#parameters[0]?.device === 'cpu' })
    } catch (error) {
      this.#steps--
      throw error
    }
  }

  #call({ penalty, tensor, coefficients }: Layout): OpCall {
    const parts = this.#rule.parts.map((part) => this.#kept[part] as readonly Tensor[])
    const settings = this.#rule.settings(this.lr, penalty?.coupling === 'decoupled', this.#steps)
    // No gradients given: the parameters' own.
    return { op: this.#rule.op, args: [this.#parameters, [], ...parts, tensor, coefficients, ...settings] }
  }

  #layoutUnder(penalty: PenaltyTerm | undefined): Layout {
    if (this.#layout !== undefined && this.#layout.penalty === penalty) return this.#layout
    const own = new Set(this.#parameters)
    for (const parameter of penalty?.layouts.keys() ?? []) {
      if (own.has(parameter)) continue
      throw new EspalierError('ERR_INVALID_ARGUMENT', 'the penalty acts on a parameter that this optimizer has not')
    }
    const layouts = this.#parameters.map((weight) => penalty?.layouts.get(weight) ?? [1, weight.numel, -1, -1])
    this.#forgetLayout()
    const none = keep(Tensor.zeros([0], { device: this.#parameters[0]?.device }))
    const coefficients = penalty?.coefficients ?? none
    this.#layout = { penalty, tensor: keep(layoutTensor(layouts)), coefficients, none }
    return this.#layout
  }

  #forgetLayout(): void {
    this.#layout?.tensor.dispose()
    this.#layout?.none.dispose()
    this.#layout = undefined
  }

  zeroGrad(): void {
    call('espalier::drop_gradients_', [this.#parameters], { noGrad: true })
  }

  dispose(): void {
    for (const tensor of Object.values(this.#kept).flat()) tensor.dispose()
    this.#forgetLayout()
    this.#kept = {}
  }
}

/**
 * A step of any optimizer after other calls, in one job where it is one of ours: it isn't made where one of them throws. Gives their results.
 */
export async function stepAfter(
  calls: readonly OpCall[],
  optimizer: Optimizer,
  penalty?: PenaltyTerm,
): Promise<OpResult[]> {
  if (optimizer instanceof FusedOptimizer) return optimizer.stepAfter(calls, penalty)
  const results = await run(calls)
  await optimizer.step(penalty)
  return results
}

const zerosLike = (tensor: Tensor): Tensor => call('aten::zeros_like', [tensor], { noGrad: true }) as Tensor

function copyOf(saved: Tensor | undefined, part: string, name: string, parameter: Tensor): Tensor {
  if (saved === undefined) throw new EspalierError('ERR_INVALID_ARGUMENT', `the state of ${name} has no '${part}'`)
  if (saved.shape.join() !== parameter.shape.join()) {
    const message = `the state of ${name} has shape [${saved.shape}], the parameter [${parameter.shape}]`
    throw new EspalierError('ERR_INVALID_ARGUMENT', message)
  }
  // Where the parameter is, whatever the state was read from.
  return call('aten::copy_', [zerosLike(parameter), saved], { noGrad: true }) as Tensor
}

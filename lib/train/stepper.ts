import { EspalierError } from '../base/errors.js'
import { given } from '../base/given.js'
import { Random } from '../base/random.js'
import { stepAfter } from '../optim/fused.js'
import { clip, finite, NOT_FINITE, notFiniteGradient, notFiniteParameter } from '../optim/gradients.js'
import type { OptimizerState } from '../optim/optimizer.js'
import { call, type RunOptions, run, type ScriptModule, scope, type Tensor } from '../torch/index.js'
import type { TensorBatch } from './data/batches.js'
import type { TrainOptions } from './loop.js'
import { Objective } from './objective.js'
import type { WholePhase } from './phase.js'
import { strategiesOf } from './strategies/index.js'
import type { Step, StepStrategy } from './strategies/strategy.js'

type StepperOptions = TrainOptions & WholePhase

/** One optimizer step at a time: forward, loss, backward; unscale, clip, penalty, step. */
export class Stepper {
  readonly #model: ScriptModule
  readonly #options: StepperOptions
  readonly #objective: Objective
  readonly #parameters
  readonly #optimizer
  readonly #strategies: readonly StepStrategy[]
  /** Of all strategies together. */
  readonly #scale: number
  /** How passes are run; a step is never interrupted. */
  readonly #how: RunOptions

  constructor(model: ScriptModule, options: StepperOptions, strategies = strategiesOf(options)) {
    this.#strategies = strategies
    this.#scale = this.#strategies.reduce((product, { scale = 1 }) => product * scale, 1)
    // What a penalty shrinks for long enough ends in denormals, which are slow to compute with on a CPU.
    this.#how = { signal: options.signal, flushDenormals: model.device === 'cpu' }
    this.#model = model
    this.#options = options
    this.#objective = new Objective(options)
    this.#parameters = model.parameters()
    this.#optimizer = options.optimizer.bind(this.#parameters, options.resume?.optimizer ?? options.begin)
    this.#optimizer.zeroGrad()
  }

  set factor(factor: number) {
    this.#optimizer.lr = this.#options.optimizer.lr * factor
  }

  get lr(): number {
    return this.#optimizer.lr
  }

  get state(): OptimizerState {
    return this.#optimizer.state()
  }

  /** The mean loss over the batch, before the step. */
  step(batch: TensorBatch, iteration: number, where: string): Promise<number> {
    const { seed = 0 } = this.#options
    const step: Step = { iteration, random: new Random(seed, iteration) }
    return scope(async () => {
      const losses: Tensor[] = []
      const shares: number[] = []
      const whole: Iterable<TensorBatch> = [batch]
      const parts = this.#strategies.reduce((all, strategy) => partsOf(all, strategy, step), whole)
      for (const part of parts) {
        const share = part.size / batch.size
        losses.push(await this.#backward(part, share))
        shares.push(share)
      }
      for (const { gathered } of this.#strategies) await gathered?.(this.#parameters, step)
      const values = await this.#move(losses, batch, where)
      this.#optimizer.zeroGrad()
      return values.reduce((sum, value, k) => sum + value * (shares[k] as number), 0)
    })
  }

  /** Adds the gradients of a part of a batch; gives its loss, which nobody has waited for. */
  #backward(batch: TensorBatch, share: number): Promise<Tensor> {
    return scope(async () => {
      const outcome = await this.#objective.run(this.#model, batch.inputs, { grad: true, ...this.#how })
      const loss = await this.#objective.loss(outcome, batch)
      const factor = share * this.#scale
      const scaled = factor === 1 ? loss : (call('aten::mul.Scalar', [loss, factor]) as Tensor)
      await scaled.backward(this.#how)
      return call('aten::detach', [loss]) as Tensor
    })
  }

  /**
   * The step, with the penalty in the same pass where there is such a one: once, whatever the number of backward passes, and only where all
   * losses and gradients are finite. Gives the losses.
   */
  async #move(losses: readonly Tensor[], batch: TensorBatch, where: string): Promise<readonly number[]> {
    const { regularizer, clipNorm } = this.#options
    const term = regularizer?.term
    const isLater = clipNorm !== null || (regularizer !== undefined && term === undefined)
    const check = finite(losses, this.#parameters)
    const checked = isLater ? run([check]) : stepAfter([check], this.#optimizer, term)
    const [values] = await checked.catch((error) => this.#explain(error, losses, batch, where))
    if (isLater) {
      if (clipNorm !== null) await clip(this.#parameters, clipNorm)
      if (term === undefined) await regularizer?.apply({ lr: this.lr })
      await this.#optimizer.step(term)
    }
    if (term !== undefined) await regularizer?.advance({ lr: this.lr })
    return [...((values as Tensor).data() as Float64Array)]
  }

  /** Says what isn't finite, where it is that. */
  async #explain(error: unknown, losses: readonly Tensor[], batch: TensorBatch, where: string): Promise<never> {
    if (!(error instanceof EspalierError) || !error.message.includes(NOT_FINITE)) throw error
    const loss = losses.map((each) => each.item()).find((value) => !Number.isFinite(value))
    if (loss !== undefined) {
      const hint = this.#objective.doubt(batch)
      throw new EspalierError('ERR_NOT_FINITE', `the loss is ${loss} at ${where}`, given({ hint }))
    }
    const broken = await notFiniteGradient(this.#parameters)
    if (broken === undefined) throw error
    throw new EspalierError('ERR_NOT_FINITE', `the gradient of '${broken}' holds a NaN or an infinity at ${where}`)
  }

  /** A step too long shows in the loss of the next one; after the last there is none. */
  async mustBeFinite(where: string): Promise<void> {
    const broken = await notFiniteParameter(this.#parameters)
    if (broken === undefined) return
    throw new EspalierError('ERR_NOT_FINITE', `the parameter '${broken}' holds a NaN or an infinity after ${where}`, {
      hint: 'The steps are too long: a smaller learning rate makes shorter ones.',
    })
  }

  dispose(): void {
    this.#objective.dispose()
    this.#optimizer.zeroGrad()
    this.#optimizer.dispose()
  }
}

function* partsOf(batches: Iterable<TensorBatch>, { parts }: StepStrategy, step: Step): Generator<TensorBatch> {
  for (const batch of batches) yield* parts?.(batch, step) ?? [batch]
}

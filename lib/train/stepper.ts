import { EspalierError } from '../base/errors.js'
import { Random } from '../base/random.js'
import { clip, notFiniteGradient } from '../optim/gradients.js'
import type { OptimizerState } from '../optim/optimizer.js'
import { call, type ScriptModule, scope, type Tensor } from '../torch/index.js'
import type { TensorBatch } from './data/batches.js'
import type { TrainOptions } from './loop.js'
import { Objective } from './objective.js'
import type { WholePhase } from './phase.js'
import { strategiesOf } from './strategies/index.js'
import type { Step, StepStrategy } from './strategies/strategy.js'

/** What a penalty shrinks for long enough ends in denormals, which are slow to compute with. */
const FLUSH = { flushDenormals: true } as const

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

  constructor(model: ScriptModule, options: StepperOptions, strategies = strategiesOf(options)) {
    this.#strategies = strategies
    this.#scale = this.#strategies.reduce((product, { scale = 1 }) => product * scale, 1)
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
    const { seed = 0, clipNorm } = this.#options
    const step: Step = { iteration, random: new Random(seed, iteration) }
    return scope(async () => {
      let loss = 0
      const whole: Iterable<TensorBatch> = [batch]
      const parts = this.#strategies.reduce((all, strategy) => partsOf(all, strategy, step), whole)
      for (const part of parts) loss += await this.#backward(part, part.size / batch.size, where)
      for (const { gathered } of this.#strategies) await gathered?.(this.#parameters, step)
      const broken = await notFiniteGradient(this.#parameters)
      if (broken !== undefined) {
        throw new EspalierError('ERR_NOT_FINITE', `the gradient of '${broken}' holds a NaN or an infinity at ${where}`)
      }
      if (clipNorm !== null) await clip(this.#parameters, clipNorm)
      await this.#move()
      this.#optimizer.zeroGrad()
      return loss
    })
  }

  /** Adds the gradients of a part of a batch; gives its share of the loss. */
  #backward(batch: TensorBatch, share: number, where: string): Promise<number> {
    const { signal } = this.#options
    return scope(async () => {
      const outcome = await this.#objective.run(this.#model, batch.inputs, { grad: true, signal, ...FLUSH })
      const loss = await this.#objective.loss(outcome, batch)
      const value = loss.item()
      if (!Number.isFinite(value)) throw new EspalierError('ERR_NOT_FINITE', `the loss is ${value} at ${where}`)
      const factor = share * this.#scale
      const scaled = factor === 1 ? loss : (call('aten::mul.Scalar', [loss, factor]) as Tensor)
      await scaled.backward({ signal, ...FLUSH })
      return value * share
    })
  }

  /** The step, with the penalty in the same pass where there is such a one. Once, whatever the number of backward passes. */
  async #move(): Promise<void> {
    const { regularizer } = this.#options
    if (regularizer === undefined) return this.#optimizer.step()
    if (regularizer.term === undefined) {
      await regularizer.apply({ lr: this.lr })
      return this.#optimizer.step()
    }
    await this.#optimizer.step(regularizer.term)
    await regularizer.advance({ lr: this.lr })
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

import type { Course, TrialHandle } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'
import { type SignalOptions, withSignal } from './abort.js'
import { type MethodInputs, methodCounts } from './interface.js'
import { moduleHandleOf, type ScriptModule } from './module.js'
import type { ModuleInput, ModuleOutput } from './module-calls.js'
import { type Recording, recordingHandleOf } from './recording.js'
import { type Tensor, wrapTensor } from './tensor.js'
import { lift, lower } from './values.js'

/**
 * A module that gives the same whenever it is run: each run starts from the state that the module is in, which stays as it is,
 * and draws its random numbers from a seed. Neither the inputs nor the user's random numbers change; nothing is printed.
 */
export class Trial {
  readonly module: ScriptModule
  readonly #handle: TrialHandle
  readonly #options: SignalOptions

  /**
   * @param module in the mode in which it is to run
   * @param methods that run after `forward`, as in a recording
   */
  constructor(module: ScriptModule, methods: MethodInputs, options: SignalOptions) {
    this.module = module
    this.#options = options
    this.#handle = binding().trialOpen(moduleHandleOf(module), methodCounts(methods))
  }

  /** Runs all methods, without gradients; where they are several, the output is a list of what each gives. */
  async run(inputs: readonly ModuleInput[], seed: number): Promise<ModuleOutput> {
    return lift(
      await withSignal(this.#options, (job) => binding().trialRun(this.#handle, inputs.map(lower), seed, job)),
    )
  }

  /** Lets go of the trial, not of the module. May be called again. */
  dispose(): void {
    binding().trialDispose(this.#handle)
  }
}

/**
 * How a recorded program goes on other inputs, asked on shapes alone; `undefined` when it refuses them or needs more than
 * shapes. `module` is that of the recording, or a copy in another dtype; `inputs` has those of all methods.
 */
export async function courseOn(
  module: ScriptModule,
  recording: Recording,
  inputs: readonly ModuleInput[],
  options: SignalOptions,
): Promise<Course | undefined> {
  const course = await withSignal(options, (job) =>
    binding().moduleCourse(moduleHandleOf(module), recordingHandleOf(recording), inputs.map(lower), job),
  )
  return course ?? undefined
}

/**
 * Copies of the tensors that operators give, by their places in `recording.record.ops`, in ascending order of these; the
 * recording was made with `execute`. Empty for an operator that did not run.
 */
export async function captureOutputs(
  module: ScriptModule,
  recording: Recording,
  inputs: readonly ModuleInput[],
  ops: readonly number[],
  seed: number,
  options: SignalOptions,
): Promise<Tensor[][]> {
  const captured = await withSignal(options, (job) =>
    binding().moduleCapture(moduleHandleOf(module), recordingHandleOf(recording), inputs.map(lower), ops, seed, job),
  )
  return captured.map((tensors) => tensors.map(wrapTensor))
}

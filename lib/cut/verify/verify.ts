import { EspalierError } from '../../base/errors.js'
import { ON_PROGRESS } from '../../base/progress.js'
import { maybe, object, signature, thing } from '../../base/schema/index.js'
import type { Analysis } from '../../groups/index.js'
import { ANALYSIS } from '../../groups/schemas.js'
import type { Plan } from '../../plan/plan.js'
import { PLAN } from '../../plan/schemas.js'
import { RUN_ENTRIES } from '../../torch/abort.js'
import {
  type InterfaceOptions,
  type ModuleInput,
  type Recording,
  type ScriptModule,
  type SignalOptions,
  scope,
} from '../../torch/index.js'
import { onDevice } from '../../torch/inputs.js'
import { INTERFACE_ENTRIES, withMethods } from '../../torch/interface.js'
import { MODULE } from '../../torch/module.js'
import { EXAMPLE_INPUTS } from '../../torch/module-calls.js'
import { RECORDING } from '../../torch/recording.js'
import { Trial } from '../../torch/trial.js'
import { compileCut } from '../edits.js'
import { Judge } from './judge.js'
import type { Pass } from './pass.js'
import { Progress } from './progress.js'
import { smallestFailure } from './smallest-failure.js'

/** The passes by which a cut was proved. */
export interface Verification {
  passes: readonly Pass[]
}

/** @internal As far as a file is to be believed: the passes are made anew whenever a cut is. */
export const VERIFICATION = thing<Verification>('an object with the passes of a verification', (value) => {
  const passes = (value as Verification | undefined)?.passes
  return Array.isArray(passes) && passes.every((pass) => typeof pass?.error === 'number' && pass.error >= 0)
})

/** What {@link cutAndVerify} may do beside the plan. */
export interface CutOptions extends InterfaceOptions, SignalOptions {
  /** Told how far the cut and its proof are, from 0 to 1; nothing by default. */
  onProgress?: ((part: number) => void) | undefined
}

/** @internal */
export const CUT_AND_VERIFY = signature(
  'cutAndVerify',
  ['model', MODULE],
  ['recording', RECORDING],
  ['analysis', ANALYSIS],
  ['plan', PLAN],
  ['inputs', EXAMPLE_INPUTS],
  ['options', object<CutOptions>({ signal: RUN_ENTRIES.signal, ...INTERFACE_ENTRIES, onProgress: maybe(ON_PROGRESS) })],
)

/**
 * Cuts a model by a plan and proves the cut: the original with every removed slice set to zero must give the same outputs,
 * with its own weights and with refilled ones, and with these at another batch size and at other lengths or sizes of the inputs
 * wherever the original accepts them. The model given is not changed, nor is the state that it keeps. All of it runs on the
 * CPU, for a model on another device too, whose cut is run there once at the end.
 *
 * @param inputs of `forward`; other methods that the recording runs are verified with those of the recording
 * @param options what may become of all that is not `forward`, told in `small.interface`; a signal
 * @throws EspalierError ERR_VERIFICATION, naming the smallest set of groups that fails and the first operator whose output
 *   differs, and keeping nothing; ERR_UNSUPPORTED when the cut can't be expressed; ERR_INVALID_ARGUMENT; ERR_ABORTED
 * @example
 * ```ts
 * import { load, Tensor } from 'espalier'
 * import { analyse, cutAndVerify, makePlan } from 'espalier/analysis'
 *
 * const [model, inputs] = [await load('model.pt'), [Tensor.zeros([1, 3, 8, 8])]]
 * const recording = await model.record(inputs)
 * const analysis = analyse(recording.record)
 * const plan = makePlan(analysis, new Map([[0, [3, 1, 4, 2]]]), { ratio: 0.5 })
 * const { small } = await cutAndVerify(model, recording, analysis, plan, inputs)
 * await small.save('model-small.pt')
 * ```
 */
export async function cutAndVerify(
  model: ScriptModule,
  recording: Recording,
  analysis: Analysis,
  plan: Plan,
  inputs: readonly ModuleInput[],
  options: CutOptions = {},
): Promise<{ small: ScriptModule; verification: Verification }> {
  CUT_AND_VERIFY.check(model, recording, analysis, plan, inputs, options)
  const { signal, onProgress, ...around } = options
  const progress = new Progress(onProgress)
  const judge = new Judge(model, recording, analysis, inputs, { signal })
  const small = await model.cut(recording, { ...compileCut(analysis, plan), ...around }, { signal })
  try {
    const { passes, failure } = await judge.judge(plan, small, { locate: true, progress })
    if (failure === undefined) {
      if (small.device !== 'cpu') await mustRunThere(small, recording, inputs, { signal })
      progress.end()
      return { small, verification: { passes } }
    }
    if (failure.kind === 'inconclusive') {
      throw new EspalierError('ERR_VERIFICATION', `the cut can't be proved: ${failure.why}`, {
        hint: 'give example inputs on which the model computes something, or leave the groups that change nothing out',
      })
    }
    if (await judge.isRandom()) {
      throw new EspalierError(
        'ERR_VERIFICATION',
        'the outputs of the model differ from run to run, with the same random numbers too, so that no cut can be verified',
        { hint: 'look for memory that is read before it is written, as of torch.empty' },
      )
    }
    const groups = await smallestFailure((part) => judge.fails(part), analysis, plan)
    const where = failure.where && `the first operator whose output differs is ${failure.where}`
    throw new EspalierError('ERR_VERIFICATION', `the cut model does not equal the masked one: ${failure.why}`, {
      detail: [where, ...groups.map((id) => describeGroup(analysis, id))].filter(Boolean).join('\n'),
      hint: 'exclude these groups with a ratio function that returns undefined for them, and report the model',
    })
  } catch (error) {
    small.dispose()
    throw error
  }
}

async function mustRunThere(
  small: ScriptModule,
  { methods }: Recording,
  inputs: readonly ModuleInput[],
  options: SignalOptions,
): Promise<void> {
  const trial = new Trial(small, methods, options)
  try {
    await scope(() => trial.run(onDevice(withMethods(inputs, methods), small.device), 1))
  } catch (error) {
    if (!(error instanceof EspalierError) || error.code !== 'ERR_TORCH') throw error
    throw new EspalierError('ERR_VERIFICATION', `the cut model does not run on ${small.device}: ${error.message}`, {
      cause: error,
      hint: "cut it on the CPU (`model.to('cpu')`), where it was verified, and report the model",
    })
  } finally {
    trial.dispose()
  }
}

function describeGroup(analysis: Analysis, id: number): string {
  const group = analysis.groups[id]
  return `group ${id}: ${group?.size} ${group?.kind} of ${group?.members.map((m) => `${m.name}[${m.dim}]`).join(', ')}`
}

import { EspalierError } from '../base/errors.js'
import { ON_PROGRESS } from '../base/progress.js'
import { count, flag, maybe, object, signal, signature } from '../base/schema/index.js'
import { flatten, relativeDifference } from '../cut/verify/compare.js'
import { noisy } from '../cut/verify/inputs.js'
import { type Latency, type LatencyOptions, measureLatency } from '../measure/latency.js'
import { frozen } from '../torch/freeze.js'
import { type ModuleInput, type ScriptModule, scope } from '../torch/index.js'
import { MODULE } from '../torch/module.js'
import { EXAMPLE_INPUTS } from '../torch/module-calls.js'

/** Options of {@link optimizeForInference}. */
export interface InferenceOptions {
  /** What it is timed with, and compared on: one for each input of the model. */
  inputs: readonly ModuleInput[]
  /** Whether the weights of convolutions lie channels last; by default what is faster here is found by measurement. */
  channelsLast?: boolean | undefined
  /** Measured passes of each form, in turns, 1 or more; 30 by default. */
  rounds?: number | undefined
  /** Told what part of the timing is done, above 0 to 1; nothing by default. */
  onProgress?: ((part: number) => void) | undefined
  /** Ends the work, with ERR_ABORTED; none by default. */
  signal?: AbortSignal | undefined
}

/** What {@link optimizeForInference} made. */
export interface InferenceResult {
  /** Runs only: its weights are constants. The caller disposes of it. */
  optimized: ScriptModule
  /** Whether the weights of its convolutions lie channels last. */
  channelsLast: boolean
  /** Milliseconds of a pass, before and after, measured in turns. */
  latency: readonly [Latency, Latency]
  /** Largest difference of its outputs on `inputs`, relative to the largest output. */
  difference: number
}

/** @internal */
export const OPTIMIZE_FOR_INFERENCE = signature(
  'optimizeForInference',
  ['model', MODULE],
  [
    'options',
    object<InferenceOptions>({
      inputs: EXAMPLE_INPUTS,
      channelsLast: maybe(flag),
      rounds: maybe(count()),
      onProgress: maybe(ON_PROGRESS),
      signal: maybe(signal),
    }),
  ],
)

/** Folding rounds differently; what is wrong is wrong by more. Half precision has 8 to 11 bits, convolutions on a GPU (TF32) 11. */
const TOLERANCE = { half: 3e-2, gpu: 1e-2, single: 1e-4 }

/**
 * A model for running alone, as `torch.jit.freeze` makes it: batch norms are folded into the convolutions before them, constants are
 * computed, what only training needs is gone. Where convolutions are faster channels last here, their weights are laid out so.
 * The model given stays as it is, and stays the one to train or prune; save the other beside it. It is read with
 * `load(path, { frozen: true })`, in Python with `torch.jit.load`, in C++ with `torch::jit::load`.
 *
 * @throws EspalierError ERR_VERIFICATION when it computes something else; ERR_UNSUPPORTED when LibTorch can't freeze it;
 *   ERR_INVALID_ARGUMENT; ERR_ABORTED
 * @example
 * ```ts
 * import { load, optimizeForInference, Tensor } from 'espalier'
 *
 * const inputs = [Tensor.zeros([1, 3, 8, 8])]
 * const { optimized } = await optimizeForInference(await load('model.pt'), { inputs })
 * await optimized.save('model-fast.pt')
 * console.log(await (await load('model-fast.pt', { frozen: true })).forward(...inputs)) // Tensor([1, 5], float32, cpu)
 * ```
 */
export async function optimizeForInference(model: ScriptModule, options: InferenceOptions): Promise<InferenceResult> {
  OPTIMIZE_FOR_INFERENCE.check(model, options)
  const { inputs, channelsLast, rounds = 30, onProgress, signal } = options
  const hasImages = [...model.parameters().values()].some(({ shape }) => shape.length === 4 || shape.length === 5)
  const layouts = channelsLast === undefined ? (hasImages ? [false, true] : [false]) : [channelsLast]
  const whole = (await model.clone({ signal })).eval()
  const forms: ScriptModule[] = []
  let chosen: ScriptModule | undefined
  try {
    for (const layout of layouts) forms.push(await frozenOr(whole, layout, signal))
    const differences: number[] = []
    for (const form of forms) differences.push(await apart(whole, form, inputs, signal))
    const [before, ...after] = await timed([whole, ...forms], inputs, { rounds, onProgress, signal })
    const best = fastestEqual(differences, after, toleranceOf(model))
    chosen = forms[best] as ScriptModule
    const difference = differences[best] as number
    return { optimized: chosen, channelsLast: layouts[best] as boolean, latency: [before!, after[best]!], difference }
  } catch (error) {
    chosen = undefined
    throw error
  } finally {
    whole.dispose()
    for (const form of forms) if (form !== chosen) form.dispose()
  }
}

/** @throws ERR_UNSUPPORTED */
async function frozenOr(whole: ScriptModule, channelsLast: boolean, signal?: AbortSignal): Promise<ScriptModule> {
  try {
    return await frozen(whole, channelsLast, { signal })
  } catch (error) {
    const { code, message, detail } = error as EspalierError
    if (code !== 'ERR_TORCH') throw error
    throw new EspalierError('ERR_UNSUPPORTED', `LibTorch can't freeze this model: ${message}`, { detail, cause: error })
  }
}

/** On copies: passes of a model with a state would move it. */
async function timed(
  models: readonly ScriptModule[],
  inputs: readonly ModuleInput[],
  options: LatencyOptions,
): Promise<Latency[]> {
  const copies: ScriptModule[] = []
  try {
    for (const model of models) copies.push(await model.clone({ signal: options.signal }))
    return await measureLatency(copies, inputs, options)
  } finally {
    for (const copy of copies) copy.dispose()
  }
}

/** By two passes each, on copies, the second with noise: an example of zeros tells nothing, and a state shows the second time. */
function apart(
  whole: ScriptModule,
  form: ScriptModule,
  inputs: readonly ModuleInput[],
  signal?: AbortSignal,
): Promise<number> {
  return scope(async () => {
    using one = await whole.clone({ signal })
    using other = await form.clone({ signal })
    const differences: number[] = []
    for (const given of [inputs, noisy(inputs, 0)]) {
      const [got, wanted] = [await other.forwardWith(given, { signal }), await one.forwardWith(given, { signal })]
      differences.push(relativeDifference(flatten(got), flatten(wanted)))
    }
    return Math.max(...differences)
  })
}

function toleranceOf(model: ScriptModule): number {
  const half = [...model.parameters().values()].some(({ dtype }) => dtype === 'float16' || dtype === 'bfloat16')
  return TOLERANCE[half ? 'half' : model.device === 'cpu' ? 'single' : 'gpu']
}

/** Of the forms that compute the same. @throws ERR_VERIFICATION where none does */
function fastestEqual(differences: readonly number[], latencies: readonly Latency[], tolerance: number): number {
  const equal = [...differences.keys()].filter((k) => differences[k]! <= tolerance)
  const [first] = equal
  if (first !== undefined) return equal.reduce((a, b) => (latencies[b]!.median < latencies[a]!.median ? b : a), first)
  const least = Math.min(...differences)
  const words = `the optimized model differs from the given one by ${least} of the largest output; at most ${tolerance} may be rounding`
  throw new EspalierError('ERR_VERIFICATION', words, { hint: 'Use the model as it is.' })
}

import { EspalierError } from '../base/errors.js'
import { either, list, maybe, number, object, type Schema, text, thing } from '../base/schema/index.js'
import { type ModuleOutput, type OpCall, run, ScriptModule, type Tensor } from '../torch/index.js'
import { floatsOf } from './output.js'

/** A model whose outputs are targets, and how. */
export interface TeacherOptions {
  /**
   * Gives the soft targets: on the device of the model in training, with its inputs and outputs. It is put into eval mode. In `sparsify` a
   * copy of the model as it was given by default; `train` and `evaluate` need one.
   */
  module?: ScriptModule | undefined
  /** Softens what the teacher and the model say of classes, above 0; 2 by default. */
  temperature?: number | undefined
  /** The teacher's share in the loss, in 0..1; 0.5 by default, and 1 where there are no targets. */
  weight?: number | undefined
  /**
   * Submodules by name whose outputs are compared with the teacher's, too, as they are: squared differences by the variance of the teacher's,
   * a mean over the submodules, added to the teacher's part of the loss. One whose output a cut has made smaller is left out from then
   * on. None by default.
   */
  match?: readonly string[] | undefined
}

/** A teacher is a model, or one with options. */
export type Teacher = ScriptModule | TeacherOptions

const MODULE = thing<ScriptModule>('a ScriptModule', (value) => value instanceof ScriptModule)
const WITH_OPTIONS = object<TeacherOptions>({
  module: maybe(MODULE),
  temperature: maybe(number({ above: 0 })),
  weight: maybe(number({ min: 0, max: 1 })),
  match: maybe(list(text(), 'a list of names')),
})

/** @internal */
export const TEACHER: Schema<Teacher> = either(
  'a ScriptModule, or { module, temperature, weight, match }',
  MODULE,
  WITH_OPTIONS,
)
/** @internal */
export const TEACHER_OR_TRUE: Schema<true | Teacher> = either(
  'true, a ScriptModule, or { module, temperature, weight, match }',
  thing<true>('true', (value) => value === true),
  MODULE,
  WITH_OPTIONS,
)

/** With its defaults; `weight` is undefined where nobody gave it. @throws ERR_INVALID_ARGUMENT without a module */
export function wholeTeacher(teacher: Teacher) {
  const { module, temperature = 2, weight, match = [] } = optionsOf(teacher)
  if (module !== undefined) return { module, temperature, weight, match }
  throw new EspalierError('ERR_INVALID_ARGUMENT', 'the teacher has no module', { hint: 'Pass teacher: { module }.' })
}

export const optionsOf = (teacher: true | Teacher): TeacherOptions => {
  if (teacher === true) return {}
  return teacher instanceof ScriptModule ? { module: teacher } : teacher
}

/**
 * How far an output is from a teacher's, for outputs of any form: squared differences over all floating-point tensors, by the variance of
 * the teacher's, so that 1 is what a constant output would have.
 */
export async function distance(output: ModuleOutput, taught: ModuleOutput): Promise<Tensor> {
  const [own, wanted] = [floatsOf(output), new Map(floatsOf(taught))]
  if (own.length === 0) throw differs('there is no tensor of floating-point numbers in the output')
  const calls: OpCall[] = []
  const parts: number[] = []
  for (const [place, tensor] of own) {
    const target = wanted.get(place)
    if (target === undefined || target.shape.join() !== tensor.shape.join()) {
      const shape = target === undefined ? 'nothing' : `[${target.shape.join(', ')}]`
      throw differs(`${place} is [${tensor.shape.join(', ')}], and the teacher gives ${shape} there`)
    }
    const at = calls.length
    calls.push(
      { op: 'aten::mse_loss', args: [tensor, target, 1] },
      { op: 'aten::var', args: [target, false] },
      { op: 'aten::add.Scalar', args: [{ result: at + 1 }, 1e-12, 1] },
      { op: 'aten::div.Tensor', args: [{ result: at }, { result: at + 2 }] },
    )
    parts.push(at + 3)
  }
  const first = parts[0] as number
  let sum = first
  for (const part of parts.slice(1)) {
    calls.push({ op: 'aten::add.Tensor', args: [{ result: sum }, { result: part }, 1] })
    sum = calls.length - 1
  }
  calls.push({ op: 'aten::div.Scalar', args: [{ result: sum }, parts.length] })
  const [mean] = await run(calls, { grad: true, returns: [calls.length - 1] })
  return mean as Tensor
}

/** One of another shape would be stretched in silence. @throws ERR_INVALID_ARGUMENT where the shapes differ */
export function mustBeAlike(output: Tensor, taught: Tensor): void {
  const [own, other] = [output, taught].map(({ shape }) => `[${shape.join(', ')}]`)
  if (own !== other) throw differs(`the output is ${own}, and the teacher's ${other}`)
}

const differs = (words: string) =>
  new EspalierError('ERR_INVALID_ARGUMENT', `the teacher can't teach: ${words}`, {
    hint: "Say which part counts, such as output: 'logits'.",
  })

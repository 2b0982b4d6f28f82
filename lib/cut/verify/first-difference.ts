import { volume } from '../../base/numbers.js'
import { flatArgs, keptCoordinates, type OpEntry, type OpRecord, type ValueId } from '../../groups/index.js'
import { removedUnits } from '../../plan/plan.js'
import { isFloating } from '../../record/record.js'
import { call, type Recording, type ScriptModule, scope, type Tensor } from '../../torch/index.js'
import { indicesOf } from '../../torch/indices.js'
import { splitInputs } from '../../torch/interface.js'
import { captureOutputs } from '../../torch/trial.js'
import type { Bench, Subject } from './bench.js'
import { flatten, relativeDifference } from './compare.js'

/** Elements that are captured in one run at most. */
const CHUNK = 2 ** 24
/** Larger than rounding, in any dtype in which a difference was noticed at the outputs. */
const DIFFERENT = 1e-6

/** An operator in the recordings of the original, of the masked and of the cut model, by its place in each. */
interface Aligned {
  op: OpEntry
  masked: number
  cut: number
}

/**
 * The first operator at which the cut model parts from the masked one, where both were last compared: in words, with its scope.
 * Undefined when the two can't be followed side by side.
 */
export async function firstDifference({ modules, given }: Bench, subject: Subject): Promise<string | undefined> {
  if (!given) return undefined
  return scope(async () => {
    const inputs = given.inputs()
    const recordings: Recording[] = []
    try {
      const [masked, cut] = (await Promise.all(
        [modules.masked.module, modules.cut.module].map(async (module) => {
          const { inputs: own, methods } = splitInputs(inputs, subject.recording.methods)
          const recording = await module.record(own, { ...subject.options, methods, execute: true })
          recordings.push(recording)
          return recording
        }),
      )) as [Recording, Recording]
      for (const chunk of chunks(align(subject.recording.record, masked.record, cut.record), masked.record)) {
        const found = await scope(async () => {
          const of = async (module: ScriptModule, recording: Recording, places: readonly number[]) => {
            const tensors = await captureOutputs(module, recording, inputs, places, given.seed, subject.options)
            return new Map([...places].sort((a, b) => a - b).map((place, k) => [place, tensors[k] as Tensor[]]))
          }
          const left = await of(
            modules.masked.module,
            masked,
            chunk.map((each) => each.masked),
          )
          const right = await of(
            modules.cut.module,
            cut,
            chunk.map((each) => each.cut),
          )
          return chunk.find(({ op, masked, cut }) => differs(subject, op, left.get(masked) ?? [], right.get(cut) ?? []))
        })
        if (found) return inWords(found.op, subject.recording.record)
      }
      return undefined
    } finally {
      for (const recording of recordings) recording.dispose()
    }
  })
}

function inWords({ name, scope: path, outputs }: OpEntry, { values }: OpRecord): string {
  const value = values[outputs.flatMap(flatArgs)[0] as ValueId]
  const shape = value?.kind === 'tensor' ? `, which gives [${value.shape.join(', ')}] before the cut` : ''
  return `${name} in '${path}'${shape}`
}

/**
 * Operators that stand in all three recordings. A cut may put some in, take some out and rename some: the same ones are told by
 * name, scope and how often they ran, where that number is the same.
 */
function align(original: OpRecord, masked: OpRecord, cut: OpRecord): Aligned[] {
  const [first, second, third] = [original, masked, cut].map(byName) as [Places, Places, Places]
  const aligned: (Aligned & { order: number })[] = []
  for (const [key, places] of first) {
    const [left, right] = [second.get(key), third.get(key)]
    if (left?.length !== places.length || right?.length !== places.length) continue
    places.forEach((order, k) => {
      const op = original.ops[order] as OpEntry
      aligned.push({ op, order, masked: left[k] as number, cut: right[k] as number })
    })
  }
  return aligned.sort((a, b) => a.order - b.order)
}

type Places = Map<string, number[]>

function byName(record: OpRecord): Places {
  const places: Places = new Map()
  record.ops.forEach(({ name, scope, speculative, outputs }, k) => {
    const computes = outputs.flatMap(flatArgs).some((id) => isFloatTensor(record, id))
    if (speculative || !computes) return
    const key = `${name} ${scope}`
    places.set(key, [...(places.get(key) ?? []), k])
  })
  return places
}

function* chunks(aligned: readonly Aligned[], { ops, values }: OpRecord): Generator<Aligned[]> {
  let chunk: Aligned[] = []
  let elements = 0
  for (const each of aligned) {
    for (const id of (ops[each.masked] as OpEntry).outputs.flatMap(flatArgs)) {
      const value = values[id]
      if (value?.kind === 'tensor') elements += volume(value.shape)
    }
    chunk.push(each)
    if (elements < CHUNK) continue
    yield chunk
    chunk = []
    elements = 0
  }
  if (chunk.length > 0) yield chunk
}

/** Whether what is kept of a result of the masked model is something else in the cut one. */
function differs({ recording, analysis, plan }: Subject, op: OpEntry, masked: Tensor[], cut: Tensor[]): boolean {
  const removed = removedUnits(analysis, plan)
  const ids = op.outputs.flatMap(flatArgs).filter((id) => recording.record.values[id]?.kind === 'tensor')
  return ids.some((id, k) => {
    const [left, right] = [masked[k], cut[k]]
    if (!left || !right || !isFloatTensor(recording.record, id)) return false
    let kept = left
    for (const [dim, axis] of (analysis.axesOf(id) ?? []).entries()) {
      if (!axis.offsets || axis.size !== left.shape[dim]) continue
      const index = indicesOf(kept, keptCoordinates(axis, removed))
      kept = call('aten::index_select', [kept, dim, index]) as Tensor
    }
    return relativeDifference(flatten(right), flatten(kept)) > DIFFERENT
  })
}

function isFloatTensor({ values }: OpRecord, id: ValueId): boolean {
  const value = values[id]
  return value?.kind === 'tensor' && isFloating(value.dtype) && value.shape.length > 0
}

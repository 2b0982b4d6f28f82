import type { Plan } from '../../plan/plan.js'
import { isFloating } from '../../record/record.js'
import { type OpArg, run, type ScriptModule, type Tensor } from '../../torch/index.js'
import { indicesOf } from '../../torch/indices.js'

/**
 * Zeroes every slice that the plan removes, in place: producer rows and biases, affine parameters, consumer columns.
 * Buffers stay as they are, and so do directions of a weight norm. What is left computes what the cut model must compute.
 */
export async function zeroRemoved(model: ScriptModule, plan: Pick<Plan, 'keep' | 'directions'>): Promise<void> {
  const indices: Tensor[] = []
  try {
    const program = [...model.parameters()].flatMap(([name, parameter]) =>
      Object.entries(plan.keep[name] ?? {}).flatMap(([dim, kept]) => {
        if (plan.directions[name]?.includes(Number(dim))) return []
        const stays = new Set(kept)
        const gone = Array.from({ length: parameter.shape[Number(dim)] as number }, (_, i) => i).filter(
          (i) => !stays.has(i),
        )
        const index = indicesOf(parameter, gone)
        indices.push(index)
        return [{ op: 'aten::index_fill_.int_Scalar', args: [parameter, Number(dim), index, 0] }]
      }),
    )
    await run(program, { returns: [] })
  } finally {
    for (const index of indices) index.dispose()
  }
}

/**
 * Gives `target` the floating-point parameters and buffers of `source`, of which it may be a cut by `keep`.
 */
export async function copyKept(source: ScriptModule, target: ScriptModule, keep: Plan['keep']): Promise<void> {
  const from = new Map([...source.parameters(), ...source.buffers()])
  const indices: Tensor[] = []
  const done = new Set<Tensor>()
  const program: { op: string; args: OpArg[] }[] = []
  for (const [name, tensor] of [...target.parameters(), ...target.buffers()]) {
    const whole = from.get(name)
    if (!whole || !isFloating(whole.dtype) || done.has(tensor)) continue
    done.add(tensor)
    let value: OpArg = whole
    for (const [dim, kept] of Object.entries(keep[name] ?? {})) {
      const index = indicesOf(whole, kept)
      indices.push(index)
      program.push({ op: 'aten::index_select', args: [value, Number(dim), index] })
      value = { result: program.length - 1 }
    }
    program.push({ op: 'aten::copy_', args: [tensor, value] })
  }
  try {
    await run(program, { returns: [] })
  } finally {
    for (const index of indices) index.dispose()
  }
}

import { volume } from '../base/numbers.js'
import type { Analysis } from '../groups/index.js'
import { bytesOf } from '../measure/bytes.js'
import type { Plan } from '../plan/plan.js'
import type { InterfaceReport } from '../torch/index.js'

/** The plan of a cut that also let go of tensors which `forward` never reads: they count as gone. */
export function withDropped(plan: Plan, { record }: Analysis, unreached: InterfaceReport['unreached']): Plan {
  const dropped = new Set(unreached.flatMap(({ name, dropped }) => (dropped ? [name] : [])))
  let [params, bytes] = [0, 0]
  for (const value of record.values) {
    // One that is tied goes with the last of its names.
    if (value.kind !== 'tensor' || !value.names?.every((name) => dropped.has(name))) continue
    if (value.role === 'parameter') params += volume(value.shape)
    bytes += bytesOf(value, value.shape)
  }
  return { ...plan, params: [plan.params[0], plan.params[1] - params], bytes: [plan.bytes[0], plan.bytes[1] - bytes] }
}

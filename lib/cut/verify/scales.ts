import { flatArgs, type OpRecord } from '../../groups/index.js'
import { call, type ScriptModule, scope, type Tensor } from '../../torch/index.js'

/** Arguments that LibTorch takes in float32 alone, whatever the precision of what is rounded by them. */
const SINGLE: ReadonlyMap<string, readonly string[]> = new Map(
  [
    'fake_quantize_per_channel_affine',
    'fake_quantize_per_channel_affine_cachemask',
    '_fake_quantize_learnable_per_channel_affine',
    'fused_moving_avg_obs_fake_quant',
    '_fused_moving_avg_obs_fq_helper',
  ].map((name) => [`aten::${name}`, ['scale', 'running_min', 'running_max']]),
)

/** Parameters and buffers that stay in float32 when a model is compared in float64, by name. */
export function singleTensors(record: OpRecord): Set<string> {
  const names = new Set<string>()
  for (const op of record.ops) {
    for (const argument of SINGLE.get(op.name) ?? []) {
      for (const id of flatArgs(op.inputs[op.argNames.indexOf(argument)] ?? [])) {
        const value = record.values[id]
        if (value?.kind === 'tensor') for (const name of value.names ?? []) names.add(name)
      }
    }
  }
  return names
}

/** Takes these tensors of a module back to float32, in place. */
export function keepSingle(module: ScriptModule, names: ReadonlySet<string>): Promise<void> {
  return scope(async () => {
    for (const [name, tensor] of [...module.parameters(), ...module.buffers()]) {
      if (names.has(name)) call('aten::set_data', [tensor, call('aten::to.dtype', [tensor, 'float32']) as Tensor])
    }
  })
}

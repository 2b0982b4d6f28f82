import { EspalierError } from '../base/errors.js'
import { given } from '../base/given.js'
import { faultOf } from '../base/schema/index.js'
import type { PruneOptions } from '../run/index.js'
import type { ModuleInput } from '../torch/index.js'
import { EXAMPLE_INPUTS } from '../torch/module-calls.js'
import { inputOf } from './inputs.js'
import { made } from './named.js'
import type { Config, ConfigOption } from './option.js'

/** What a plan is made by, and what may be left behind. */
export const PLAN_OPTIONS: readonly ConfigOption[] = [
  {
    path: 'inputs',
    flag: '-i, --input',
    value: '<what>',
    as: 'texts',
    help: 'an example input, once for each: 1,3,224,224, int64:1,16, ids=int64:1,16 by name, a file image.npy or batch.npz',
  },
  {
    path: 'budget',
    value: '<targets>',
    as: 'pairs',
    help: 'what may stay, one or several of those below: macs=0.5,bytes=10MB',
  },
  {
    path: 'budget.macs',
    flag: '--macs',
    value: '<target>',
    as: 'plain',
    help: 'multiply-adds that may stay: a part, such as 0.5, or so many, such as 400M',
  },
  {
    path: 'budget.params',
    flag: '--params',
    value: '<target>',
    as: 'plain',
    help: 'parameters that may stay: a part, or so many, such as 4e6',
  },
  {
    path: 'budget.bytes',
    flag: '--bytes',
    value: '<target>',
    as: 'plain',
    help: 'bytes of weights that may stay: a part, or a size, such as 10MB',
  },
  {
    path: 'budget.memory',
    flag: '--memory',
    value: '<target>',
    as: 'plain',
    help: 'peak memory of what a forward pass computes: a part, or a size, such as 512KiB',
  },
  {
    path: 'budget.latency',
    flag: '--latency',
    value: '<target>',
    as: 'plain',
    help: 'time of a forward pass on this machine: a part, or a time, such as 8ms',
  },
  { path: 'minKeep', value: '<part>', as: 'plain', help: 'part of each group that always stays; 0.1 by default' },
  {
    path: 'keep',
    value: '<names>',
    as: 'names',
    help: 'modules or parameters that stay exactly as they are: head,layer3.*',
  },
  {
    path: 'ignore',
    value: '<names>',
    as: 'names',
    help: 'modules or parameters that keep what they give; their inputs may become fewer',
  },
  {
    path: 'importance',
    value: '<name>',
    as: 'named',
    kind: 'importance',
    help: 'which units go first: groupL2 (default), groupL1, lp, lamp, fpgm, bnScale, random; with options, lp:p=1,reduction=max',
  },
  { path: 'norms', value: '<form>', as: 'text', help: "norms over what is cut: 'exact' (default) or 'kept'" },
  { path: 'methods', value: '<json>', as: 'json', help: 'example inputs of methods, by name: {"encode":["1,16"]}' },
  {
    path: 'dropMethods',
    value: '<names>',
    as: 'names',
    help: 'methods that may go where they do not survive the cut: encode,decode, or all',
  },
  { path: 'dropUnreached', value: '', as: 'switch', help: 'leave out tensors that no method reads' },
]

export const PRUNE_OPTIONS: readonly ConfigOption[] = [
  ...PLAN_OPTIONS,
  {
    path: 'ratio',
    value: '<part>',
    as: 'plain',
    help: 'part of the units of each group that goes; 0.5 by default, where there is no budget',
  },
  { path: 'ranking', value: '<scope>', as: 'text', help: "'local' (in each group; default) or 'global'" },
  { path: 'exact', value: '', as: 'switch', help: 'leave groups alone whose cut changes over what a norm computes' },
]

/** What a model is looked at with. */
export const INSPECT_OPTIONS = PLAN_OPTIONS.filter(({ path }) => ['inputs', 'methods', 'norms'].includes(path))

/** The options of `prune` as its call takes them. */
export function pruneOptions(config: Config): PruneOptions {
  return given({ ...config, ...common(config) }) as unknown as PruneOptions
}

/** What `prune` and `sparsify` have in common. */
export function common({ inputs, methods, importance }: Config) {
  return {
    inputs: inputsOf(inputs, 'inputs'),
    methods: isObject(methods)
      ? Object.fromEntries(Object.entries(methods).map(([name, each]) => [name, inputsOf(each, `methods.${name}`)]))
      : methods,
    importance: made('importance', importance),
  }
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Texts are read; what a program made, such as tensors, stays. */
export function inputsOf(inputs: unknown, where: string): readonly ModuleInput[] {
  if (inputs === undefined) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', 'there is no example input', {
      hint: 'Say the shape of each input of the model: -i 1,3,224,224',
    })
  }
  const fault = faultOf(EXAMPLE_INPUTS, inputs as readonly ModuleInput[], where, where)
  if (fault !== undefined) throw new EspalierError('ERR_INVALID_ARGUMENT', fault.words)
  return (inputs as readonly unknown[]).map((each) =>
    typeof each === 'string' ? inputOf(each) : (each as ModuleInput),
  )
}

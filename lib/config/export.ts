import { given } from '../base/given.js'
import type { InferenceOptions } from '../run/index.js'
import type { Config, ConfigOption } from './option.js'
import { INSPECT_OPTIONS, inputsOf } from './prune.js'

export const EXPORT_OPTIONS: readonly ConfigOption[] = [
  ...INSPECT_OPTIONS.filter(({ path }) => path === 'inputs'),
  {
    path: 'channelsLast',
    value: '',
    as: 'switch',
    help: 'weights of convolutions channels last (--no-channels-last: not so); what is faster here by default',
  },
  { path: 'rounds', value: '<count>', as: 'plain', help: 'measured passes of each form, in turns; 30 by default' },
]

/** The options of `optimizeForInference` as its call takes them. */
export const exportOptions = (config: Config): InferenceOptions =>
  given({ ...config, inputs: inputsOf(config.inputs, 'inputs') }) as unknown as InferenceOptions

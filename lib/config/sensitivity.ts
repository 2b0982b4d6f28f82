import { given } from '../base/given.js'
import type { SensitivityOptions } from '../run/index.js'
import type { DataContext } from './data.js'
import { EVALUATE_OPTIONS, evaluateOptions } from './evaluate.js'
import type { Config, ConfigOption } from './option.js'
import { common, PLAN_OPTIONS } from './prune.js'

export const SENSITIVITY_OPTIONS: readonly ConfigOption[] = [
  ...EVALUATE_OPTIONS,
  ...PLAN_OPTIONS.filter(({ path }) => path === 'importance'),
  {
    path: 'ratios',
    value: '<json>',
    as: 'json',
    help: 'parts of a group that are taken away: [0.25,0.5,0.75] by default',
  },
  { path: 'groups', value: '<json>', as: 'json', help: 'ids of the groups: [0,3]; all by default' },
]

/** What `sensitivity` takes beside the model. */
export async function sensitivityOptions(
  config: Config,
  context: Omit<DataContext, 'inputs' | 'seed' | 'labels'>,
): Promise<{ options: SensitivityOptions; dispose(): void }> {
  const { importance, inputs, ratios, groups, ...judged } = config
  const { dataset, options, dispose } = await evaluateOptions({ ...judged, inputs }, context)
  const { methods: _, ...shared } = common({ importance, inputs })
  return { options: given({ ...options, ...shared, ratios, groups, data: dataset }) as never, dispose }
}

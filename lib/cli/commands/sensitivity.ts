import { basename } from 'node:path'
import type { Command } from 'commander'
import type { Config } from '../../config/option.js'
import { SENSITIVITY_OPTIONS, sensitivityOptions } from '../../config/sensitivity.js'
import { formatTable } from '../../report/index.js'
import { type Sensitivity, type SensitivityPoint, sensitivity } from '../../run/index.js'
import { SENSITIVITY } from '../../run/sensitivity.js'
import { load } from '../../torch/index.js'
import { alone } from '../alone.js'
import { configOf, newCommand, printed, type Result, run, type Work, withConfig } from '../command.js'
import { checkOutputs, nameWith, readBeside } from '../files.js'
import { withInputs } from '../kept-inputs.js'
import { paced } from '../pace.js'
import { jobOf, SensitivityLog } from '../sensitivity-log.js'

interface Given {
  log?: string
  printConfig?: boolean
  config?: string
}

/** `espalier sensitivity model.pt --data photos/ -i 1,3,224,224`. */
export function sensitivityCommand(): Command {
  const command = withConfig(
    newCommand('sensitivity', 'how much each group matters: what is lost when a part of it alone is gone', [
      'espalier sensitivity model.pt --data photos/ -i 1,3,224,224',
      'espalier sensitivity model.pt --data photos/ -i 1,3,224,224 --no-labels --ratios [0.5]',
    ]).argument('<model>', 'a TorchScript file'),
    SENSITIVITY_OPTIONS,
  ).option('--log <file>', 'what was measured, to go on from; model-sensitivity.jsonl beside model.pt by default')
  return command.action((path: string, given: Given) =>
    run(command, async (work) => {
      const config = await configOf(command, SENSITIVITY_OPTIONS)
      return given.printConfig ? printed(config) : measured(path, config, given, work)
    }),
  )
}

async function measured(path: string, asked: Config, given: Given, work: Work): Promise<Result> {
  const name = given.log ?? nameWith(path, '-sensitivity', '.jsonl')
  await checkOutputs([path, ...readBeside(asked, given.config)], { whole: [name] })
  return await alone(name, work, () => measuredInto(name, path, asked, work))
}

async function measuredInto(name: string, path: string, asked: Config, work: Work): Promise<Result> {
  const { say, signal } = work
  say(`Loading ${basename(path)} …`)
  using model = await load(path, { signal })
  const config = await withInputs(asked, model, path)
  const { options, dispose } = await sensitivityOptions(config, { inputNames: model.inputNames(), onWarning: say })
  try {
    // Before there is a log of it.
    SENSITIVITY.check(model, options)
    const log = await SensitivityLog.open(name, await jobOf(path, config, options, work))
    const { known } = log
    if (known.length > 0) say(`${known.length} measured before, in ${name}`)
    say(`Measuring on ${options.data.size} examples …`)
    const start = performance.now()
    let done = 0
    let show: ((done: number) => void) | undefined
    const onPoint = (point: SensitivityPoint, of: number): void => {
      log.add(point)
      show ??= paced(work, 'measured', { unit: 'parts of groups', of, start })
      show(++done)
    }
    const found = await sensitivity(model, { ...options, known, onPoint, signal })
    const { before, points } = found
    return { text: tableOf(found), data: { model: path, log: name, before, points } }
  } finally {
    dispose()
  }
}

/** A line for each group, what is lost at each ratio. */
function tableOf({ analysis, points }: Sensitivity): string {
  const ratios = [...new Set(points.map(({ ratio }) => ratio))]
  const ids = [...new Set(points.map(({ group }) => group))]
  const columns = [
    { title: 'group', align: 'right' as const },
    { title: 'in' },
    { title: 'units', align: 'right' as const },
    ...ratios.map((ratio) => ({ title: `lost at ${ratio}`, align: 'right' as const })),
  ]
  const rows = ids.map((id) => {
    const { size, members } = analysis.groups[id]!
    const drops = points.filter(({ group }) => group === id).map(({ drop }) => drop.toFixed(4))
    return [id, members[0]?.name, size, ...drops]
  })
  return formatTable(columns, rows)
}

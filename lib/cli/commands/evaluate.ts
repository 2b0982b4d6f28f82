import { basename } from 'node:path'
import type { Command } from 'commander'
import { EspalierError } from '../../base/errors.js'
import { evaluateOptions, evaluateOptionsWhere } from '../../config/evaluate.js'
import { metricInWords } from '../../report/metrics.js'
import { load } from '../../torch/index.js'
import { isLabelled } from '../../train/data/labelled.js'
import { type Evaluation, evaluate } from '../../train/index.js'
import { configOf, newCommand, printed, run, withConfig } from '../command.js'
import { withInputs } from '../kept-inputs.js'
import { watched } from '../watched.js'

const OPTIONS = evaluateOptionsWhere('a teacher')

/** `espalier evaluate model.pt --data photos/`. */
export function evaluateCommand(): Command {
  const command = withConfig(
    newCommand('evaluate', 'measure a model on data', [
      'espalier evaluate small.pt --data photos/ -i 1,3,224,224',
      'espalier evaluate small.pt --data test.npz --metric top5 --teacher model.pt',
    ]).argument('<model>', 'a TorchScript file'),
    OPTIONS,
  )
  return command.action((path: string, { printConfig }: { printConfig?: boolean }) =>
    run(command, async (work) => {
      const { say, signal } = work
      const config = await configOf(command, OPTIONS)
      if (printConfig) return printed(config)
      say(`Loading ${basename(path)} …`)
      const model = await load(path, { signal, frozen: true })
      const inputNames = model.inputNames()
      const whole = await withInputs(config, model, path)
      const { dataset, options, dispose } = await evaluateOptions(whole, { inputNames, onWarning: say })
      try {
        // A loss of a program may do without.
        const needsLabels = options.teacher === undefined && typeof whole.loss !== 'function'
        if (needsLabels && dataset.size > 0 && !(await isLabelled(dataset))) {
          throw new EspalierError('ERR_INVALID_ARGUMENT', 'there are no labels, and there is no teacher', {
            hint: 'Name the model that knows: --teacher model.pt',
          })
        }
        say(`Measuring on ${dataset.size} examples …`)
        const evaluation = await evaluate(model, watched(dataset, work, 'measured'), { ...options, signal })
        return { text: measured(evaluation), data: { model: path, examples: dataset.size, ...evaluation } }
      } finally {
        model.dispose()
        dispose()
      }
    }),
  )
}

/** A line for each metric. */
export const measured = (evaluation: Evaluation): string =>
  Object.entries(evaluation)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(12)}${metricInWords(name, value)}`]))
    .join('\n')

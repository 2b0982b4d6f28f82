import { basename } from 'node:path'
import type { Command } from 'commander'
import { FINETUNE_OPTIONS, finetuneOptions } from '../../config/finetune.js'
import { metricsInWords } from '../../report/metrics.js'
import { load } from '../../torch/index.js'
import { type EpochEvent, train } from '../../train/index.js'
import { configOf, newCommand, printed, run, withConfig } from '../command.js'
import { EventLines } from '../event-lines.js'
import { checkOutputs, nameWith, readBeside } from '../files.js'
import { keepingInputs, withInputs } from '../kept-inputs.js'
import { watchedData } from '../watched.js'

interface Given {
  output?: string
  printConfig?: boolean
  config?: string
}

/** `espalier finetune small.pt --data photos/ -i 1,3,224,224`. */
export function finetuneCommand(): Command {
  const command = withConfig(
    newCommand('finetune', 'train a model on, such as one that prune made', [
      'espalier finetune small.pt --data photos/ -i 1,3,224,224 --epochs 20 -o tuned.pt',
      'espalier finetune small.pt --data train.npz --teacher model.pt --optimizer sgd:lr=0.01,momentum=0.9',
    ]).argument('<model>', 'a TorchScript file; it stays as it is'),
    FINETUNE_OPTIONS,
  ).option('-o, --output <file>', 'where it goes; small-tuned.pt beside small.pt by default')
  return command.action((path: string, { output, printConfig, config: file }: Given) =>
    run(command, async (work) => {
      const asked = await configOf(command, FINETUNE_OPTIONS)
      if (printConfig) return printed(asked)
      const out = output ?? nameWith(path, '-tuned')
      await checkOutputs([path, ...readBeside(asked, file)], { whole: [out] })
      work.say(`Loading ${basename(path)} …`)
      const model = await load(path, { signal: work.signal })
      const config = await withInputs(asked, model, path)
      const inputNames = model.inputNames()
      const { options, dispose } = await finetuneOptions(config, { inputNames, onWarning: work.say })
      try {
        const lines = new EventLines(work)
        const history: EpochEvent[] = []
        for await (const event of train(model, {
          ...options,
          data: watchedData(options.data, work),
          signal: work.signal,
        })) {
          lines.tell({ ...event, phase: 'finetune' })
          if (event.kind === 'epoch') history.push(event)
        }
        await model.eval().save(out, keepingInputs(model, config))
        const { loss, validation } = history.at(-1) as EpochEvent
        return {
          text: `${metricsInWords({ loss, accuracy: validation?.accuracy })}\nTrained: ${out}`,
          data: { model: path, output: out, history },
        }
      } finally {
        model.dispose()
        dispose()
      }
    }),
  )
}

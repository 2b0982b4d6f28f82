import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Command } from 'commander'
import { EXPORT_OPTIONS, exportOptions } from '../../config/export.js'
import type { Config } from '../../config/option.js'
import { becomes } from '../../report/plan.js'
import { optimizeForInference } from '../../run/index.js'
import { load } from '../../torch/index.js'
import { configOf, newCommand, printed, type Result, run, type Work, withConfig } from '../command.js'
import { checkOutputs, nameWith, readBeside } from '../files.js'
import { keepingInputs, withInputs } from '../kept-inputs.js'
import { pacedPart } from '../pace.js'

interface Given {
  output?: string
  printConfig?: boolean
  config?: string
}

/** `espalier export small.pt --optimize -i 1,3,224,224`. */
export function exportCommand(): Command {
  const command = withConfig(
    newCommand('export', 'a second file for running alone: batch norms folded, frozen, laid out as is faster here', [
      'espalier export small.pt --optimize -i 1,3,224,224 -o small-fast.pt',
    ]).argument('<model>', 'a TorchScript file; it stays as it is, and the one to train or prune'),
    EXPORT_OPTIONS,
  )
    .option('-o, --output <file>', 'where it goes; small-fast.pt beside small.pt by default')
    .option('--optimize', 'what this command does, said or not')
  return command.action((path: string, given: Given) =>
    run(command, async (work) => {
      const config = await configOf(command, EXPORT_OPTIONS)
      return given.printConfig ? printed(config) : exported(path, config, given, work)
    }),
  )
}

async function exported(path: string, given: Config, { output, config: file }: Given, work: Work): Promise<Result> {
  const { say, signal } = work
  const out = output ?? nameWith(path, '-fast')
  await checkOutputs([path, ...readBeside(given, file)], { whole: [out] })
  say(`Loading ${basename(path)} …`)
  using model = await load(path, { signal })
  const config = await withInputs(given, model, path)
  const options = exportOptions(config)
  say(`Optimizing and timing ${basename(path)} …`)
  const { optimized, channelsLast, latency, difference } = await optimizeForInference(model, {
    ...{ ...options, onProgress: pacedPart(work, 'timing'), signal },
  })
  using _ = optimized
  await optimized.save(out, { signal, ...keepingInputs(model, config) })
  const bytes = (await Promise.all([path, out].map((file) => stat(file)))).map(({ size }) => size)
  const [before, after] = latency.map(({ median }) => median) as [number, number]
  const text = [
    `milliseconds  ${before.toFixed(2)} -> ${after.toFixed(2)} (${(before / after).toFixed(2)} times as fast)`,
    `bytes         ${becomes([bytes[0]!, bytes[1]!])}`,
    `layout        ${channelsLast ? 'channels last' : 'as it was'}`,
    `difference    ${difference.toExponential(1)} of the largest output`,
    `Written to ${out}, for running alone: load('${basename(out)}', { frozen: true }), torch.jit.load in Python.`,
  ]
  return { text: text.join('\n'), data: { model: path, output: out, latency, bytes, channelsLast, difference } }
}

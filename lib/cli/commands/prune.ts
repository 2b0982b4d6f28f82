import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Command } from 'commander'
import { given } from '../../base/given.js'
import type { Config } from '../../config/option.js'
import { plainConfig } from '../../config/plain.js'
import { PRUNE_OPTIONS, pruneOptions } from '../../config/prune.js'
import { saveManifest } from '../../manifest/index.js'
import { becomes, planRows, planTable } from '../../report/plan.js'
import { Prunable, type PruneResult } from '../../run/index.js'
import { planFor } from '../../run/prunable.js'
import { load } from '../../torch/index.js'
import { configOf, newCommand, printed, type Result, run, type Work, withConfig } from '../command.js'
import { checkOutputs, latencyInWords, readBeside, sizes, smallName } from '../files.js'
import { keepingInputs, withInputs } from '../kept-inputs.js'
import { pacedPart } from '../pace.js'

interface Files {
  output?: string
  manifest?: string
  dryRun?: boolean
  config?: string
  printConfig?: boolean
}

/** `espalier prune model.pt -i 1,3,224,224 --macs 0.5 -o small.pt`. */
export function pruneCommand(): Command {
  const command = withConfig(
    newCommand('prune', 'make a model smaller in one shot: no data, no training, and so less accurate', [
      'espalier prune model.pt -i 1,3,224,224 --macs 0.5 -o small.pt',
      'espalier prune bert.pt -i int64:1,128 -i int64:1,128 --params 0.6 --dry-run',
    ]).argument('<model>', 'a TorchScript file; it stays as it is'),
    PRUNE_OPTIONS,
  )
    .option('-o, --output <file>', 'where the small model goes; model-small.pt beside model.pt by default')
    .option('--manifest <file>', 'write which indices of which parameter are kept, as JSON')
    .option('--dry-run', 'print the plan, and cut nothing')
  return command.action((path: string, files: Files) =>
    run(command, async (work) => {
      const config = await configOf(command, PRUNE_OPTIONS)
      if (files.printConfig) return printed(config)
      return pruned(path, config, files, work)
    }),
  )
}

async function pruned(path: string, asked: Config, files: Files, work: Work): Promise<Result> {
  const { say, signal } = work
  const start = performance.now()
  say(`Loading ${basename(path)} …`)
  const out = files.output ?? smallName(path)
  await checkOutputs([path, ...readBeside(asked, files.config)], { whole: [out, files.manifest] })
  using model = await load(path, { signal })
  const config = await withInputs(asked, model, path)
  const options = pruneOptions(config)
  const { importance, inputs, methods, norms, dropMethods, dropUnreached, data: _, ...planOptions } = options
  const prunable = await Prunable.of(model, given({ inputs, methods, norms, signal }))
  try {
    const { analysis } = prunable
    say(`${analysis.groups.length} groups of channels. Scoring …`)
    const scores = await prunable.score(importance, { signal })
    if (planOptions.budget?.latency !== undefined) say('Timing operators and cuts …')
    const { plan, latency } = await planFor(prunable, scores, planOptions, { signal })
    const rows = planRows(analysis, plan)
    const { params, macs, bytes: weights, memory, approximate } = plan
    const data = { model: path, params, macs, weights, memory, latency, groups: rows, approximate }
    const lines = [planTable(analysis, plan), '', ...sizes(plan, planOptions.budget)]
    if (latency !== undefined) lines.push(latencyInWords(latency))
    if (files.dryRun) return { text: [...lines, 'Nothing was cut: a dry run.'].join('\n'), data }
    say('Cutting and verifying …')
    const result = await prunable.cut(plan, {
      ...{ signal, dropMethods, dropUnreached, onProgress: pacedPart(work, 'cut and proof') },
    })
    await saved(result, out, config, files.manifest)
    const bytes = [(await stat(path)).size, (await stat(out)).size] as const
    const seconds = Math.round(performance.now() - start) / 1000
    const text = [...lines, `bytes       ${becomes(bytes)}`, `Cut and verified: ${out}`].join('\n')
    return {
      text,
      data: { ...data, bytes, output: out, manifest: files.manifest, seconds, config: plainConfig(config) },
    }
  } finally {
    prunable.dispose()
  }
}

async function saved(result: PruneResult, out: string, config: Config, manifest: string | undefined): Promise<void> {
  try {
    await result.small.save(out, keepingInputs(result.small, config))
    if (manifest !== undefined) await saveManifest(manifest, result)
  } finally {
    result.small.dispose()
  }
}

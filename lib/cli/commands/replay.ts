import { basename } from 'node:path'
import type { Command } from 'commander'
import { INSPECT_OPTIONS, PRUNE_OPTIONS, pruneOptions } from '../../config/prune.js'
import { loadManifest } from '../../manifest/index.js'
import { planRows, planTable } from '../../report/plan.js'
import { replay } from '../../run/index.js'
import { load } from '../../torch/index.js'
import { configOf, newCommand, printed, run, withConfig } from '../command.js'
import { checkOutputs, readBeside, sizes, smallName } from '../files.js'
import { keepingInputs, withInputs } from '../kept-inputs.js'
import { pacedPart } from '../pace.js'

const OPTIONS = PRUNE_OPTIONS.filter(
  (option) => option.path.startsWith('drop') || (INSPECT_OPTIONS.includes(option) && option.path !== 'norms'),
)

interface Given {
  output?: string
  printConfig?: boolean
  config?: string
}

/** `espalier replay other.pt small.json -i 1,3,224,224`. */
export function replayCommand(): Command {
  const command = withConfig(
    newCommand('replay', 'cut another checkpoint of a network as a manifest says', [
      'espalier replay other.pt small.json -i 1,3,224,224 -o other-small.pt',
    ])
      .argument('<model>', 'a TorchScript file; it stays as it is')
      .argument('<manifest>', 'what --manifest wrote'),
    OPTIONS,
  ).option('-o, --output <file>', 'where the small model goes; model-small.pt beside model.pt by default')
  return command.action((path: string, manifest: string, { output, printConfig, config: file }: Given) =>
    run(command, async (work) => {
      const { say, signal } = work
      const given = await configOf(command, OPTIONS)
      if (printConfig) return printed(given)
      const out = output ?? smallName(path)
      await checkOutputs([path, manifest, ...readBeside(given, file)], { whole: [out] })
      const wanted = await loadManifest(manifest)
      say(`Loading ${basename(path)} …`)
      const model = await load(path, { signal })
      try {
        const config = await withInputs(given, model, path)
        const { inputs, methods, dropMethods, dropUnreached } = pruneOptions(config)
        say('Cutting and verifying …')
        const { small, analysis, plan } = await replay(model, wanted, {
          inputs,
          methods,
          dropMethods,
          dropUnreached,
          onProgress: pacedPart(work, 'cut and proof'),
          signal,
        })
        await small.save(out, keepingInputs(small, config))
        small.dispose()
        const { params, macs } = plan
        const text = [planTable(analysis, plan), '', ...sizes(plan), `Cut and verified: ${out}`].join('\n')
        return { text, data: { model: path, manifest, output: out, params, macs, groups: planRows(analysis, plan) } }
      } finally {
        model.dispose()
      }
    }),
  )
}

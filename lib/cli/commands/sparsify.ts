import { existsSync } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Command } from 'commander'
import { EspalierError } from '../../base/errors.js'
import { shown } from '../../base/schema/index.js'
import { type Config, put, valueAt } from '../../config/option.js'
import { plainConfig } from '../../config/plain.js'
import { SPARSIFY_OPTIONS, sparsifyOptions } from '../../config/sparsify.js'
import { saveManifest } from '../../manifest/index.js'
import type { BudgetOption } from '../../plan/budgets/index.js'
import { measureLatency } from '../../report/index.js'
import { evaluationInWords } from '../../report/metrics.js'
import { becomes, planRows, planTable } from '../../report/plan.js'
import { jsonLines, type RunEvent, type SparsifyResult, sparsify } from '../../run/index.js'
import { load } from '../../torch/index.js'
import { alone } from '../alone.js'
import { configOf, newCommand, printed, type Result, run, type Work, withConfig } from '../command.js'
import { EventLines } from '../event-lines.js'
import { checkOutputs, latencyInWords, pageName, readBeside, sizes, smallName } from '../files.js'
import { keepingInputs, withInputs } from '../kept-inputs.js'
import { pacedPart } from '../pace.js'
import { RunPage } from '../run-page.js'
import { watchedData } from '../watched.js'

interface Files {
  output?: string
  manifest?: string
  log?: string
  page?: string | false
  printConfig?: boolean
  config?: string
}

/** How both models are timed for the page. */
const TIMING = { rounds: 20, warmUp: 3 }

/** `espalier sparsify model.pt -i 1,3,224,224 --data photos/ --macs 0.5 -o small.pt`. */
export function sparsifyCommand(): Command {
  const command = withConfig(
    newCommand('sparsify', 'make a model smaller while it is trained, so that nothing is lost at the cut', [
      'espalier sparsify model.pt -i 1,3,224,224 --data photos/ --validation 0.1 --macs 0.5 -o small.pt',
      'espalier sparsify model.pt -i 1,3,224,224 --data photos/ --no-labels --params 0.4',
      'espalier sparsify model.pt -i 1,12 --data table.csv --labels kind --validation 0.2 --macs 0.5',
      'espalier sparsify model.pt --config espalier.config.json --resume',
    ]).argument('<model>', 'a TorchScript file; it stays as it is'),
    SPARSIFY_OPTIONS,
  )
    .option('-o, --output <file>', 'where the small model goes; model-small.pt beside model.pt by default')
    .option('--manifest <file>', 'write which indices of which parameter are kept, as JSON')
    .option(
      '--page <file>',
      'a page that shows the run as it goes on, and what became of it; small.html beside small.pt by default',
    )
    .option('--no-page', 'write none')
    .option('--log <file>', 'write what happens, as JSON lines')
  return command.action((path: string, files: Files) =>
    run(command, async (work) => {
      const config = await configOf(command, SPARSIFY_OPTIONS)
      return files.printConfig ? printed(config) : sparsified(path, config, files, work)
    }),
  )
}

async function sparsified(path: string, asked: Config, files: Files, work: Work): Promise<Result> {
  const out = files.output ?? smallName(path)
  const checkpoint = checkpointOf(asked) ?? `${out}.checkpoint`
  const pageFile = files.page === false ? undefined : (files.page ?? pageName(out))
  await checkOutputs([path, ...readBeside(asked, files.config)], {
    ...{ whole: [out, files.manifest, checkpoint, pageFile], lines: [files.log] },
  })
  return await alone(checkpoint, work, () => sparsifiedBy(path, asked, files, { out, checkpoint, pageFile }, work))
}

/** @throws ERR_INVALID_ARGUMENT */
function checkpointOf(config: Config): string | undefined {
  const path = valueAt(config, 'checkpoint.path')
  if (path === undefined || typeof path === 'string') return path
  throw new EspalierError('ERR_INVALID_ARGUMENT', `'checkpoint.path' must be a path, not ${shown(path)}`)
}

async function sparsifiedBy(
  path: string,
  asked: Config,
  files: Files,
  { out, checkpoint, pageFile }: { out: string; checkpoint: string; pageFile: string | undefined },
  work: Work,
): Promise<Result> {
  const { say, signal } = work
  const start = performance.now()
  say(`Loading ${basename(path)} …`)
  const model = await load(path, { signal })
  const config = await withInputs(asked, model, path)
  put(config, 'checkpoint.path', checkpoint)
  const lines = new EventLines(work)
  const seed = (config.seed as number | undefined) ?? 0
  const made = await sparsifyOptions(config, { seed, inputNames: model.inputNames(), onWarning: say })
  const page =
    pageFile === undefined ? undefined : new RunPage(pageFile, { model: path, small: out, config: plainConfig(config) })
  const log =
    files.log === undefined
      ? undefined
      : jsonLines(files.log, { append: valueAt(config, 'checkpoint.resume') === true })
  const onEvent = (event: RunEvent) => {
    lines.tell(event)
    log?.(event)
    page?.tell(event)
  }
  try {
    const data = watchedData(made.options.data, work)
    const onProgress = cuts(work)
    const result = await sparsify(model, { ...made.options, data, signal, onEvent, onProgress, onWarning: say })
    await result.small.save(out, keepingInputs(result.small, config))
    if (files.manifest !== undefined) await saveManifest(files.manifest, result)
    await rm(checkpoint, { force: true })
    const bytes = [(await stat(path)).size, (await stat(out)).size] as const
    if (page !== undefined) {
      say('Timing both …')
      const [before, after] = await measureLatency([model.eval(), result.small], made.options.inputs, {
        ...{ ...TIMING, onProgress: pacedPart(work, 'timing'), signal },
      })
      await page.end(result, bytes, [before?.median ?? 0, after?.median ?? 0])
    }
    result.small.dispose()
    const seconds = Math.round(performance.now() - start) / 1000
    return told(result, {
      model: path,
      output: out,
      page: page?.path,
      manifest: files.manifest,
      bytes,
      seconds,
      config: plainConfig(config),
    })
  } catch (error) {
    const further = existsSync(checkpoint) ? `The run goes on from ${checkpoint} with --resume.` : ''
    if (further !== '') say(further)
    // That of the run is what is told; a page that can't be written, too, is no news.
    await page?.stop(`${(error as Error).message}. ${further}`).catch(() => {})
    throw error
  } finally {
    made.dispose()
    model.dispose()
  }
}

/** How far a cut is; there may be several, of which each begins at 0. */
function cuts(work: Work): (part: number) => void {
  let last = 1
  let show: ReturnType<typeof pacedPart>
  return (part) => {
    if (part <= last) show = pacedPart(work, 'cut and proof')
    last = part
    show(part)
  }
}

function told(
  { analysis, plan, evaluations, settings, held, withheld, history, latency }: SparsifyResult,
  made: { output: string; page: string | undefined; bytes: readonly [number, number]; config: Config } & Record<
    string,
    unknown
  >,
): Result {
  const { params, macs, bytes: weights, memory } = plan
  const measured = Object.entries(evaluations).map(
    ([stage, evaluation]) => `${stage.padEnd(12)}${evaluationInWords(evaluation)}`,
  )
  const end =
    withheld === undefined
      ? `Cut, verified and fine-tuned: ${made.output}`
      : `The cut was withheld; as trained: ${made.output}`
  const shown = made.page === undefined ? [] : [`What became of it: ${made.page}`]
  const text = [
    planTable(analysis, plan),
    '',
    ...measured,
    ...sizes(plan, made.config.budget as BudgetOption | undefined),
    ...(latency === undefined ? [] : [latencyInWords(latency)]),
    `bytes       ${becomes(made.bytes)}`,
    end,
    ...shown,
  ]
  const groups = planRows(analysis, plan)
  return {
    text: text.join('\n'),
    data: { ...made, params, macs, weights, memory, latency, groups, evaluations, settings, held, withheld, history },
  }
}

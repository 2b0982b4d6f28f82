import { basename, extname } from 'node:path'
import type { Command } from 'commander'
import { EspalierError } from '../../base/errors.js'
import { writeFileAtomic } from '../../base/files.js'
import type { Config } from '../../config/option.js'
import { INSPECT_OPTIONS, pruneOptions } from '../../config/prune.js'
import { type DrawOptions, draw } from '../../draw/index.js'
import { explain, type Question } from '../../explain/index.js'
import type { Analysis } from '../../groups/index.js'
import { coverageLines, frozenTable, groupsTable } from '../../report/index.js'
import { Prunable } from '../../run/index.js'
import { load } from '../../torch/index.js'
import { configOf, newCommand, printed, type Result, run, type Work, withConfig } from '../command.js'
import { checkOutputs, readBeside } from '../files.js'
import { withInputs } from '../kept-inputs.js'

interface Questions {
  explain?: string[]
  draw?: string
  frozen?: boolean
  printConfig?: boolean
  config?: string
}

/** `espalier inspect model.pt --input 1,3,224,224`. */
export function inspectCommand(): Command {
  const command = withConfig(
    newCommand('inspect', 'show which channels of a model hang together, what ties them and what freezes the others', [
      'espalier inspect model.pt -i 1,3,224,224',
      'espalier inspect model.pt -i 1,3,224,224 --explain layer2.0.conv1.weight --draw model.html',
    ]).argument('<model>', 'a TorchScript file'),
    INSPECT_OPTIONS,
  )
    .option(
      '-e, --explain <what>',
      'explain a parameter (conv1.weight or conv1.weight[0]), a scope or a group (3)',
      (what: string, before: string[] = []) => [...before, what],
    )
    .option('-d, --draw <file>', 'draw the model into a .svg, .html or .dot file')
    .option('-f, --frozen', 'list what is frozen, and why')
  return command.action((path: string, questions: Questions) =>
    run(command, async (work) => {
      const config = await configOf(command, INSPECT_OPTIONS)
      return questions.printConfig ? printed(config) : inspected(path, config, questions, work)
    }),
  )
}

async function inspected(path: string, config: Config, questions: Questions, { say, signal }: Work): Promise<Result> {
  const format = questions.draw === undefined ? undefined : formatOf(questions.draw)
  say(`Recording ${basename(path)} …`)
  await checkOutputs([path, ...readBeside(config, questions.config)], { whole: [questions.draw] })
  using model = await load(path, { signal })
  const { inputs, methods, norms } = pruneOptions(await withInputs(config, model, path))
  const prunable = await Prunable.of(model, { inputs, methods, norms, signal })
  try {
    const { analysis } = prunable
    const answers = questions.explain?.map((what) => answer(analysis, what))
    const tables = [
      groupsTable(analysis),
      ...(questions.frozen ? [frozenTable(analysis)] : []),
      coverageLines(analysis),
    ].join('\n\n')
    const lines = [answers?.join('\n') ?? tables]
    if (questions.draw !== undefined) {
      await writeFileAtomic(questions.draw, draw(analysis, { format, title: basename(path) }))
      lines.push(`drawn: ${questions.draw}`)
    }
    const { groups, frozen, coverage } = analysis
    const data = {
      model: path,
      size: prunable.count(),
      groups,
      frozen,
      coverage,
      explained: answers,
      drawn: questions.draw,
    }
    return { text: lines.join('\n'), data }
  } finally {
    prunable.dispose()
  }
}

function formatOf(file: string): DrawOptions['format'] {
  const format = extname(file).slice(1)
  if (format === 'svg' || format === 'html' || format === 'dot') return format
  throw new EspalierError('ERR_INVALID_ARGUMENT', `--draw: ${file} must end in .svg, .html or .dot`)
}

function answer(analysis: Analysis, what: string): string {
  return explain(analysis, questionOf(analysis, what))
    .map(({ text }) => text)
    .join('\n')
}

function questionOf({ record }: Analysis, what: string): Question {
  if (/^\d+$/.test(what)) return { group: Number(what) }
  const [, parameter = what, dim] = /^(.*?)(?:\[(\d+)\])?$/.exec(what) ?? []
  const isParameter = record.values.some((value) => value.kind === 'tensor' && value.names?.includes(parameter))
  if (!isParameter && dim === undefined) return { scope: what }
  return dim === undefined ? { parameter } : { parameter, dim: Number(dim) }
}

import { basename, extname } from 'node:path'
import { Command, Option } from 'commander'
import { EspalierError } from '../../base/errors.js'
import { writeFileAtomic } from '../../base/files.js'
import { analyse } from '../../cut/index.js'
import { type DrawOptions, draw } from '../../draw/index.js'
import { explain, type Question } from '../../explain/index.js'
import type { Analysis } from '../../groups/index.js'
import { coverageLines, frozenTable, groupsTable } from '../../report/index.js'
import { load } from '../../torch/index.js'
import { collected, exampleOf, inputOption } from '../example.js'

interface InspectOptions {
  input: string[]
  explain: string[]
  draw?: string
  frozen?: boolean
}

/** `espalier inspect model.pt --input 1,3,224,224`. */
export function inspectCommand(): Command {
  return new Command('inspect')
    .description('show which channels of a model hang together, what ties them and what freezes the others')
    .argument('<model>', 'a TorchScript file')
    .addOption(inputOption())
    .addOption(
      new Option(
        '-e, --explain <what>',
        'explain a parameter (conv1.weight or conv1.weight[0]), a scope or a group (3)',
      )
        .argParser(collected)
        .default([], 'nothing'),
    )
    .option('-d, --draw <file>', 'draw the model into a .svg, .html or .dot file')
    .option('-f, --frozen', 'list what is frozen, and why')
    .action(inspect)
}

async function inspect(path: string, options: InspectOptions): Promise<void> {
  const format = options.draw === undefined ? undefined : formatOf(options.draw)
  const inputs = options.input.map(exampleOf)
  const model = await load(path)
  const recording = await model.record(inputs)
  const analysis = analyse(recording.record)
  if (options.explain.length > 0) {
    for (const what of options.explain) console.log(answer(analysis, what))
  } else {
    console.log(groupsTable(analysis))
    if (options.frozen) console.log(`\n${frozenTable(analysis)}`)
    console.log(`\n${coverageLines(analysis)}`)
  }
  if (options.draw !== undefined) {
    await writeFileAtomic(options.draw, draw(analysis, { format, title: basename(path) }))
    console.log(`drawn: ${options.draw}`)
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

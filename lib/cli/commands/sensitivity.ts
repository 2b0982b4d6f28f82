import { createHash } from 'node:crypto'
import { appendFileSync, createReadStream, existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { EspalierError } from '../../base/errors.js'
import type { Config } from '../../config/option.js'
import { SENSITIVITY_OPTIONS, sensitivityOptions } from '../../config/sensitivity.js'
import { formatTable } from '../../report/index.js'
import { type Sensitivity, type SensitivityPoint, sensitivity } from '../../run/index.js'
import { load } from '../../torch/index.js'
import { configOf, newCommand, printed, type Result, run, type Work, withConfig } from '../command.js'
import { mustBeApart, nameWith } from '../files.js'
import { withKeptInputs } from '../kept-inputs.js'

interface Given {
  log?: string
  printConfig?: boolean
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

async function measured(path: string, asked: Config, { log }: Given, work: Work): Promise<Result> {
  const { say, status, signal } = work
  const file = log ?? nameWith(path, '-sensitivity').replace(/\.\w+$/, '.jsonl')
  await mustBeApart(path, file)
  using model = await load(path, { signal })
  const config = withKeptInputs(asked, model)
  const { options, dispose } = await sensitivityOptions(config, {
    inputNames: model.inputNames(),
    onWarning: say,
  })
  try {
    const known = knownOf(file, JSON.stringify({ model: await hashOf(path), config }))
    if (known.length > 0) say(`${known.length} measured before, in ${file}`)
    let done = known.length
    const onPoint = (point: SensitivityPoint, of: number): void => {
      appendFileSync(file, `${JSON.stringify(point)}\n`)
      status(`${++done} of ${of} measured`)
    }
    const found = await sensitivity(model, { ...options, known, onPoint, signal })
    const { before, points } = found
    return { text: tableOf(found), data: { model: path, log: file, before, points } }
  } finally {
    dispose()
  }
}

/** What the file has of the same model and options; else it is begun anew. A line that was broken off is dropped. */
function knownOf(file: string, title: string): SensitivityPoint[] {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
  if (lines[0] !== undefined && lines[0] !== '' && !lines[0].startsWith('{"model":')) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${file} holds something else, and would be replaced`, {
      hint: 'Name another file: --log file.jsonl',
    })
  }
  const whole = lines[0] === title ? lines.slice(1).filter((line) => line.endsWith('}')) : []
  writeFileSync(file, `${[title, ...whole].join('\n')}\n`)
  return whole.map((line) => JSON.parse(line) as SensitivityPoint)
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
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

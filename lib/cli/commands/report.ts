import { basename } from 'node:path'
import type { Command } from 'commander'
import { EspalierError } from '../../base/errors.js'
import { readText, writeFileAtomic } from '../../base/files.js'
import type { PageRecord } from '../../page/input.js'
import { pageOf } from '../../page/page.js'
import { recordOf } from '../../page/record.js'
import { newCommand, run } from '../command.js'
import { checkOutputs, pageName } from '../files.js'

/** `espalier report run.jsonl`. */
export function reportCommand(): Command {
  const command = newCommand('report', 'make the page of a run from its trajectory', [
    'espalier report run.jsonl -o run.html',
  ])
    .argument('<trajectory>', 'JSON lines, as --log or jsonLines() wrote them')
    .option('-o, --output <file>', 'where the page goes; run.html beside run.jsonl by default')
  return command.action((path: string, { output = pageName(path) }: { output?: string }) =>
    run(command, async () => {
      await checkOutputs([path], { whole: [output] })
      const records = (await readText(path)).split('\n').flatMap((line, k) => recordsOf(line, `${path}, line ${k + 1}`))
      if (records.length === 0) throw new EspalierError('ERR_READ', `${path}: it has no record of a run`)
      await writeFileAtomic(output, pageOf({ title: basename(path), records }))
      return { text: `written: ${output}`, data: { trajectory: path, records: records.length, output } }
    }),
  )
}

/** @throws ERR_READ */
function recordsOf(line: string, where: string): PageRecord[] {
  if (line.trim() === '') return []
  const read = recordOf(line)
  if ('record' in read) return [read.record]
  throw new EspalierError('ERR_READ', `${where}: ${read.fault}`)
}

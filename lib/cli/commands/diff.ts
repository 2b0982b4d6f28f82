import type { Command } from 'commander'
import { diffManifests, loadManifest } from '../../manifest/index.js'
import { formatTable, integer } from '../../report/index.js'
import { newCommand, run } from '../command.js'

/** `espalier diff a.json b.json`. */
export function diffCommand(): Command {
  const command = newCommand('diff', 'show what two cuts keep differently', ['espalier diff half.json quarter.json'])
    .argument('<first>', 'a manifest')
    .argument('<second>', 'another')
  return command.action((first: string, second: string) =>
    run(command, async () => {
      const diff = diffManifests(await loadManifest(first), await loadManifest(second))
      const { sameNetwork, dimensions, params, macs } = diff
      const table = formatTable(
        [
          { title: 'parameter' },
          { title: 'dim', align: 'right' },
          { title: 'only in the first', align: 'right' },
          { title: 'only in the second', align: 'right' },
        ],
        dimensions.map(({ name, dim, onlyFirst, onlySecond }) => [name, dim, onlyFirst.length, onlySecond.length]),
      )
      const text = [
        sameNetwork ? 'Both cut the same network.' : 'They cut different networks.',
        dimensions.length === 0 ? 'Both keep the same.' : table,
        `parameters  ${params.map(integer).join(' and ')}`,
        `MACs        ${macs.map(integer).join(' and ')}`,
      ]
      return { text: text.join('\n'), data: { first, second, ...diff } }
    }),
  )
}

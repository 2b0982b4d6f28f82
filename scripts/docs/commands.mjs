import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

const INTRODUCTION = `# Commands

The help of each command, as \`npx espalier COMMAND --help\` prints it. [Command line](command-line.md) has what they share: inputs, config files,
output, exit status.

This page is made by \`npm run docs\` from \`lib/cli\`.
`

/**
 * What `--help` prints, in lines as long as where there is no terminal.
 *
 * @param {string} root
 * @param {string[]} args
 */
const help = (root, ...args) =>
  execFileSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args, '--help'], { encoding: 'utf8' })
    .replaceAll(/[ \t]+$/gm, '')
    .trim()

/** @param {string} root */
export const commandNames = (root) =>
  [...help(root).matchAll(/^ {2}([\w-]+) \[options\]/gm)].map(([, name = '']) => name)

/** @param {string} root */
export function commandsPage(root) {
  const sections = commandNames(root).map(
    (name) => `## ${name}\n\n\`\`\`sh\nnpx espalier ${name} --help\n\`\`\`\n\n\`\`\`text\n${help(root, name)}\n\`\`\``,
  )
  return `${[INTRODUCTION, ...sections].join('\n')}\n`.replaceAll('```\n## ', '```\n\n## ')
}

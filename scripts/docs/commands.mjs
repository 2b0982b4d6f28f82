import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

const INTRODUCTION = `# Commands

The help of each command, as \`npx espalier COMMAND --help\` prints it. [Command line](command-line.md) has what they share: inputs, config files,
output, exit status.

This page is made by \`npm run docs\` from \`lib/cli\`.
`

/** @param {string} root */
export function commandsPage(root) {
  // Lines are as long as where there is no terminal.
  const help = (/** @type {string[]} */ ...args) =>
    execFileSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args, '--help'], { encoding: 'utf8' })
      .replaceAll(/[ \t]+$/gm, '')
      .trim()
  const names = [...help().matchAll(/^ {2}([\w-]+) \[options\]/gm)].map(([, name = '']) => name)
  const sections = names.map(
    (name) => `## ${name}\n\n\`\`\`sh\nnpx espalier ${name} --help\n\`\`\`\n\n\`\`\`text\n${help(name)}\n\`\`\``,
  )
  return `${[INTRODUCTION, ...sections].join('\n')}\n`.replaceAll('```\n## ', '```\n\n## ')
}

#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { compareCommand } from './commands/compare.js'
import { diffCommand } from './commands/diff.js'
import { doctorCommand } from './commands/doctor.js'
import { evaluateCommand } from './commands/evaluate.js'
import { exportCommand } from './commands/export.js'
import { finetuneCommand } from './commands/finetune.js'
import { inspectCommand } from './commands/inspect.js'
import { installLibtorchCommand } from './commands/install-libtorch.js'
import { pruneCommand } from './commands/prune.js'
import { replayCommand } from './commands/replay.js'
import { reportCommand } from './commands/report.js'
import { sensitivityCommand } from './commands/sensitivity.js'
import { sparsifyCommand } from './commands/sparsify.js'
import { printError } from './error.js'
import { EXIT, statusOf } from './exit.js'
import { print } from './print.js'
import { VERSION } from './version.js'

const program = new Command('espalier')
  .description('Structured pruning of TorchScript models')
  .version(VERSION)
  .addCommand(installLibtorchCommand())
  .addCommand(doctorCommand())
  .addCommand(inspectCommand())
  .addCommand(pruneCommand())
  .addCommand(sparsifyCommand())
  .addCommand(finetuneCommand())
  .addCommand(evaluateCommand())
  .addCommand(compareCommand())
  .addCommand(sensitivityCommand())
  .addCommand(exportCommand())
  .addCommand(replayCommand())
  .addCommand(diffCommand())
  .addCommand(reportCommand())

const isJson = process.argv.includes('--json')
for (const command of [program, ...program.commands]) {
  command.exitOverride()
  if (isJson) command.configureOutput({ outputError: () => {} })
}

// Who has stopped reading, as `head` does, has what it wanted; the work goes on.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (code !== 'EPIPE') process.exitCode ||= EXIT.output.status
  })
}

try {
  await program.parseAsync()
} catch (error) {
  // Commander has said what is wrong itself, but as JSON; help and the version end with 0.
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage.status
    if (isJson && error.exitCode !== 0) await print(JSON.stringify({ error: usageOf(error) })).catch(printError)
  } else {
    printError(error)
    process.exitCode = statusOf(error)
  }
}

/** "error: unknown option '--mac'\n(Did you mean --macs?)" */
function usageOf({ message }: CommanderError): object {
  const [words = '', hint] = message.replace(/^error: /, '').split('\n')
  return { code: 'ERR_INVALID_ARGUMENT', message: words, hint: hint?.replace(/^\((.*)\)$/, '$1') }
}

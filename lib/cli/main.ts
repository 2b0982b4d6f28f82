#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { doctorCommand } from './commands/doctor.js'
import { inspectCommand } from './commands/inspect.js'
import { installLibtorchCommand } from './commands/install-libtorch.js'
import { pruneCommand } from './commands/prune.js'
import { printError } from './error.js'
import { EXIT, statusOf } from './exit.js'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

const program = new Command('espalier')
  .description('Structured pruning of TorchScript models')
  .version(manifest.version)
  .addCommand(installLibtorchCommand())
  .addCommand(doctorCommand())
  .addCommand(inspectCommand())
  .addCommand(pruneCommand())

for (const command of [program, ...program.commands]) command.exitOverride()

try {
  await program.parseAsync()
} catch (error) {
  // Commander has said what is wrong itself; help and the version end with 0.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage.status
  else {
    printError(error)
    process.exitCode = statusOf(error)
  }
}

#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { doctorCommand } from './commands/doctor.js'
import { inspectCommand } from './commands/inspect.js'
import { installLibtorchCommand } from './commands/install-libtorch.js'
import { printError } from './error.js'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

const program = new Command('espalier')
  .description('Structured pruning of TorchScript models')
  .version(manifest.version)
  .addCommand(installLibtorchCommand())
  .addCommand(doctorCommand())
  .addCommand(inspectCommand())

try {
  await program.parseAsync()
} catch (error) {
  printError(error)
  process.exitCode = 1
}

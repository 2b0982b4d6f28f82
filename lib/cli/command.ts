import { Command, Option } from 'commander'
import { type Config, type ConfigOption, flagOf, over, parsed, put } from '../config/option.js'
import { plainConfig } from '../config/plain.js'
import { readConfig } from '../config/read.js'
import { printError } from './error.js'
import { statusOf } from './exit.js'
import { print } from './print.js'
import { showProgress } from './progress.js'
import type { Panel } from './terminal/screen.js'

/** What a command does its work with. */
export interface Work {
  /** Says what is going on, on stderr; nothing with `--quiet` or `--json`. */
  say(line: string): void
  /** The same, for what changes all the time; a bar shows the part that is done, 0 to 1. */
  status(text: string, part?: number): void
  /** On a terminal a panel that is drawn over; `text` as a status elsewhere. */
  show(panel: Panel, text: () => string): void
  /** Whether there is such a terminal. */
  isLive: boolean
  /** Raised by Ctrl-C. */
  signal: AbortSignal
}

/** What came out: for people, and for programs. */
export interface Result {
  text: string
  data: object
}

interface General {
  json?: boolean
  quiet?: boolean
  config?: string
  printConfig?: boolean
}

/** A command; its help ends with an example. */
export function newCommand(name: string, description: string, examples: readonly string[]): Command {
  const title = examples.length > 1 ? 'Examples' : 'Example'
  return new Command(name)
    .description(description)
    .option('--json', 'print the result, or the error, as JSON on stdout, and nothing else')
    .option('--quiet', 'print the result alone')
    .addHelpText('after', `\n${title}:\n${examples.map((example) => `  ${example}`).join('\n')}`)
}

/** Gives a command its options, and `--config` and `--print-config`. What is given goes into a config, as data. */
export function withConfig(command: Command, options: readonly ConfigOption[]): Command {
  for (const option of options) {
    const { value, help, as, flag, off } = option
    const written = as === 'switch' ? flagOf(option) : `${flagOf(option)} ${value}`
    command.addOption(
      new Option(written, help).argParser((text: string, before: unknown) =>
        as === 'switch' ? true : parsed(option, text, before),
      ),
    )
    if (off !== undefined) command.addOption(new Option(`--no-${flagOf(option).slice(2)}`, off))
    if (as === 'switch' && flag === undefined)
      command.addOption(new Option(`--no-${flagOf(option).slice(2)}`).hideHelp())
  }
  return command
    .option('--config <file>', 'a .json, .js or .ts file with options; espalier.config.* of the folder by default')
    .option('--print-config', 'print all options as a config, and do nothing')
}

/** The config of a command line: that of the file, with what the flags say over it. */
export async function configOf(command: Command, options: readonly ConfigOption[]): Promise<Config> {
  const values = command.opts<Record<string, unknown>>()
  const flags: Config = {}
  for (const option of options) {
    const name = new Option(flagOf(option)).attributeName()
    if (values[name] !== undefined) put(flags, option.path, values[name])
  }
  const file = await readConfig((values as General).config, options)
  return over(file, flags, options)
}

/** A config as it is written to a file. */
export function printed(config: Config): Result {
  const data = plainConfig(config)
  return { text: JSON.stringify(data, null, 2), data }
}

/** Runs a command's work, prints what came out, and sets the exit status. */
export async function run(command: Command, work: (work: Work) => Promise<Result>): Promise<void> {
  const { json = false, quiet = false } = command.opts<General>()
  const progress = json || quiet ? undefined : showProgress()
  const controller = new AbortController()
  const abort = () => {
    // A second one ends the process at once.
    process.removeListener('SIGINT', abort)
    progress?.say('Stopping; once more to end at once …')
    controller.abort()
  }
  process.once('SIGINT', abort)
  process.once('SIGTERM', abort)
  try {
    const result = await work({
      say: (line) => progress?.say(line),
      status: (text, part) => progress?.status(text, part),
      show: (panel, text) => progress?.show(panel, text),
      isLive: progress?.isLive ?? false,
      signal: controller.signal,
    })
    progress?.end()
    await print(json ? JSON.stringify(result.data) : result.text)
  } catch (error) {
    progress?.end()
    if (json) await print(JSON.stringify({ error: errorAsData(error) })).catch(printError)
    else printError(error)
    process.exitCode = statusOf(error)
  } finally {
    process.removeListener('SIGINT', abort)
    process.removeListener('SIGTERM', abort)
  }
}

function errorAsData(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) }
  const { message, code, detail, hint } = error as Error & { code?: string; detail?: string; hint?: string }
  return { code, message, detail, hint }
}

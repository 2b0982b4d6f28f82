import { existsSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { EspalierError } from '../base/errors.js'
import { readText } from '../base/files.js'
import { shown } from '../base/schema/index.js'
import { type Config, type ConfigOption, mustBeKnown } from './option.js'

/** Where a config is looked for, in the folder that a command runs in. */
const USUAL = ['espalier.config.json', 'espalier.config.js', 'espalier.config.mjs', 'espalier.config.ts']

/** The file of a config: that which is named, or that of the folder; there may be none. */
export const configPath = (file: string | undefined): string | undefined =>
  file ?? USUAL.find((name) => existsSync(name))

/**
 * The config of a file; where none is named, that of the folder, which may be none.
 *
 * @throws EspalierError ERR_READ; ERR_INVALID_ARGUMENT for what is no config, and for keys that no option has, with the nearest
 */
export async function readConfig(file: string | undefined, options: readonly ConfigOption[]): Promise<Config> {
  const path = configPath(file)
  if (path === undefined) return {}
  const config: unknown = extname(path) === '.json' ? await jsonFrom(path, file === undefined) : await moduleFrom(path)
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${path} must hold an object with options, not ${shown(config)}`)
  }
  mustBeKnown(config as Config, options, path)
  return config as Config
}

/** @param mayBeEmpty for a file of the usual name: `--print-config > espalier.config.json` has made it, empty, before anything runs */
async function jsonFrom(path: string, mayBeEmpty: boolean): Promise<unknown> {
  const text = await readText(path)
  if (mayBeEmpty && text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${path} is no JSON: ${(error as Error).message}`)
  }
}

/** The default export, which may be a function that makes it. */
async function moduleFrom(path: string): Promise<unknown> {
  if (!existsSync(path)) throw new EspalierError('ERR_READ', `${path} could not be read: there is no such file`)
  let loaded: { default?: unknown }
  try {
    loaded = (await import(pathToFileURL(resolve(path)).href)) as { default?: unknown }
  } catch (error) {
    const { code, message } = error as Error & { code?: string }
    const hint =
      code === 'ERR_UNKNOWN_FILE_EXTENSION' ? 'TypeScript is read by Node 22.18 and later; write .mjs.' : undefined
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${path} could not be loaded: ${message}`, { cause: error, hint })
  }
  const { default: made } = loaded
  if (typeof made !== 'function') return made
  try {
    return await (made as () => unknown)()
  } catch (error) {
    // What says itself what is wrong, such as a file of data that is not there.
    if (error instanceof EspalierError) throw error
    const words = `${path}: the function that makes the config failed: ${error instanceof Error ? error.message : shown(error)}`
    const detail = error instanceof Error ? error.stack : undefined
    throw new EspalierError('ERR_INVALID_ARGUMENT', words, { cause: error, detail })
  }
}

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'

/** All that the resolver may see of the machine, so that each of its branches can be tested on a made-up one. */
export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly exists: (path: string) => boolean
  /** Names in a folder; empty when it can't be read. */
  readonly list: (path: string) => string[]
  /** The text of a small file; undefined when it can't be read. */
  readonly read: (path: string) => string | undefined
  /** Standard output of a command; undefined when it can't be run or fails. */
  readonly exec: (command: string, args: readonly string[]) => string | undefined
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** The machine that the process runs on. */
export function realHost(env: NodeJS.ProcessEnv = process.env): Host {
  return {
    env,
    home: homedir(),
    exists: existsSync,
    list: (path) => attempt(() => readdirSync(path)) ?? [],
    read: (path) => attempt(() => readFileSync(path, 'utf8')),
    exec: (command, args) => {
      const { status, stdout } = spawnSync(command, args, {
        encoding: 'utf8',
        timeout: 10_000,
        env,
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      return status === 0 ? stdout : undefined
    },
  }
}

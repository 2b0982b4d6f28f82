import { join } from 'node:path'
import { EspalierError } from '../../base/errors.js'
import type { Host } from '../host.js'
import { webUrlOf } from './net/url.js'

/** A simple index that someone has configured. */
export interface Mirror {
  readonly url: URL
  /** The option, variable or file that names it. */
  readonly by: string
}

/**
 * The index that is to be asked and no other: the option's, or that of the environment variable ESPALIER_INDEX.
 *
 * @throws EspalierError ERR_INSTALL for what is no address
 */
export function namedMirror(option: string | undefined, env: Host['env']): Mirror | undefined {
  const by = option === undefined ? 'ESPALIER_INDEX' : '--index'
  const text = option ?? env.ESPALIER_INDEX
  if (text === undefined || text === '') return undefined
  const url = webUrlOf(text)
  if (url !== undefined) return { url, by }
  throw new EspalierError('ERR_INSTALL', `${by}: '${text}' is no http(s) address`, {
    hint: 'Name the root of a simple index, such as https://mirror.example.org/pypi/simple',
  })
}

/** The index that pip would ask: that of PIP_INDEX_URL, or of the first configuration file that has one. */
export function pipMirror(host: Pick<Host, 'env' | 'home' | 'read'>): Mirror | undefined {
  const named = host.env.PIP_INDEX_URL
  if (named) return mirror(named, 'PIP_INDEX_URL')
  for (const file of pipFiles(host)) {
    const text = host.read(file)
    const index = text === undefined ? undefined : indexOf(text)
    if (index !== undefined) return mirror(index, file)
  }
  return undefined
}

/** Other kinds of address (`file:`) are pip's business. */
function mirror(text: string, by: string): Mirror | undefined {
  const url = webUrlOf(text)
  return url === undefined ? undefined : { url, by }
}

/** The files that pip reads, the one that wins first. */
function pipFiles({ env, home }: Pick<Host, 'env' | 'home'>): string[] {
  const named = env.PIP_CONFIG_FILE
  if (named === '/dev/null') return []
  const virtual = env.VIRTUAL_ENV
  return [
    ...(named ? [named] : []),
    ...(virtual ? [join(virtual, 'pip.conf')] : []),
    join(env.XDG_CONFIG_HOME || join(home, '.config'), 'pip/pip.conf'),
    join(home, '.pip/pip.conf'),
    '/etc/xdg/pip/pip.conf',
    '/etc/pip.conf',
  ]
}

/** `index-url` of the section `[global]`. */
function indexOf(text: string): string | undefined {
  let section = ''
  for (const line of text.split('\n')) {
    section = /^\[(.+)\]\s*$/.exec(line)?.[1] ?? section
    const value = /^index[-_]url\s*[=:]\s*(\S+)/.exec(line)?.[1]
    if (value !== undefined && section === 'global') return value
  }
  return undefined
}

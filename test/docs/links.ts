/** Links of Markdown pages: to files, to headings of pages, to the web. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { ROOT } from './docstrings.js'

/** A page without its code, in which nothing is a link or a heading. */
const prose = (text: string): string => text.replaceAll(/^ *```[\s\S]*?^ *```$/gm, '')

/** Where a page links to, or takes an image from: `[words](target)`, `src`, `srcset`, `href`. */
export function targetsOf(text: string): string[] {
  const plain = prose(text).replaceAll(/(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, (code) => code.replaceAll(/[\]()]/g, ' '))
  const inMarkdown = [...plain.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!)
  const inHtml = [...plain.matchAll(/\b(?:src|srcset|href)="([^"]+)"/g)].map(([, target]) => target!)
  return [...inMarkdown, ...inHtml]
}

/** What GitHub calls the headings of a page in addresses: lower case, spaces as hyphens, signs left out; numbered when they are there already. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading] of prose(text).matchAll(/^#{1,6} (.+)$/gm)) {
    const plain = heading!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').trim()
    const slug = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-')
    let anchor = slug
    for (let k = 1; anchors.has(anchor); k++) anchor = `${slug}-${k}`
    anchors.add(anchor)
  }
  return anchors
}

/**
 * The links of a page that lead nowhere, each with the reason.
 *
 * @param page its path from the root
 * @param read a file by its path from the root; undefined where there is none
 */
export function brokenLinks(
  page: string,
  text: string,
  read: (path: string) => string | undefined = readFile,
): string[] {
  return targetsOf(text).flatMap((target) => {
    const why = fault(page, text, target, read)
    return why === undefined ? [] : [`${page}: ${target}: ${why}`]
  })
}

/** Which of two pictures GitHub shows. */
const THEMES = new Set(['gh-light-mode-only', 'gh-dark-mode-only'])

function fault(
  page: string,
  text: string,
  target: string,
  read: (path: string) => string | undefined,
): string | undefined {
  if (/^[a-z]+:/i.test(target)) {
    if (!target.startsWith('https://')) return 'not an https address'
    return URL.canParse(target) ? undefined : 'no address'
  }
  const [path = '', anchor] = target.split('#') as [string, string?]
  const whole = path === '' ? page : normalize(join(dirname(page), path))
  if (whole.startsWith('..') || path.startsWith('/')) return 'outside of the repository'
  const found = path === '' ? text : read(whole.replace(/\/$/, ''))
  if (found === undefined) return 'there is no such file'
  if (anchor === undefined || THEMES.has(anchor)) return undefined
  return anchorsOf(found).has(anchor) ? undefined : 'there is no such heading'
}

function readFile(path: string): string | undefined {
  const whole = join(ROOT, path)
  if (!existsSync(whole)) return undefined
  return path.endsWith('.md') ? readFileSync(whole, 'utf8') : ''
}

import { NetworkFailure } from './net/failure.js'
import type { Network } from './net/network.js'
import { retryingText } from './net/text.js'
import { losesEncryption, shown, urlOf } from './net/url.js'
import type { Progress } from './progress.js'

/** A file of a project, as an index lists it. */
export interface IndexFile {
  readonly name: string
  readonly url: URL
  readonly sha256: string | undefined
}

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json'
const ACCEPT = `${JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1`

/**
 * The files that a simple index has of a project, in the JSON form (PEP 691) or as a page of links (PEP 503).
 *
 * @throws NetworkFailure; EspalierError ERR_ABORTED
 */
export async function readIndex(
  index: URL,
  project: string,
  network: Network,
  progress: Progress,
): Promise<IndexFile[]> {
  const page = new URL(index)
  page.pathname = `${page.pathname.replace(/\/$/, '')}/${project}/`
  const { text, type, url } = await retryingText(page, { accept: ACCEPT }, network, progress)
  const files = type.includes('json') || /^\s*\{/.test(text) ? filesOfJson(text, url) : filesOfHtml(text, url)
  return files
    .filter((file) => /^https?:$/.test(file.url.protocol) && !losesEncryption(url, file.url))
    .map((file) => withPassword(file, page))
}

function filesOfJson(text: string, base: URL): IndexFile[] {
  let files: unknown
  try {
    files = (JSON.parse(text) as { files?: unknown }).files
  } catch (cause) {
    throw new NetworkFailure(`${shown(base)} is damaged JSON`, { cause })
  }
  if (!Array.isArray(files)) throw new NetworkFailure(`${shown(base)} is no simple index: it lists no files`)
  return files.flatMap((file: { filename?: unknown; url?: unknown; hashes?: { sha256?: unknown } } | null) => {
    if (typeof file?.filename !== 'string' || typeof file.url !== 'string') return []
    const url = urlOf(file.url, base)
    if (url === undefined) return []
    const sum = file.hashes?.sha256
    const sha256 = typeof sum === 'string' ? sum.toLowerCase() : undefined
    return [{ name: file.filename, url, sha256 }]
  })
}

/** The name of a file is the end of its address; its sum is the fragment. */
function filesOfHtml(text: string, page: URL): IndexFile[] {
  const base = /<base\s[^>]*?href\s*=\s*["']([^"']*)["']/i.exec(text)?.[1]
  const root = (base === undefined ? undefined : urlOf(base, page)) ?? page
  return [...text.matchAll(/<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')/gi)].flatMap((match) => {
    const url = urlOf(unescapeHtml(match[1] ?? match[2] ?? ''), root)
    if (url === undefined) return []
    const sha256 = /^#(?:.*&)?sha256=([0-9a-f]{64})/i.exec(url.hash)?.[1]?.toLowerCase()
    url.hash = ''
    return [{ name: decodedName(url), url, sha256 }]
  })
}

function decodedName(url: URL): string {
  const name = url.pathname.split('/').at(-1) ?? ''
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

function unescapeHtml(text: string): string {
  const characters: Record<string, string> = { amp: '&', quot: '"', '#39': "'", '#43': '+', lt: '<', gt: '>' }
  return text.replace(/&(amp|quot|#39|#43|lt|gt);/g, (_, name: string) => characters[name]!)
}

/** Files on the index's own server are fetched as whom the index was read. */
function withPassword(file: IndexFile, index: URL): IndexFile {
  if (file.url.origin !== index.origin || file.url.username !== '') return file
  const url = new URL(file.url)
  url.username = index.username
  url.password = index.password
  return { ...file, url }
}

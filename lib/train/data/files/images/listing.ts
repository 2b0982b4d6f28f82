import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EspalierError } from '../../../../base/errors.js'
import { readText, reasonOf } from '../../../../base/files.js'
import { numbered } from '../classes.js'
import { delimiterOf, readRows } from '../rows.js'
import { unreadable } from '../unreadable.js'

/** A picture, by its path from the folder. */
export interface Listed {
  readonly file: string
  /** Number of its class; undefined where there are none. */
  readonly label: number | undefined
}

/** The pictures of a folder, and the names of their classes. */
export interface Listing {
  readonly files: readonly Listed[]
  readonly classes: readonly string[]
}

const isPicture = (name: string): boolean => /\.(jpe?g|png|webp)$/i.test(name)

/** By code units, whatever the language of the system: as Python sorts. */
const sorted = (names: Iterable<string>): string[] => [...names].sort()

/** @throws EspalierError ERR_READ */
export async function listAll(folder: string): Promise<Listing> {
  return { files: (await walk(folder, '')).map((file) => ({ file, label: undefined })), classes: [] }
}

/**
 * A class for each sub-folder, also for one without pictures: the classes of two folders are then alike.
 *
 * @param known the classes, where the caller has them
 * @throws EspalierError ERR_READ; ERR_INVALID_ARGUMENT for a sub-folder that is no known class
 */
export async function listClasses(folder: string, known: readonly string[] | undefined): Promise<Listing> {
  const names: string[] = []
  for (const entry of await entriesOf(folder)) {
    const isFolder = entry.isSymbolicLink() ? await leadsToFolder(join(folder, entry.name)) : entry.isDirectory()
    if (isFolder) names.push(entry.name)
  }
  if (names.length === 0) {
    throw unreadable(
      folder,
      'it has no sub-folder for a class',
      'For pictures without classes: labels: false, or --no-labels.',
    )
  }
  const classes = known ?? sorted(names)
  const of = numberOf(classes)
  const files: Listed[] = []
  for (const name of sorted(names)) {
    for (const file of await walk(folder, name)) files.push({ file, label: of(name) })
  }
  return { files, classes }
}

/**
 * Pictures and their classes from a file: a table whose first two columns are a path from the folder and a label, or a JSON object from
 * paths to labels.
 *
 * @throws EspalierError ERR_READ; ERR_INVALID_ARGUMENT for a label that is no known class
 */
export async function listLabelled(path: string, known: readonly string[] | undefined): Promise<Listing> {
  const labels = /\.json$/i.test(path) ? await fromJson(path) : await fromTable(path)
  if (labels.size === 0) throw unreadable(path, 'it has no labels')
  for (const file of labels.keys()) {
    if (!isPicture(file)) throw unreadable(path, `'${file}' is no name of a JPEG, PNG or WebP file`)
  }
  const { classes, of } = known
    ? { classes: known, of: numberOf(known) }
    : numbered([...new Set(labels.values())], path, 'Labels are names or numbers of classes.')
  return { files: Array.from(labels, ([file, label]) => ({ file, label: of(label) })), classes }
}

function numberOf(classes: readonly string[]): (name: string) => number {
  const numbers = new Map(classes.map((name, i) => [name, i]))
  const twice = classes.find((name, i) => numbers.get(name) !== i)
  if (twice !== undefined) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `imageFolder: '${twice}' is twice in 'classes'`)
  }
  return (name) => {
    const number = numbers.get(name)
    if (number !== undefined) return number
    throw new EspalierError('ERR_INVALID_ARGUMENT', `imageFolder: '${name}' is none of 'classes'`)
  }
}

async function fromTable(path: string): Promise<Map<string, string>> {
  const labels = new Map<string, string>()
  await readRows(path, delimiterOf(path), ([file = '', label = ''], number) => {
    // The first row may have names.
    if (number === 1 && !isPicture(file.trim())) return
    add(labels, file.trim(), label.trim(), path)
  })
  return labels
}

async function fromJson(path: string): Promise<Map<string, string>> {
  const text = await readText(path)
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (cause) {
    throw unreadable(path, 'it is no JSON', undefined, cause)
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw unreadable(path, 'it is no object from files to labels')
  }
  const labels = new Map<string, string>()
  for (const [file, label] of Object.entries(content)) {
    const isLabel = typeof label === 'string' || Number.isSafeInteger(label)
    add(labels, file, isLabel ? String(label) : '', path)
  }
  return labels
}

function add(labels: Map<string, string>, file: string, label: string, path: string): void {
  if (label === '') throw unreadable(path, `'${file}' has no label`)
  if (labels.has(file)) throw unreadable(path, `it has '${file}' twice`)
  labels.set(file, label)
}

/** Pictures in a folder and the folders in it; linked folders could lead in circles. Hidden files and folders are left out. */
async function walk(root: string, at: string): Promise<string[]> {
  const files: string[] = []
  for (const entry of await entriesOf(join(root, at))) {
    const path = join(at, entry.name)
    if (entry.isDirectory()) files.push(...(await walk(root, path)))
    else if (isPicture(entry.name)) files.push(path)
  }
  return sorted(files)
}

async function entriesOf(folder: string) {
  try {
    return (await readdir(folder, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.'))
  } catch (cause) {
    throw unreadable(folder, reasonOf(cause), undefined, cause)
  }
}

async function leadsToFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  )
}

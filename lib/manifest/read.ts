import { EspalierError } from '../base/errors.js'
import { readText } from '../base/files.js'
import { fromJson } from '../base/json.js'
import {
  array,
  count,
  dictionary,
  faultOf,
  list,
  maybe,
  object,
  path as pathSchema,
  shown,
  signature,
  text,
  thing,
} from '../base/schema/index.js'
import { VERIFICATION } from '../cut/verify/verify.js'
import { ANALYSE_ENTRIES } from '../groups/analyse.js'
import { INTERFACE_REPORT } from '../torch/interface.js'
import type { Manifest } from './manifest.js'

/**
 * Reads a manifest and checks it.
 *
 * @throws EspalierError ERR_READ with the system's reason; ERR_INVALID_ARGUMENT when it is no manifest, or of a newer
 *   schema, naming what is wrong
 * @example
 * ```ts
 * import { load, loadManifest, prune, saveManifest, Tensor } from 'espalier'
 *
 * const result = await prune(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])], ratio: 0.5 })
 * await saveManifest('model-small.json', result)
 * const { params, macs } = await loadManifest('model-small.json')
 * console.log(params, macs) // [ 145, 75 ] [ 6932, 3466 ]
 * ```
 */
export async function loadManifest(path: string): Promise<Manifest> {
  LOAD_MANIFEST.check(path)
  const text = await readText(path)
  let content: unknown
  try {
    content = fromJson(text)
  } catch (error) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${path} is no manifest: it is not JSON`, { cause: error })
  }
  return checkManifest(content, path)
}

const SHAPE = list(count(0), 'a list of sizes')
const COUNTS = thing<readonly [number, number]>('two counts, before and after', (value) => {
  return Array.isArray(value) && value.length === 2 && value.every((each) => Number.isSafeInteger(each) && each >= 0)
})

/** @internal */
export const MANIFEST = object<Manifest>({
  schema: thing('1', (value) => value === 1),
  fingerprint: text(),
  sizes: dictionary(SHAPE, 'an object of shapes'),
  keep: dictionary(dictionary(SHAPE, 'an object of dimensions'), 'an object'),
  directions: maybe(dictionary(SHAPE, 'an object')),
  removed: list(
    object<Manifest['removed'][number]>({
      ...{ group: count(0), kind: text(), size: count(0) },
      ...{ scopes: list(text(), 'a list of scopes'), units: list(count(0), 'a list of units') },
    }),
    'a list',
  ),
  params: COUNTS,
  inputs: maybe(list(SHAPE, 'a list of shapes')),
  macs: COUNTS,
  norms: ANALYSE_ENTRIES.norms,
  approximate: array('a list'),
  verification: VERIFICATION,
  interface: maybe(INTERFACE_REPORT),
})

/** @internal */
export const LOAD_MANIFEST = signature('loadManifest', ['path', pathSchema])
/** @internal */
export const CHECK_MANIFEST = signature(
  'checkManifest',
  ['content', thing<unknown>('a manifest', () => true)],
  ['what', text()],
)

/**
 * Returns its argument when that is a manifest of a schema that is known.
 *
 * @param what it is called in messages; `the manifest` by default
 * @throws EspalierError ERR_INVALID_ARGUMENT, naming what is wrong
 * @example
 * ```ts
 * import { load, makeManifest, prune, Tensor } from 'espalier'
 * import { checkManifest } from 'espalier/analysis'
 *
 * const made = makeManifest(await prune(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] }))
 * console.log(checkManifest(JSON.parse(JSON.stringify(made)), 'my manifest').schema) // 1
 * ```
 */
export function checkManifest(content: unknown, what = 'the manifest'): Manifest {
  CHECK_MANIFEST.check(content, what)
  const wrong = problemOf(content)
  if (wrong !== undefined) throw new EspalierError('ERR_INVALID_ARGUMENT', `${what} is no usable manifest: ${wrong}`)
  return content as Manifest
}

function problemOf(content: unknown): string | undefined {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) return 'it is no object'
  const { schema } = content as Partial<Manifest>
  if (schema !== 1) return `its schema is ${shown(schema)}, known is 1`
  const fault = faultOf(MANIFEST, content, '', 'manifest')
  if (fault !== undefined) return fault.words
  const { keep, sizes, params, macs } = content as Manifest
  for (const [what, [before, after]] of Object.entries({ params, macs })) {
    if (after > before) return `'${what}' grow from ${before} to ${after}`
  }
  for (const [name, dims] of Object.entries(keep)) {
    const shape = sizes[name]
    if (shape === undefined) return `'sizes' has no shape for ${name}`
    for (const [dim, kept] of Object.entries(dims)) {
      const size = shape[Number(dim)]
      const rises = kept.every((index, k) => k === 0 || index > (kept[k - 1] as number))
      if (size === undefined) return `${name} has no dimension ${dim}`
      if (!rises || kept.length === 0 || (kept.at(-1) as number) >= size) {
        return `the indices kept of ${name}, dimension ${dim}, must rise within 0..${size - 1}`
      }
    }
  }
  return undefined
}

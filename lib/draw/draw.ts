import { maybe, object, oneOf, signature, text } from '../base/schema/index.js'
import { type Plan, removedUnits } from '../cut/index.js'
import type { Analysis } from '../groups/index.js'
import { ANALYSIS } from '../groups/schemas.js'
import { PLAN } from '../plan/schemas.js'
import { type Picture, pictureOf } from './boxes.js'
import { dotOf } from './dot.js'
import { htmlOf } from './html.js'
import { svgOf } from './svg.js'

/** Options of {@link draw}. */
export interface DrawOptions {
  /** `svg` (default): an image; `html`: a page where it folds and unfolds by modules, beside a list of the groups; `dot`: for Graphviz. */
  format?: 'svg' | 'html' | 'dot' | undefined
  /** Shows sizes before and after; by default there are those of the model alone. */
  plan?: Plan | undefined
  /** Default `model`. */
  title?: string | undefined
}

/** @internal */
export const DRAW = signature(
  'draw',
  ['analysis', ANALYSIS],
  [
    'options',
    object<DrawOptions>({ format: maybe(oneOf('svg', 'html', 'dot')), plan: maybe(PLAN), title: maybe(text()) }),
  ],
)

/**
 * Draws the operators of a model, coloured by the group whose channels they make; grey where those are frozen. Operators
 * that hand a value on within one group share a box.
 *
 * @returns the text of a file that needs nothing else
 * @throws EspalierError ERR_INVALID_ARGUMENT for another format
 * @example
 * ```ts
 * import { writeFile } from 'node:fs/promises'
 * import { draw, load, Prunable, Tensor } from 'espalier'
 *
 * const { analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * await writeFile('model.html', draw(analysis, { format: 'html', title: 'my model' }))
 * ```
 */
export function draw(analysis: Analysis, options: DrawOptions = {}): string {
  DRAW.check(analysis, options)
  const { format = 'svg', plan, title = 'model' } = options
  return WRITERS[format](analysis, plan, title)
}

type Writer = (analysis: Analysis, plan: Plan | undefined, title: string) => string

const picture = (analysis: Analysis, plan: Plan | undefined): Picture =>
  pictureOf(analysis, plan ? removedUnits(analysis, plan) : new Uint8Array(0))

const WRITERS: Readonly<Record<NonNullable<DrawOptions['format']>, Writer>> = {
  svg: (analysis, plan, title) => svgOf(picture(analysis, plan), title),
  html: htmlOf,
  dot: (analysis, plan, title) => dotOf(picture(analysis, plan), title),
}

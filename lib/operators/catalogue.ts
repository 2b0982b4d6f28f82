import { attentions } from './attention.js'
import { convolutions } from './convolution.js'
import { creations } from './create.js'
import { elementwises } from './elementwise.js'
import { embeddings } from './embedding.js'
import { metadata } from './metadata.js'
import { norms } from './norms.js'
import type { Family, Operator } from './operator.js'
import { orders } from './order.js'
import { parts } from './parts.js'
import { picks } from './picks.js'
import { pixels } from './pixels.js'
import { products } from './products.js'
import { quantizations } from './quantize.js'
import { draws } from './random.js'
import { recurrences } from './recurrent.js'
import { reductions } from './reduce.js'
import { scatters } from './scatter.js'
import { states } from './state.js'
import { views } from './views.js'
import { weightNorms } from './weight-norm.js'
import { spaces } from './windows.js'

/** All families, by what they are. */
export const FAMILIES: Readonly<Record<string, Family>> = {
  Convolutions: convolutions,
  'Sums of products': products,
  Attention: attentions,
  Embeddings: embeddings,
  Norms: norms,
  'Weight norm': weightNorms,
  'Recurrent layers': recurrences,
  'Element by element': elementwises,
  'Order of dimensions': orders,
  Views: views,
  Pixels: pixels,
  'Parts and joins': parts,
  Selections: picks,
  Reductions: reductions,
  'Pooling and interpolation': spaces,
  'New tensors': creations,
  'Random numbers': draws,
  'Writes by index': scatters,
  'Fake quantization': quantizations,
  State: states,
  'Shapes and types': metadata,
}

/** By name; see {@link Family}. */
export const OPERATORS: ReadonlyMap<string, Operator> = new Map(Object.values(FAMILIES).flat())

/** What is known of an operator; undefined for one that is not known. */
export function operatorOf(name: string, overload = ''): Operator | undefined {
  return OPERATORS.get(`${name}.${overload}`) ?? OPERATORS.get(name) ?? OPERATORS.get(name.replace(/_$/, ''))
}

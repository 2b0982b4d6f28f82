import { Random } from '../../lib/base/random.js'
import { CASTS } from './kinds/half.js'
import { SIZES } from './kinds/sizes.js'
import { STATES, STREAMS } from './kinds/state.js'
import { TABLES } from './kinds/tables.js'
import { KINDS, type Shape } from './kinds.js'
import { addStep, type Picking, type Program, picking, type Step } from './program.js'

/** What a family is about; `half` draws of all of them. */
const OWN = { tables: TABLES, sizes: SIZES, state: STATES, half: CASTS } as const
export type Family = keyof typeof OWN
export const FAMILIES = Object.keys(OWN) as Family[]

/** What takes any length and either float dtype. */
const AROUND =
  'relu gelu sigmoid inPlace scale add multiply cat glu swap slice roll flip linear matmul layerNorm einsum branch'
    .split(' ')
    .filter((name) => name in KINDS)

const isStateful = ({ kind }: Step) => kind in STATES

/** A network of sequences of any length, with one to three parts of a family. */
export function drawOf(family: Family, seed: number): Program {
  const random = new Random(seed)
  const pick = picking(random)
  const input: Shape = [pick([4, 5, 6, 8]), pick([4, 6])]
  const steps: Step[] = []
  const own = Object.keys(OWN[family])
  const add = (name: string) => addStep(name, input, steps, random)
  add('linear')
  if (pick([0, 1])) add(pick(AROUND))
  const length = pick([3, 4, 5, 7, 9])
  addAny(own, pick, add)
  while (steps.length < length) addAny(pick([own, AROUND, AROUND, AROUND, pick(others(family))]), pick, add)
  const dtype = family === 'half' ? pick(['float16', 'bfloat16', 'float32'] as const) : 'float32'
  return { seed, input, steps, dtype }
}

function others(family: Family): string[][] {
  if (family === 'half') return [TABLES, SIZES, STATES].map((of) => Object.keys(of))
  return [AROUND, AROUND, AROUND, ...Object.values(OWN).map((of) => Object.keys(of))]
}

function addAny(names: readonly string[], pick: Picking, add: (name: string) => boolean): void {
  for (let tries = 0; tries < 30; tries++) if (add(pick(names))) return
}

/** The example, then others of other batches and lengths; states tie the batch. */
export function inputsOf({ input, steps }: Program): number[][] {
  const [T, C] = input as [number, number]
  const batch = (n: number) => (steps.some(isStateful) ? STREAMS : n)
  return [
    [STREAMS, T, C],
    [batch(3), T, C],
    [STREAMS, T + 1, C],
    [batch(1), T - 1, C],
    [batch(3), T + 3, C],
    [STREAMS, T, C],
  ]
}

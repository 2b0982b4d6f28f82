import { volume } from '../../base/numbers.js'
import { flatArgs, type OpEntry, type OpRecord, type TensorValue, type ValueId } from '../../groups/index.js'
import { isFloating } from '../../record/record.js'

/** What a parameter or statistic does in the operators that it reaches. */
export type Role =
  /** An operand of a sum of products, each of which is over `fanIn` terms. */
  | { kind: 'weight'; fanIn: number }
  /** It multiplies. */
  | { kind: 'scale' }
  /** It is added, or taken away. */
  | { kind: 'shift' }
  | { kind: 'variance' }
  /** Its elements are values of their own: rows of an embedding, a class token. */
  | { kind: 'table' }

type Kind = Role['kind']
/** Of what is drawn alike whatever its shape. */
type Plain = Exclude<Kind, 'weight'>

/** A tensor that serves for several things is drawn for the one that comes first here. */
const ORDER: readonly Kind[] = ['weight', 'variance', 'scale', 'shift', 'table']

/** Where nothing better is known: a positive number goes through roots, logarithms and quotients. */
const OTHER: Role = { kind: 'scale' }

type Shape = readonly number[]
/** Undefined for what is added to the sum. */
type FanIn = (shape: Shape, use: Use) => number | undefined

const last: FanIn = (shape) => shape.at(-1) ?? 1
const beforeLast: FanIn = (shape) => (shape.length > 1 ? (shape.at(-2) as number) : (shape[0] ?? 1))
const addend: FanIn = () => undefined
/** Matrices and biases in one list. */
const recurrent: FanIn = (shape) => (shape.length > 1 ? shape.at(-1) : undefined)
const allButFirst: FanIn = (shape) => volume(shape.slice(1))
/** [inputs, outputs / groups, …kernel] */
const transposed: FanIn = (shape, { op, record }) =>
  ((shape[0] ?? 1) * volume(shape.slice(2))) / Math.max(1, numberOf(record, op, 'groups') ?? 1)
const convolution: FanIn = (shape, use) =>
  (numberOf(use.record, use.op, 'transposed') ? transposed : allButFirst)(shape, use)
/** Letters of the operand that the result does not have. */
const einsum: FanIn = (shape, { op, record, position }) => {
  const value = record.values[op.inputs[0] as ValueId]
  const equation = value?.kind === 'string' ? String(value.value).replaceAll(' ', '') : ''
  const [operands = '', output = ''] = equation.split('->')
  const letters = operands.split(',')[position] ?? ''
  return volume(shape.filter((_, d) => letters.length === shape.length && !output.includes(letters[d] as string)))
}

/** Sums of products: the arguments that are multiplied, and over how many terms each sum is. */
const PRODUCTS: Readonly<Record<string, Readonly<Record<string, FanIn>>>> = {
  ...all('conv1d conv2d conv3d', { weight: allButFirst }),
  ...all('_convolution convolution', { weight: convolution }),
  ...all('conv_transpose1d conv_transpose2d conv_transpose3d', { weight: transposed }),
  ...all('linear', { weight: last }),
  ...all('bilinear', { weight: allButFirst }),
  ...all('matmul', { self: last, other: beforeLast }),
  ...all('mm', { self: last, mat2: beforeLast }),
  ...all('bmm _grouped_mm', { self: last, mat2: beforeLast }),
  ...all('addmm', { self: addend, mat1: last, mat2: beforeLast }),
  ...all('baddbmm', { self: addend, batch1: last, batch2: beforeLast }),
  ...all('mv', { self: last, vec: last }),
  ...all('einsum', { tensors: einsum }),
  ...all('lstm gru rnn_tanh rnn_relu', { params: recurrent }),
  ...all('lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell', { w_ih: last, w_hh: last }),
}

/** Roles by the name of the argument; `` for any other. */
const ARGUMENTS: Readonly<Record<string, Readonly<Record<string, Plain>>>> = {
  ...all('mul multiply div true_divide prelu', { '': 'scale' }),
  ...all('add sub subtract rsub', { '': 'shift' }),
  ...all('embedding embedding_bag cat stack where index_put index_copy index_add scatter scatter_add', { '': 'table' }),
  ...all('_fake_quantize_learnable_per_tensor_affine _fake_quantize_learnable_per_channel_affine', {
    scale: 'scale',
    zero_point: 'shift',
  }),
  ...all('_weight_norm _weight_norm_interface', { g: 'scale' }),
}

/** Of whatever operator. */
const COMMON: Readonly<Record<string, Plain>> = {
  ...{ bias: 'shift', b_ih: 'shift', b_hh: 'shift' },
  ...{ running_mean: 'shift', running_var: 'variance' },
}

interface Use {
  op: OpEntry
  record: OpRecord
  id: ValueId
  shape: Shape
  argument: string
  /** Within a list. */
  position: number
}

/**
 * The role of every floating-point parameter and statistic that a model uses. A tensor that is first transformed together with
 * other parameters only (transposed, cut, normalised, scaled) has the role of what comes out.
 */
export function rolesOf(record: OpRecord): Map<ValueId, Role> {
  const roles = new Map<ValueId, Role>()
  // Which parameters a value is made of; none for what depends on an input.
  const sources = new Map<ValueId, readonly ValueId[]>()
  record.values.forEach((value, id) => {
    if (value.kind === 'tensor' && value.role && value.role !== 'input') sources.set(id, [id])
  })
  for (const op of record.ops) {
    const uses = usesOf(record, op)
    const made = uses.every(({ id }) => sources.has(id))
    const widest = Math.max(...uses.map(({ shape }) => volume(shape)))
    const passed = new Set<ValueId>()
    for (const use of uses) {
      const role = roleOf(use)
      const own = sources.get(use.id) ?? []
      // In `weight * g` of two parameters the smaller one scales; the larger one goes on.
      const goesOn = made && (!role || volume(use.shape) === widest)
      if (goesOn) for (const source of own) passed.add(source)
      if (goesOn && role?.kind !== 'weight') continue
      for (const source of own) if (isDrawn(record, source, use.argument)) prefer(roles, source, role ?? OTHER)
    }
    if (made) for (const id of op.outputs.flatMap(flatArgs)) sources.set(id, [...passed])
  }
  return roles
}

/** Buffers but statistics stay what they are. */
function isDrawn(record: OpRecord, id: ValueId, argument: string): boolean {
  const value = record.values[id] as TensorValue
  return isFloating(value.dtype) && (value.role === 'parameter' || argument.startsWith('running_'))
}

function prefer(roles: Map<ValueId, Role>, id: ValueId, role: Role): void {
  const known = roles.get(id)
  if (known?.kind === 'weight' && role.kind === 'weight') {
    roles.set(id, { kind: 'weight', fanIn: Math.max(known.fanIn, role.fanIn) })
  } else if (!known || ORDER.indexOf(role.kind) < ORDER.indexOf(known.kind)) {
    roles.set(id, role)
  }
}

function usesOf(record: OpRecord, op: OpEntry): Use[] {
  return op.inputs.flatMap((arg, k) =>
    flatArgs(arg).flatMap((id, position): Use[] => {
      const value = record.values[id]
      if (value?.kind !== 'tensor') return []
      return [{ op, record, id, shape: value.shape, argument: op.argNames[k] ?? '', position }]
    }),
  )
}

function roleOf(use: Use): Role | undefined {
  const name = use.op.name.replace(/^aten::/, '').replace(/_$/, '')
  const fanIn = PRODUCTS[name]?.[use.argument]
  if (fanIn) {
    const terms = fanIn(use.shape, use)
    return terms === undefined ? { kind: 'shift' } : { kind: 'weight', fanIn: Math.max(1, terms) }
  }
  const own = ARGUMENTS[name]
  const kind = COMMON[use.argument] ?? own?.[use.argument] ?? own?.['']
  return kind && { kind }
}

function all<T>(operators: string, entry: T): Record<string, T> {
  return Object.fromEntries(operators.split(' ').map((name) => [name, entry]))
}

function numberOf(record: OpRecord, op: OpEntry, argument: string): number | undefined {
  const id = op.inputs[op.argNames.indexOf(argument)]
  const value = typeof id === 'number' ? record.values[id] : undefined
  return value && value.kind !== 'tensor' && value.value !== null ? Number(value.value) : undefined
}

/** The part of Python's pickle (protocol 2) that LibTorch writes for inputs. Nothing is run: callables are known by name, or refused. */

/** A tensor without its values. */
export class PickledTensor {
  readonly dtype: string
  readonly shape: readonly number[]
  constructor(dtype: string, shape: readonly number[]) {
    this.dtype = dtype
    this.shape = shape
  }
}

/** Lists and tuples are arrays. */
export type Pickled = null | boolean | number | string | PickledTensor | Pickled[] | Map<string, Pickled>

const DTYPES: Readonly<Record<string, string>> = {
  'torch FloatStorage': 'float32',
  'torch DoubleStorage': 'float64',
  'torch HalfStorage': 'float16',
  'torch BFloat16Storage': 'bfloat16',
  'torch LongStorage': 'int64',
  'torch IntStorage': 'int32',
  'torch ShortStorage': 'int16',
  'torch CharStorage': 'int8',
  'torch ByteStorage': 'uint8',
  'torch BoolStorage': 'bool',
}

class Name {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
type Item = Pickled | Name
const MARK = new Name('(')

/** @throws Error for what is not understood */
export function unpickled(bytes: Buffer): Pickled {
  const stack: Item[] = []
  const memo = new Map<number, Item>()
  let at = 0
  const take = (count: number) => {
    at += count
    if (at > bytes.length) throw new Error('it ends too early')
    return bytes.subarray(at - count, at)
  }
  const pop = () => {
    if (stack.length === 0) throw new Error('nothing is left to take')
    return stack.pop() as Item
  }
  const sinceMark = () => stack.splice(stack.lastIndexOf(MARK)).slice(1) as Pickled[]
  const line = () => {
    const end = bytes.indexOf('\n', at)
    return end < 0
      ? ''
      : take(end + 1 - at)
          .toString('utf8')
          .slice(0, -1)
  }
  const operations: Readonly<Record<string, () => unknown>> = {
    '\x80': () => take(1),
    c: () => stack.push(new Name(`${line()} ${line()}`)),
    '(': () => stack.push(MARK),
    ']': () => stack.push([]),
    ')': () => stack.push([]),
    '}': () => stack.push(new Map()),
    N: () => stack.push(null),
    '\x88': () => stack.push(true),
    '\x89': () => stack.push(false),
    K: () => stack.push(take(1).readUInt8()),
    M: () => stack.push(take(2).readUInt16LE()),
    J: () => stack.push(take(4).readInt32LE()),
    '\x8a': () => stack.push(integer(take(take(1).readUInt8()))),
    G: () => stack.push(take(8).readDoubleBE()),
    X: () => stack.push(take(take(4).readUInt32LE()).toString('utf8')),
    t: () => stack.push(sinceMark()),
    '\x85': () => stack.push([pop() as Pickled]),
    '\x86': () => stack.push(stack.splice(-2) as Pickled[]),
    '\x87': () => stack.push(stack.splice(-3) as Pickled[]),
    a: () => append(stack, [pop() as Pickled]),
    e: () => append(stack, sinceMark()),
    s: () => put(stack, stack.splice(-2) as Pickled[]),
    u: () => put(stack, sinceMark()),
    q: () => memo.set(take(1).readUInt8(), stack.at(-1) as Item),
    r: () => memo.set(take(4).readUInt32LE(), stack.at(-1) as Item),
    h: () => stack.push(memo.get(take(1).readUInt8()) as Item),
    j: () => stack.push(memo.get(take(4).readUInt32LE()) as Item),
    // A storage is known by its kind alone.
    Q: () => stack.push((pop() as Item[])[1] as Item),
    R: () => stack.push(called(pop() as Item[], pop())),
  }
  for (;;) {
    const code = take(1).toString('latin1')
    if (code === '.') return pop() as Pickled
    const operation = operations[code]
    if (operation === undefined) throw new Error(`it has the operation ${code}`)
    operation()
  }
}

function called(args: Item[], callable: Item): Pickled {
  const name = callable instanceof Name ? callable.text : ''
  if (name === 'collections OrderedDict') return new Map()
  if (/^torch\.jit\._pickle (?:restore_type_tag|build_\w+list)$/.test(name)) return args[0] as Pickled
  const [storage, , shape] = args
  const dtype = storage instanceof Name ? DTYPES[storage.text] : undefined
  if (name !== 'torch._utils _rebuild_tensor_v2' || dtype === undefined) throw new Error(`it calls ${name}`)
  return new PickledTensor(dtype, shape as number[])
}

function append(stack: Item[], items: Pickled[]): void {
  const list = stack.at(-1)
  if (!Array.isArray(list)) throw new Error('it adds to what is no list')
  list.push(...items)
}

function put(stack: Item[], items: Pickled[]): void {
  const dict = stack.at(-1)
  if (!(dict instanceof Map)) throw new Error('it adds to what is no dict')
  for (let k = 0; k + 1 < items.length; k += 2) dict.set(String(items[k]), items[k + 1] as Pickled)
}

/** Two's complement, least byte first. */
function integer(bytes: Buffer): number {
  if (bytes.length > 6) throw new Error('it has an integer that is too large')
  return bytes.length === 0 ? 0 : bytes.readIntLE(0, bytes.length)
}

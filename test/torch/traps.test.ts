import { define, load, prune, type ScriptModule, Tensor } from 'espalier'
import { analyse } from 'espalier/analysis'
import { call, run } from 'espalier/torch'
import { beforeAll, describe, expect, test } from 'vitest'
import { runsWhenLoaded, seeded } from '../support/networks.js'
import { failure, numbers } from './support.js'

// LibTorch's interpreter ends the process in what is refused here, or never comes back.

const LEAST = -(2n ** 63n)
const parameters = () => seeded({ first: [6, 3], second: [2, 6] })

/** A network that computes `expression` of the whole numbers a and b, which its buffer holds. */
function network(expression: string, a: bigint, b: bigint): Promise<ScriptModule> {
  const source = `
def forward(self, x: Tensor) -> Tensor:
    a = int(self.numbers[0])
    b = int(self.numbers[1])
    n = ${expression}
    y = torch.linear(torch.relu(torch.linear(x, self.first)), self.second)
    return y + float(n)`
  const buffers = { numbers: Tensor.from(BigInt64Array.of(a, b), [2]) }
  return define(source, { parameters: parameters(), buffers }) as Promise<ScriptModule>
}

/** … of constants, which LibTorch computes itself while it reads the program. */
function constant(expression: string, a: bigint, b: bigint): Promise<ScriptModule> {
  const written = (n: bigint) => (n === LEAST ? '(-9223372036854775807 - 1)' : `${n}`)
  return network(expression.replaceAll(/\ba\b/g, written(a)).replaceAll(/\bb\b/g, written(b)), 1n, 1n)
}

const BY_ZERO = 'integer division or modulo by zero'
const TOO_LARGE = `integer division of ${LEAST} by -1: the result is too large`
const divisions: [string, string][] = [
  ['%', 'a % b'],
  ['//', 'a // b'],
  ['divmod', 'sum(divmod(a, b))'],
  ['a division that rounds to zero', 'torch.__round_to_zero_floordiv(a, b)'],
]
const badPairs: [bigint, bigint, string][] = [
  [1n, 0n, BY_ZERO],
  [0n, 0n, BY_ZERO],
  [LEAST, 0n, BY_ZERO],
  [LEAST, -1n, TOO_LARGE],
]

let x: Tensor
beforeAll(() => {
  x = Tensor.full([4, 3], 0.5)
})

/** Every call that runs a model fails, with these words. */
async function refusedEverywhere(model: ScriptModule, words: string) {
  const runs: [string, () => unknown][] = [
    ['forward', () => model.forward(x)],
    ['forwardSync', () => model.forwardSync(x)],
    ['record', () => model.record([x])],
    ['prune', () => prune(model, { inputs: [x], ratio: 0.5 })],
    [
      'forward with a hook',
      () => {
        model.registerForwardHook('', () => {})
        return model.forward(x)
      },
    ],
  ]
  for (const [name, action] of runs) {
    const { message } = await failure(action)
    expect(`${name}: ${message}`).toContain(words)
  }
}

describe.each(divisions)('a division by %s that has no result is an error', (_, expression) => {
  test.each(badPairs)('%d by %d', async (a, b, words) => {
    await refusedEverywhere(await network(expression, a, b), words)
    await refusedEverywhere(await constant(expression, a, b), words)
  })
  test('while a file is loaded', async () => {
    const zero = 'a = 3\n  b = int(state[0].numel()) - 2'
    const used = `self.weight = state[0] * float(${expression})`
    const file = await runsWhenLoaded(Tensor.full([2], 1), zero, used)
    const { message } = await failure(() => load(file))
    expect(message).toContain(BY_ZERO)
  })
})

test.each([
  [LEAST, -1n],
  [-1n, LEAST],
])('the greatest common divisor of %d and %d is an error', async (a, b) => {
  await refusedEverywhere(await network('torch.gcd(a, b)', a, b), TOO_LARGE)
  await refusedEverywhere(await constant('torch.gcd(a, b)', a, b), TOO_LARGE)
})

describe('what has a result keeps it', () => {
  // Python's own.
  test.each<[string, bigint, bigint, number]>([
    ['a % b', 7n, 3n, 1],
    ['a % b', -7n, 3n, 2],
    ['a % b', LEAST, 3n, 1],
    ['a // b', 7n, -2n, -4],
    ['a // b', LEAST, 1n << 62n, -2],
    ['sum(divmod(a, b))', 17n, 5n, 5],
    ['torch.gcd(a, b)', 12n, -18n, 6],
    ['torch.gcd(a, b)', 0n, 0n, 0],
  ])('%s of %d and %d', async (expression, a, b, result) => {
    for (const model of [await network(expression, a, b), await constant(expression, a, b)]) {
      const plain = (await (await network('0', 1n, 1n)).forward(x)) as Tensor
      const shifted = (await model.forward(x)) as Tensor
      const difference = call('aten::sub.Tensor', [shifted, plain]) as Tensor
      for (const value of numbers(difference)) expect(value).toBeCloseTo(result, 4)
    }
  })

  test('operators are recorded, cut and saved under their own names', async () => {
    const source = `
def forward(self, x: Tensor) -> Tensor:
    heads = torch.size(x, 1) // 2 + torch.size(x, 0) % 3
    y = torch.linear(torch.relu(torch.linear(x, self.first)), self.second)
    return y * float(heads)`
    const model = await define(source, { parameters: parameters() })
    const recording = await model.record([x])
    const names = recording.record.ops.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['aten::floordiv', 'aten::remainder']))
    expect(analyse(recording.record).groups).toHaveLength(1)
    const { small } = await prune(model, { inputs: [x], ratio: 0.5 })
    const again = await load(await small.toBuffer())
    const ops = (await again.record([x])).record.ops.map(({ name }) => name)
    expect(ops).toEqual(names)
  })
})

describe('texts', () => {
  const text = (lines: string) =>
    define(
      `
def forward(self, x: Tensor) -> Tensor:
    t = 'ababab'[torch.size(x, 0) - 2:]
    none = 'a'[torch.size(x, 0):]
    large = torch.size(x, 0) * 4611686018427387
    ${lines}
    y = torch.linear(torch.relu(torch.linear(x, self.first)), self.second)
    return y + float(n)`,
      { parameters: parameters() },
    ) as Promise<ScriptModule>

  test.each([
    ['count', 't.count(none)', "'substr' is empty"],
    ['replace', 'len(t.replace(none, t))', "'old' is empty"],
    ['rsplit', 'len(t.rsplit(none))', "'separator' is empty"],
    ['center', 't.center(large).count(t)', 'must be from 0 to 67108864, not 18446744073709548'],
    [
      'center, of a negative width',
      't.center(0 - large).count(t)',
      'must be from 0 to 67108864, not -18446744073709548',
    ],
    ['ljust', 't.ljust(large).count(t)', 'must be from 0 to 67108864'],
    ['rjust', 't.rjust(large).count(t)', 'must be from 0 to 67108864'],
    ['zfill', 't.zfill(large).count(t)', 'must be from 0 to 67108864'],
    ['expandtabs', "(t + '\\t').expandtabs(large).count(t)", 'must be from 0 to 67108864'],
  ])('%s without end is an error', async (_, expression, words) => {
    await refusedEverywhere(await text(`n = ${expression}`), words)
  })
})

describe('the least integer of a tensor divided by -1, towards zero', () => {
  const rounded = (dtype: number, least: string, mode: string, divisor: string) =>
    define(
      `
def forward(self, x: Tensor) -> Tensor:
    least = torch.full([4, 2], ${least}, dtype=${dtype})
    n = torch.div(least, ${divisor}, rounding_mode='${mode}')
    y = torch.linear(torch.relu(torch.linear(x, self.first)), self.second)
    return y + n`,
      { parameters: parameters() },
    ) as Promise<ScriptModule>
  test.each([
    ['int32', 3, '-2147483648'],
    ['int64', 4, '-9223372036854775807 - 1'],
  ])('is an error in %s', async (_, dtype, least) => {
    for (const divisor of ['-1', `torch.full([2], -1, dtype=${dtype})`]) {
      await refusedEverywhere(await rounded(dtype, least, 'trunc', divisor), 'by -1: the result is too large')
    }
  })
  test.each([
    ['by others', 3, '-2147483648', 'trunc', '-2'],
    ['as a wider type', 3, '-2147483648', 'trunc', 'torch.full([2], -1, dtype=4)'],
    ['in int16', 2, '-32768', 'trunc', '-1'],
    ['downwards', 3, '-2147483648', 'floor', '-1'],
  ])('%s runs', async (_, dtype, least, mode, divisor) => {
    const output = (await (await rounded(dtype, least, mode, divisor)).forward(x)) as Tensor
    expect(output.shape).toEqual([4, 2])
  })
})

describe('a dtype that is none', () => {
  const cast = (expression: string) =>
    define(
      `
def forward(self, x: Tensor) -> Tensor:
    d = torch.size(x, 0) * 250
    y = torch.linear(torch.relu(torch.linear(x, self.first)), self.second)
    return ${expression}`,
      { parameters: parameters() },
    ) as Promise<ScriptModule>
  test.each([
    ['to', 'torch.to(y, d)'],
    ['softmax', 'torch.softmax(y, 1, d)'],
    ['zeros', 'y + torch.zeros([1], dtype=d)'],
    ['quantize', 'torch.quantize_per_tensor(y, 0.1, 1, d)'],
    ['promote_types', 'y + float(torch.promote_types(6, d))'],
  ])('%s', async (_, expression) => {
    await refusedEverywhere(await cast(expression), 'which is no dtype')
  })
})

describe('operators that do not look at their arguments', () => {
  // Each ended the process, or wrote out of bounds.
  const program = (expression: string) =>
    define(
      `
def forward(self, x: Tensor) -> Tensor:
    one = torch.ones([2, 3])
    n = ${expression}
    y = torch.linear(torch.relu(torch.linear(x, self.first)), self.second)
    return y + n`,
      { parameters: parameters() },
    ) as Promise<ScriptModule>
  const scores = 'torch.log_softmax(torch.ones([4, 2, 5]), 2)'
  const lengths = 'torch.tensor([4, 4]), torch.tensor([3, 3])'
  test.each([
    ['torch.ctc_loss', `torch.ctc_loss(${scores}, torch.full([2, 3], 5, dtype=4), ${lengths})`, 'none of 5 classes'],
    ['… in one row', `torch.ctc_loss(${scores}, torch.full([6], -1, dtype=4), ${lengths})`, 'none of 5 classes'],
    [
      '_pad_packed_sequence',
      'torch._pad_packed_sequence(one, torch.tensor([2, -2, 2]), False, 0.0, 3)[0].sum()',
      'packed',
    ],
    [
      'segment_reduce by lengths',
      "torch.segment_reduce(one, 'sum', lengths=torch.tensor([9, -7]), axis=0, unsafe=True).sum()",
      'do not fit 2 rows',
    ],
    [
      'segment_reduce by offsets',
      "torch.segment_reduce(one, 'max', offsets=torch.tensor([0, 9]), axis=0).sum()",
      'do not fit 2 rows',
    ],
    [
      '_convert_indices_from_coo_to_csr',
      'torch._convert_indices_from_coo_to_csr(torch.tensor([1, 9]), 4).sum()',
      '4 rows',
    ],
    [
      '_convert_indices_from_csr_to_coo',
      'torch._convert_indices_from_csr_to_coo(torch.tensor([0, 9]), torch.tensor([1, 2])).sum()',
      'do not count 2 values',
    ],
    ['sparse tensors', 'torch.sparse_coo_tensor(torch.tensor([[9]]), one[0, :1], [4]).to_dense().sum()', 'size is'],
    [
      'sparse tensors, unsafe',
      'torch._sparse_coo_tensor_unsafe(torch.tensor([[-9]]), one[0, :1], [4]).to_dense().sum()',
      'negative index',
    ],
    [
      'compressed sparse tensors',
      'torch._sparse_csr_tensor_unsafe(torch.tensor([0, 9, 3]), torch.tensor([0, 1, 9]), torch.ones([3]), [2, 4]).to_dense().sum()',
      'col_indices',
    ],
    ['eigenvalues', "torch.abs(torch.linalg_eigvals(torch.full([3, 3], float('nan')))).sum()", 'not finite'],
    ['Sobol', 'torch._sobol_engine_initialize_state_(torch.zeros([2, 3], dtype=4), 2).sum()', '[2, 30] is needed'],
    ['_stack', 'torch._stack([one][torch.size(x, 0):], 1).sum()', 'aten::_stack of nothing'],
    ['heads', 'torch._transform_bias_rescale_qkv(torch.ones([1, 2, 12]), torch.ones([12]), 0)[0].sum()', '0 heads'],
    [
      'antialiasing',
      'torch._upsample_bilinear2d_aa(torch.ones([1, 1, 4, 4]), [8, 8], False, 1e-12, 1e-12).sum()',
      'a scale of',
    ],
    [
      'native_batch_norm without statistics',
      'torch.native_batch_norm(one, None, None, None, None, False, 0.1, 1e-5)[0].sum()',
      "without its 'running_mean'",
    ],
    ['_fft_c2c', 'torch.abs(torch._fft_c2c(one + 0j, [3, 9], 0, True)).sum()', 'dimension 3 of 2'],
    [
      'bags',
      'torch._embedding_bag_forward_only(one, torch.tensor([0, 1]), torch.tensor([0, -9]))[0].sum()',
      'one after another',
    ],
    [
      'attention',
      'torch._scaled_dot_product_flash_attention_for_cpu(torch.ones([1, 2, 2, 4]), torch.ones([1, 3, 3, 4]), torch.ones([1, 3, 3, 4]))[0].sum()',
      'attention of queries',
    ],
    ['one of LibTorch’s own', 'torch._cholesky_solve_helper(one, one, True).sum()', "LibTorch's own"],
  ])('%s', async (_, expression, words) => {
    await refusedEverywhere(await program(expression), words)
  })

  test('places of maxima, which shapes alone do not tell', async () => {
    const model = await program(
      'torch.max_pool2d_with_indices_backward(torch.ones([1, 1, 2, 2]), torch.ones([1, 1, 4, 4]), [2, 2], [2, 2], [0, 0], [1, 1], False, torch.full([1, 1, 2, 2], 16, dtype=4)).sum()',
    )
    for (const action of [() => model.forward(x), () => model.forwardSync(x), () => prune(model, { inputs: [x] })]) {
      expect((await failure(action)).message).toContain('none of 16 places')
    }
  })

  const lstm = (steps: string) =>
    `torch.lstm(torch.ones([5, 3]), torch.tensor([${steps}]), [torch.zeros([1, 3, 4]), torch.zeros([1, 3, 4])], [torch.ones([16, 3]), torch.ones([16, 4])], False, 1, 0.0, False, False)[0].sum()`
  test.each(['3, 9', '3, -1', '3, 1', '3, 0, 2', '1, 4'])('packed sequences with steps of %s', async (steps) => {
    await refusedEverywhere(await program(lstm(steps)), 'packed')
  })

  test.each([
    [
      'labels beyond a length',
      `torch.ctc_loss(${scores}, torch.tensor([[1, 2, -1], [1, -1, -1]]), torch.tensor([4, 4]), torch.tensor([2, 1]))`,
    ],
    ['labels in one row', `torch.ctc_loss(${scores}, torch.tensor([1, 2, 3]), [4, 4], [2, 1])`],
    ['packed sequences', lstm('3, 2')],
    ['padding', 'torch._pad_packed_sequence(one, torch.tensor([1, 1]), False, 0.0, 2)[0].sum()'],
    ['segments', "torch.segment_reduce(one, 'sum', lengths=torch.tensor([1, 1]), axis=0).sum()"],
    ['segments by offsets', "torch.segment_reduce(one, 'sum', offsets=torch.tensor([0, 1, 2]), axis=0).sum()"],
    ['sparse tensors', 'torch.sparse_coo_tensor(torch.tensor([[3]]), one[0, :1], [4]).to_dense().sum()'],
    ['rows of a sparse tensor', 'torch._convert_indices_from_coo_to_csr(torch.tensor([1, 3]), 4).sum()'],
    [
      'columns of a sparse tensor',
      'torch._convert_indices_from_csr_to_coo(torch.tensor([0, 2]), torch.tensor([1, 2])).sum()',
    ],
    ['bags', 'torch.embedding_bag(one, torch.tensor([0, 1, 1]), torch.tensor([0, 0, 3]))[0].sum()'],
    [
      'maxima',
      'torch.max_pool2d_with_indices_backward(torch.ones([1, 1, 2, 2]), torch.ones([1, 1, 4, 4]), [2, 2], [2, 2], [0, 0], [1, 1], False, torch.full([1, 1, 2, 2], 15, dtype=4)).sum()',
    ],
    [
      'attention',
      'torch._scaled_dot_product_flash_attention_for_cpu(torch.ones([1, 4, 2, 4]), torch.ones([1, 2, 3, 4]), torch.ones([1, 2, 3, 4]))[0].sum()',
    ],
    ['heads', 'torch._transform_bias_rescale_qkv(torch.ones([1, 2, 12]), torch.ones([12]), 2)[0].sum()'],
    ['antialiasing', 'torch._upsample_bilinear2d_aa(torch.ones([1, 1, 8, 8]), [4, 4], False, 0.5, 0.5).sum()'],
    ['eigenvalues', 'torch.abs(torch.linalg_eigvals(torch.eye(3))).sum()'],
  ])('what fits runs: %s', async (_, expression) => {
    expect(((await (await program(expression)).forward(x)) as Tensor).shape).toEqual([4, 2])
  })
})

test('operators that are called on their own are checked, too', async () => {
  const nothing = await failure(() => call('aten::_stack', [[], 1]))
  expect([nothing.code, nothing.message]).toEqual(['ERR_TORCH', 'aten::_stack of nothing'])
  const least = Tensor.from(BigInt64Array.of(LEAST), [1])
  const divided = () => call('aten::div.Scalar_mode', [least, -1, 'trunc'])
  expect((await failure(divided)).message).toBe(TOO_LARGE)
  expect((await failure(() => run([{ op: 'aten::_stack', args: [[], 1] }]))).message).toContain('of nothing')
})

// A program that wrote to the indices led kernels anywhere.
test.each([
  ['indices', 'torch._indices(s).fill_(100000000)'],
  ['values', 'torch._values(s).resize_([0])'],
])('what a sparse tensor is made of is given as a copy: %s', async (_what, line) => {
  const model = await define(`
def forward(self, x: Tensor) -> Tensor:
    s = torch.sparse_coo_tensor(torch.tensor([[3]]), x[0, :1], [4])
    ${line}
    return s.to_dense()`)
  expect(numbers((await model.forward(x)) as Tensor)).toEqual([0, 0, 0, 0.5])
})

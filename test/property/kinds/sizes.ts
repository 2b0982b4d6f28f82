import { channelsOf, type Emission, type Kind, linear, map, one, same, tokens } from '../kinds.js'

interface Of {
  e: Emission
  x: string
  B: string
  T: string
  /** The width as the program asks for it. */
  C: string
  /** The width. */
  c: number
}

const of = (e: Emission): Of => {
  const x = e.reads[0] as string
  return { e, x, B: `${x}.size(0)`, T: `${x}.size(1)`, C: `${x}.size(2)`, c: channelsOf(same(e.shapes)) }
}

const even = (n: number) => n % 2 === 0 && n > 2
const fourfold = (n: number) => n % 4 === 0
const wide = (n: number) => n > 3

type Code = (of: Of) => string

/** `out = f(x)` of the same shape. */
const keeping = (fits: (width: number) => boolean, code: Code): Kind =>
  map(
    (s) => tokens(s) && fits(channelsOf(s)),
    (e) => `${e.out} = ${code(of(e))}`,
  )

/** `out = f(x)` with half the width. */
const halving = (code: Code): Kind => ({
  draw: one((s) => tokens(s) && fourfold(channelsOf(s))),
  shape: (shapes) => [same(shapes)[0] as number, channelsOf(same(shapes)) / 2],
  emit: (e) => `${e.out} = ${code(of(e))}`,
})

/** `out` from two parts of `x`, of widths that a weight fixes. */
const parting = (parts: (of: Of, first: number) => string): Kind => ({
  draw: one(
    (s) => tokens(s) && channelsOf(s) > 5,
    (_, pick) => [pick([2, 3]), pick([4, 8])],
  ),
  shape: (shapes, [, out]) => [same(shapes)[0] as number, out as number],
  emit: (e) => {
    const [first, out] = e.numbers as [number, number]
    const { c } = of(e)
    const [a, b] = [linear(e, `torch.tanh(${e.out}a)`, out, first, 'a'), linear(e, `${e.out}b`, out, c - first, 'b')]
    return `${e.out}a, ${e.out}b = ${parts(of(e), first)}\n${e.out} = ${a} + ${b}`
  },
})

/** Several lines. */
const lines = (fits: (width: number) => boolean, code: (of: Of, out: string) => readonly string[]): Kind =>
  map(
    (s) => tokens(s) && fits(channelsOf(s)),
    (e) => code(of(e), e.out).join('\n'),
  )

/** Numbers that a program computes of sizes. */
export const SIZES: Readonly<Record<string, Kind>> = {
  'size.minusOne': keeping(
    wide,
    ({ x, B, T }) => `torch.relu(${x}.contiguous().view(${B} * ${T}, -1)).view(${B}, ${T}, -1)`,
  ),
  'size.minusOneFirst': keeping(wide, ({ x, B, T, c }) => `torch.tanh(${x}.reshape(-1, ${c})).view(${B}, ${T}, ${c})`),
  'size.minusOneSteps': keeping(wide, ({ x, B, C }) => `torch.tanh(${x}.reshape(${B}, -1)).view(${B}, -1, ${C})`),
  'size.product': keeping(wide, ({ x, B, T, C }) => `(${x}.reshape(${B} * ${T} * ${C}) * 0.5).view(${B}, ${T}, ${C})`),
  'size.numel': keeping(
    wide,
    ({ x, B, T }) => `torch.relu(${x}).reshape(${x}.numel() // ${T} // ${B}, -1).reshape(${B}, ${T}, -1)`,
  ),
  'size.numelBack': keeping(
    wide,
    ({ x, B, T }) => `(${x} * 0.5).flatten().view(${B}, ${T}, ${x}.numel() // (${B} * ${T}))`,
  ),
  'size.numelScale': keeping(wide, ({ x, B }) => `${x} / float(${x}.numel() // ${B}) * 20.0`),
  'size.sqrt': keeping(wide, ({ x, C }) => `${x} * float(${C}) ** -0.5`),
  'size.log': keeping(
    wide,
    ({ x, C, T }) => `${x} * (torch.log(torch.tensor(float(${C} + ${T}))).to(${x}.dtype) * 0.3)`,
  ),
  'size.scalar': keeping(wide, ({ x, C }) => `${x} + float(${C} % 3)`),
  'size.condition': lines(wide, ({ x, C, T }, out) => [
    `if ${C} > ${T} * 100:`,
    `  ${out} = ${x} * 3`,
    'else:',
    `  ${out} = torch.relu(${x}) + 0.1`,
  ]),
  'size.ternary': keeping(
    wide,
    ({ x, C }) => `${x}.contiguous().view(${x}.size(0), ${x}.size(1), ${C} if ${C} > 1 else 1) * 0.7`,
  ),
  'size.meanByHand': keeping(wide, ({ x, T }) => `${x} - ${x}.sum(1, keepdim=True) / ${T}`),
  'size.zeros': keeping(wide, ({ x, C, B }) => `${x} + torch.zeros([${B}, 1, ${C}], dtype=${x}.dtype)`),
  'size.ones': keeping(wide, ({ x }) => `${x} * torch.ones(${x}.shape[1:], dtype=${x}.dtype)`),
  'size.newZeros': keeping(wide, ({ x, C }) => `torch.maximum(${x}, ${x}.new_zeros([${C}]))`),
  'size.full': keeping(wide, ({ x, C }) => `${x} * torch.full([1, 1, ${C}], 0.5, dtype=${x}.dtype)`),
  'size.expand': keeping(wide, ({ x, T, C }) => `${x} + ${x}[:, :1].expand(-1, ${T}, ${C})`),
  'size.repeat': keeping(wide, ({ x, T }) => `${x} + ${x}.mean(1, keepdim=True).repeat(1, ${T}, 1)`),
  'size.wholeSlice': keeping(wide, ({ x, C }) => `torch.relu(${x}[:, :, :${C}])`),
  'size.windows': lines(wide, ({ x, B, T, C }, out) => [
    `${out}p = (4 - ${T} % 4) % 4`,
    `${out}w = torch.constant_pad_nd(${x}, [0, 0, 0, ${out}p])`,
    `${out}w = ${out}w.view(${B}, ${out}w.size(1) // 4, 4, ${C})`,
    `${out}w = (${out}w + ${out}w.mean(2, keepdim=True)).view(-1, 4, ${C})`,
    `${out} = ${out}w.reshape(${B}, -1, ${C})[:, :${T}]`,
  ]),
  'size.heads': keeping(
    fourfold,
    ({ x, B, T, C }) => `torch.softmax(${x}.contiguous().view(${B}, ${T}, 4, ${C} // 4), 2).view(${B}, ${T}, ${C})`,
  ),
  'size.headsFirst': keeping(
    fourfold,
    ({ x, B, T, c }) =>
      `torch.relu(${x}.reshape(${B}, ${T}, -1, ${c / 4}).transpose(1, 2)).transpose(1, 2).reshape(${B}, ${T}, -1)`,
  ),
  'size.batchOfHeads': lines(fourfold, ({ e, x, B, T, c }, out) => {
    const table = e.parameter('table', [4, 1, c / 4])
    return [
      `${out}h = ${x}.contiguous().view(${B}, ${T}, 4, ${c / 4}).permute(0, 2, 1, 3).reshape(-1, ${T}, ${c / 4})`,
      `${out}h = ${out}h * ${table}.repeat(${out}h.size(0) // 4, 1, 1)`,
      `${out} = ${out}h.view(-1, 4, ${T}, ${out}h.size(2)).permute(0, 2, 1, 3).reshape(${B}, ${T}, -1)`,
    ]
  }),
  'size.batchOfHeadsElements': lines(fourfold, ({ e, x, B, T, c }, out) => {
    const table = e.parameter('table', [4, 1, c / 4])
    return [
      `${out}h = ${x}.contiguous().view(${B}, ${T}, 4, ${c / 4}).permute(0, 2, 1, 3).reshape(-1, ${T}, ${c / 4})`,
      `${out}h = ${out}h + ${table}.repeat(${out}h.numel() // (${T} * ${c}), 1, 1)`,
      `${out} = ${out}h.view(${B}, 4, ${T}, -1).permute(0, 2, 1, 3).flatten(2)`,
    ]
  }),
  'size.unflatten': keeping(even, ({ x }) => `torch.relu(${x}.unflatten(2, [2, -1])).flatten(2)`),
  'size.unflattenWidth': keeping(even, ({ x, C }) => `torch.tanh(${x}.unflatten(-1, [${C} // 2, 2])).flatten(-2)`),
  'size.shapeList': lines(even, ({ x }, out) => [
    `${out}s = ${x}.shape[:-1] + [2, ${x}.shape[-1] // 2]`,
    `${out} = torch.relu(${x}.contiguous().view(${out}s)).view(${x}.shape)`,
  ]),
  'size.listInLoop': lines(wide, ({ x }, out) => [
    `${out}s: List[int] = []`,
    `for k in range(${x}.dim()):`,
    `  ${out}s.append(${x}.size(k))`,
    `${out} = torch.tanh(${x}.flatten()).view(${out}s)`,
  ]),
  'size.productInLoop': lines(wide, ({ x, B, T }, out) => [
    `${out}n = 1`,
    `for n in ${x}.shape:`,
    `  ${out}n = ${out}n * n`,
    `${out} = torch.tanh(${x}.reshape(${out}n)).view(${B}, ${T}, -1)`,
  ]),
  'size.rounds': lines(fourfold, ({ e, x, C, c }, out) => {
    const step = linear(e, out, c, c, 'w')
    return [`${out} = ${x}`, `for k in range(${C} // 4):`, `  ${out} = torch.relu(${step}) + ${x}`]
  }),
  'size.eachPart': lines(fourfold, ({ x, C }, out) => [
    `${out}l: List[Tensor] = []`,
    `for k in range(4):`,
    `  ${out}l.append(torch.relu(${x}[:, :, k * (${C} // 4):(k + 1) * (${C} // 4)]))`,
    `${out} = torch.cat(${out}l, 2)`,
  ]),
  'size.tuple': lines(wide, ({ x }, out) => [
    `${out}b, ${out}t, ${out}c = ${x}.shape`,
    `${out} = torch.relu(${x}.reshape(${out}b * ${out}t, ${out}c)).reshape(${out}b, ${out}t, ${out}c)`,
  ]),
  'size.max': keeping(wide, ({ x, B, T, C }) => `${x}.reshape(max(${B} * ${T}, 1), ${C}).view(${B}, ${T}, ${C}) * 1.5`),
  'size.throughTensor': keeping(
    wide,
    ({ x, B, T, C }) =>
      `torch.relu(${x}.contiguous().view(int(torch.tensor(${B}) * torch.tensor(${T})), ${C})).view(${B}, ${T}, -1)`,
  ),
  'size.throughFloat': keeping(wide, ({ x, C }) => `torch.relu(${x}[:, :, :int(float(${C}) * 1.0)])`),
  'size.reshapeAs': keeping(wide, ({ x }) => `torch.relu(${x}.flatten(1)).reshape(${x}.shape)`),
  'size.viewAs': keeping(wide, ({ x }) => `torch.relu(${x}.flatten(0, 1)).view_as(${x})`),
  'size.transposed': keeping(
    wide,
    ({ x, B, T, C }) =>
      `torch.relu(${x}.transpose(1, 2).reshape(${B} * ${C}, ${T})).view(${B}, ${C}, ${T}).transpose(1, 2)`,
  ),
  'size.identity': lines(wide, ({ x, C }, out) => [
    `${out} = ${x} + torch.matmul(${x}, torch.eye(${C}, dtype=${x}.dtype))`,
  ]),
  'size.rank': lines(wide, ({ x, C }, out) => [`${out} = ${x} * torch.arange(${C}).to(${x}.dtype)`]),
  'size.ofWeight': lines(wide, ({ e, x, c }, out) => {
    const w = e.parameter('w', [c, c])
    return [
      `${out} = torch.linear(${x}, ${w})`,
      `${out} = torch.relu(${out}.view(-1, ${w}.size(0))).view(${x}.size(0), -1, ${w}.numel() // ${w}.size(1))`,
    ]
  }),
  'size.biasInThirds': lines(wide, ({ e, x, c }, out) => {
    const [w, b] = [e.parameter('w', [3 * c, c]), e.parameter('b', [3 * c])]
    return [
      `${out}b = ${b}.clone()`,
      `${out}n = ${out}b.numel() // 3`,
      `${out}b[${out}n:2 * ${out}n].zero_()`,
      `${out}h = torch.linear(${x}, ${w}, ${out}b)`,
      `${out} = ${out}h[:, :, :${out}n] * torch.sigmoid(${out}h[:, :, ${out}n:2 * ${out}n]) + ${out}h[:, :, 2 * ${out}n:]`,
    ]
  }),
  'size.qkvOfWidth': lines(even, ({ e, x, B, T, C, c }, out) => {
    const qkv = linear(e, x, 3 * c, c, 'qkv')
    return [
      `${out}q, ${out}k, ${out}v = ${qkv}.view(${B}, ${T}, 3, 2, ${C} // 2).permute(2, 0, 3, 1, 4).unbind(0)`,
      `${out}a = torch.matmul(${out}q, ${out}k.transpose(-2, -1)) / float(${C} // 2) ** 0.5`,
      `${out} = torch.matmul(torch.softmax(${out}a, -1), ${out}v).transpose(1, 2).reshape(${B}, ${T}, ${C})`,
    ]
  }),
  'size.halves': halving(({ x, C }) => `${x}[:, :, :${C} // 2] * torch.sigmoid(${x}[:, :, ${C} // 2:])`),
  'size.splitInHalf': halving(({ x, C }) => `torch.split(${x}, ${C} // 2, 2)[0] + torch.split(${x}, ${C} // 2, 2)[1]`),
  'size.narrowHalf': halving(
    ({ x, C }) => `torch.narrow(${x}, 2, 0, ${C} // 2) - torch.narrow(${x}, 2, ${C} // 2, ${C} // 2)`,
  ),
  'size.tensorSplit': halving(({ x }) => `torch.relu(torch.tensor_split(${x}, 2, 2)[1])`),
  'size.sumOfPairs': halving(({ x, B, T, C }) => `${x}.contiguous().view(${B}, ${T}, ${C} // 2, 2).sum(3)`),
  'size.maxOfPairs': halving(({ x, B, T }) => `${x}.contiguous().view(${B}, ${T}, 2, -1).amax(2)`),
  'size.floatHalf': halving(({ x, C }) => `torch.relu(${x}[:, :, :int(${C} * 0.5)])`),
  'size.floorHalf': halving(({ x, C }) => `torch.relu(${x}[:, :, ${C} - ${C} // 2:])`),
  'size.lessConstant': parting(({ x, C }, k) => `torch.split(${x}, [${k}, ${C} - ${k}], 2)`),
  'size.lessConstantByShape': parting(({ x }, k) => `torch.split(${x}, [${k}, ${x}.shape[-1] - ${k}], -1)`),
  'size.lastFew': parting(({ x, C, c }, k) => `${x}[:, :, ${C} - ${k}:], ${x}[:, :, :${C} - ${k}] * ${c}`),
  'size.ratio': parting(({ x, C, c }, k) => `${x}[:, :, :${C} * ${k} // ${c}], ${x}[:, :, ${C} * ${k} // ${c}:]`),
  'size.floatRatio': parting(
    ({ x, C, c }, k) => `${x}[:, :, :int(${C} * ${(k + 0.25) / c})], ${x}[:, :, int(${C} * ${(k + 0.25) / c}):]`,
  ),
  'size.narrowParts': parting(
    ({ x, C }, k) => `torch.narrow(${x}, 2, 0, ${k}), torch.narrow(${x}, 2, ${k}, ${C} - ${k})`,
  ),
  'size.partByLength': halving(({ x, T }) => `torch.relu(${x}.chunk(2, 2)[${T} % 2])`),
  'size.partFromEnd': halving(({ x, T }) => `torch.tanh(torch.split(${x}, ${x}.size(2) // 2, 2)[1 - ${T} % 2])`),
  'size.partsByLength': lines(fourfold, ({ x, T, c }, out) => [
    `${out}p = torch.split(${x}, ${c / 4}, 2)`,
    `${out} = torch.relu(${x}) + torch.stack(${out}p[:${T} % 4 + 1], 0).sum(0).repeat(1, 1, 4)`,
  ]),
  'size.countOfParts': lines(fourfold, ({ x, T, c }, out) => [
    `${out}p = torch.split(${x}, ${c / 4}, 2)[:${T} % 4 + 1]`,
    `${out} = torch.relu(${x}) * len(${out}p)`,
  ]),
  'size.joinedParts': lines(fourfold, ({ e, x, T, c }, out) => {
    const table = e.parameter('table', [24, c])
    return [
      `${out}p = torch.cat(torch.split(${x}, 1, 1)[:${T} // 2 + 1], 1)`,
      `${out} = ${x} + ${table}[${out}p.size(1)]`,
    ]
  }),
  'size.choiceOfWeights': lines(wide, ({ e, x, T, c }, out) => {
    const [v, w] = [e.parameter('v', [c, c]), e.parameter('w', [c, c])]
    return [`${out} = torch.relu(torch.linear(${x}, [${v}, ${w}][${T} % 2]))`]
  }),
  'size.choiceOfDict': lines(wide, ({ e, x, T, c }, out) => {
    const [v, w] = [e.parameter('v', [c, c]), e.parameter('w', [c, c])]
    return [`${out}d = {0: ${v}, 1: ${w}}`, `${out} = torch.relu(torch.linear(${x}, ${out}d[${T} % 2]))`]
  }),
  'size.choiceInLoop': lines(wide, ({ e, x, T, c }, out) => {
    const [v, w] = [e.parameter('v', [c]), e.parameter('w', [c])]
    return [`${out} = ${x}`, `for t in range(${T} - 2):`, `  ${out} = ${out} * [${v}, ${w}][t % 2]`]
  }),
  'size.longestPart': lines(wide, ({ x, T }, out) => [
    `${out}l: List[Tensor] = []`,
    `for t in range(${T}):`,
    `  ${out}l.append(${x}[:, t])`,
    `${out} = ${x} + torch.stack(${out}l[:${T} - 1], 1).mean(1, keepdim=True) + ${out}l[${T} - 2].unsqueeze(1)`,
  ]),
  'size.lengthFirst': lines(wide, ({ x, T }, out) => [
    `${out} = torch.cat([${x}[:, :${T} // 2] * 2, ${x}[:, ${T} // 2:]], 1)`,
  ]),
}

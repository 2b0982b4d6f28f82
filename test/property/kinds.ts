/** A value without its batch dimension: [channels, height, width], [tokens, channels] or [channels]. */
export type Shape = readonly number[]
type Pick = <T>(list: readonly T[]) => T

export interface Emission {
  out: string
  reads: readonly string[]
  shapes: readonly Shape[]
  numbers: readonly number[]
  parameter(name: string, shape: readonly number[], zero?: boolean): string
  /** A parameter in half precision, in a network of any dtype. */
  half(name: string, shape: readonly number[]): string
  buffer(name: string, shape: readonly number[]): string
  /** A buffer of integers. */
  indices(name: string, values: readonly number[]): string
}

export interface Kind {
  /** Made to be hard: splits that don't nest, loops, branches that depend on data, scales of zero. */
  hostile?: boolean
  /** Chooses what to read among `fits` and its numbers; undefined when nothing fits. */
  draw(
    shapes: readonly Shape[],
    fits: readonly number[],
    pick: Pick,
  ): { reads: number[]; numbers: number[] } | undefined
  shape(of: readonly Shape[], numbers: readonly number[]): Shape
  emit(e: Emission): string
}

/** Dtypes by their numbers: the compiler knows no `torch.long` without Python. */
export const [INT64, FLOAT32, BFLOAT16] = [4, 6, 15]

const WIDTHS = [4, 6, 8, 12]
const divisors = (n: number) => [2, 3, 4].filter((g) => n % g === 0 && n > g)
const image = (s: Shape) => s.length === 3
export const tokens = (s: Shape) => s.length === 2
export const channelsOf = (s: Shape) => (s.length === 3 ? s[0] : s[s.length - 1]) as number
const at = (s: Shape) => (s.length === 3 ? 1 : s.length)
export const same = (of: readonly Shape[]) => of[0] as Shape
const resized = (of: readonly Shape[], channels: number): Shape =>
  image(of[0] as Shape) ? [channels, 4, 4] : [...(of[0] as Shape).slice(0, -1), channels]

type Numbers = (shape: Shape, pick: Pick) => number[] | undefined

/** Reads one value that `fits`, with drawn numbers. */
export const one =
  (fits: (s: Shape) => boolean, numbers: Numbers = () => []): Kind['draw'] =>
  (shapes, order, pick) => {
    for (const r of order) {
      const shape = shapes[r] as Shape
      const drawn = fits(shape) && channelsOf(shape) <= 24 ? numbers(shape, pick) : undefined
      if (drawn) return { reads: [r], numbers: drawn }
    }
    return undefined
  }

/** Reads two different values of one shape. */
export const pair =
  (fits: (s: Shape) => boolean): Kind['draw'] =>
  (shapes, order) => {
    for (const a of order) {
      const shape = shapes[a] as Shape
      if (!fits(shape) || channelsOf(shape) > 24) continue
      const b = order.find((r) => r !== a && shapes[r]?.join() === shape.join())
      if (b !== undefined) return { reads: [a, b], numbers: [] }
    }
    return undefined
  }

export const any = () => true
export const width: Numbers = (_, pick) => [pick(WIDTHS)]
const group: Numbers = (s, pick) => {
  const groups = divisors(channelsOf(s))
  return groups.length > 0 ? [pick(groups)] : undefined
}

/** `out = f(x)`, of the same shape. */
export const map = (
  fits: (s: Shape) => boolean,
  code: (e: Emission, channels: number) => string,
  numbers?: Numbers,
): Kind => ({
  draw: one(fits, numbers),
  shape: same,
  emit: (e) => code(e, channelsOf(e.shapes[0] as Shape)),
})

const conv = (e: Emission, x: string, out: number, into: number, name = 'w', kernel = 1, groups = 1): string => {
  const p = (kernel - 1) / 2
  const w = e.parameter(name, [out, into / groups, kernel, kernel])
  return `torch.conv2d(${x}, ${w}, ${e.parameter(`${name}b`, [out])}, [1, 1], [${p}, ${p}], [1, 1], ${groups})`
}

export const linear = (e: Emission, x: string, out: number, into: number, name: string): string =>
  `torch.linear(${x}, ${e.parameter(name, [out, into])}, ${e.parameter(`${name}b`, [out])})`

const shuffle = (x: string, g: number, channels: number) =>
  `${x}.view(-1, ${g}, ${channels / g}, 4, 4).transpose(1, 2).reshape(-1, ${channels}, 4, 4)`

const heads: Numbers = (_, pick) => [pick([2, 3]), pick([2, 4])]

export const KINDS: Readonly<Record<string, Kind>> = {
  conv: {
    draw: one(image, (_, pick) => [pick(WIDTHS), pick([1, 3])]),
    shape: (of, [out]) => resized(of, out as number),
    emit: (e) =>
      `${e.out} = ${conv(e, `${e.reads[0]}`, e.numbers[0] as number, channelsOf(same(e.shapes)), 'w', e.numbers[1])}`,
  },
  grouped: {
    draw: one(image, (s, pick) => {
      const groups = divisors(channelsOf(s))
      return groups.length > 0 ? [pick(groups), pick([1, 2])] : undefined
    }),
    shape: (of, [, factor]) => resized(of, channelsOf(same(of)) * (factor as number)),
    emit: (e) => {
      const channels = channelsOf(same(e.shapes))
      const [groups, factor] = e.numbers as [number, number]
      return `${e.out} = ${conv(e, `${e.reads[0]}`, channels * factor, channels, 'w', 3, groups)}`
    },
  },
  depthwise: map(image, (e, c) => `${e.out} = ${conv(e, `${e.reads[0]}`, c, c, 'w', 3, c)}`),
  transposed: {
    draw: one(image, width),
    shape: (of, [out]) => resized(of, out as number),
    emit: (e) => {
      const w = e.parameter('w', [channelsOf(same(e.shapes)), e.numbers[0] as number, 3, 3])
      return `${e.out} = torch.conv_transpose2d(${e.reads[0]}, ${w}, None, [1, 1], [1, 1])`
    },
  },
  batchNorm: map(image, (e, c) => {
    const [w, b] = [e.parameter('weight', [c]), e.parameter('bias', [c])]
    const statistics = `${e.buffer('mean', [c])}, ${e.buffer('var', [c])}`
    return `${e.out} = torch.batch_norm(${e.reads[0]}, ${w}, ${b}, ${statistics}, False, 0.1, 1e-5, False)`
  }),
  groupNorm: map(
    image,
    (e, c) =>
      `${e.out} = torch.group_norm(${e.reads[0]}, ${e.numbers[0]}, ${e.parameter('weight', [c])}, ${e.parameter('bias', [c])})`,
    group,
  ),
  instanceNorm: map(image, (e, c) => {
    const affine = `${e.parameter('weight', [c])}, ${e.parameter('bias', [c])}`
    return `${e.out} = torch.instance_norm(${e.reads[0]}, ${affine}, None, None, True, 0.1, 1e-5, False)`
  }),
  relu: map(any, (e) => `${e.out} = torch.relu(${e.reads[0]})`),
  gelu: map(any, (e) => `${e.out} = torch.gelu(${e.reads[0]})`),
  sigmoid: map(any, (e) => `${e.out} = torch.sigmoid(${e.reads[0]})`),
  inPlace: map(any, (e) => `${e.out} = (${e.reads[0]} * 2.0).relu_().mul_(0.5)`),
  scale: map(any, (e, c) => {
    const shape = image(same(e.shapes)) ? [c, 1, 1] : [c]
    return `${e.out} = ${e.reads[0]} * ${e.parameter('gamma', shape)} + ${e.parameter('beta', shape)}`
  }),
  add: { draw: pair(any), shape: same, emit: (e) => `${e.out} = ${e.reads[0]} + ${e.reads[1]}` },
  multiply: { draw: pair(any), shape: same, emit: (e) => `${e.out} = ${e.reads[0]} * ${e.reads[1]}` },
  cat: {
    draw: pair(any),
    shape: (of) => resized(of, 2 * channelsOf(same(of))),
    emit: (e) => `${e.out} = torch.cat([${e.reads.join(', ')}], ${at(same(e.shapes))})`,
  },
  glu: {
    draw: one((s) => channelsOf(s) % 2 === 0 && channelsOf(s) > 2),
    shape: (of) => resized(of, channelsOf(same(of)) / 2),
    emit: (e) =>
      `${e.out}a, ${e.out}b = ${e.reads[0]}.chunk(2, ${at(same(e.shapes))})\n${e.out} = ${e.out}a * torch.sigmoid(${e.out}b)`,
  },
  swap: map(
    (s) => channelsOf(s) > 3,
    (e, c) => {
      const [k, dim] = [e.numbers[0] as number, at(same(e.shapes))]
      return `${e.out}a, ${e.out}b = ${e.reads[0]}.split([${k}, ${c - k}], ${dim})\n${e.out} = torch.cat([torch.relu(${e.out}b), ${e.out}a], ${dim})`
    },
    (s, pick) => [pick([1, 2, channelsOf(s) - 1])],
  ),
  slice: {
    draw: one(
      (s) => channelsOf(s) > 5,
      (s, pick) => [pick([0, 1]), pick([channelsOf(s), channelsOf(s) - 1]), pick([1, 2])],
    ),
    shape: (of, [from, to, step]) => resized(of, Math.ceil(((to as number) - (from as number)) / (step as number))),
    emit: (e) => {
      const range = e.numbers.join(':')
      const before = image(same(e.shapes)) ? ':, ' : '..., '
      return `${e.out} = ${e.reads[0]}[${before}${range}]`
    },
  },
  pad: {
    draw: one(image, (_, pick) => [pick([0, 2]), pick([1, 2])]),
    shape: (of, [left, right]) => resized(of, channelsOf(same(of)) + (left as number) + (right as number)),
    emit: (e) => `${e.out} = torch.constant_pad_nd(${e.reads[0]}, [0, 0, 0, 0, ${e.numbers.join(', ')}], 0.0)`,
  },
  roll: map(any, (e) => `${e.out} = torch.roll(${e.reads[0]}, [1], [${at(same(e.shapes))}])`),
  flip: map(any, (e) => `${e.out} = torch.flip(${e.reads[0]}, [${at(same(e.shapes))}])`),
  shuffle: map(image, (e, c) => `${e.out} = ${shuffle(`${e.reads[0]}`, e.numbers[0] as number, c)}`, group),
  gate: map(image, (e, c) => {
    const hidden = linear(e, `${e.reads[0]}.mean([2, 3])`, 4, c, 'down')
    const gate = linear(e, `torch.relu(${hidden})`, c, 4, 'up')
    return `${e.out} = ${e.reads[0]} * torch.sigmoid(${gate}).unsqueeze(-1).unsqueeze(-1)`
  }),
  pixelShuffle: {
    draw: one(image, width),
    shape: (of) => resized(of, channelsOf(same(of))),
    emit: (e) => {
      const channels = channelsOf(same(e.shapes))
      const wide = conv(e, `${e.reads[0]}`, channels * 4, channels)
      return `${e.out} = torch.pixel_shuffle(${wide}, 2)[:, :, ::2, ::2]`
    },
  },
  toTokens: {
    draw: one(image),
    shape: (of) => [16, channelsOf(same(of))],
    emit: (e) => `${e.out} = ${e.reads[0]}.flatten(2).transpose(1, 2)`,
  },
  toImage: {
    draw: one((s) => tokens(s) && s[0] === 16),
    shape: (of) => [channelsOf(same(of)), 4, 4],
    emit: (e) =>
      `${e.out} = ${e.reads[0]}.transpose(1, 2).reshape(${e.reads[0]}.size(0), ${channelsOf(same(e.shapes))}, 4, 4)`,
  },
  flatten: {
    draw: one(image, width),
    shape: (_, [out]) => [out as number],
    emit: (e) =>
      `${e.out} = ${linear(e, `${e.reads[0]}.flatten(1)`, e.numbers[0] as number, channelsOf(same(e.shapes)) * 16, 'w')}`,
  },
  pool: {
    draw: one((s) => s.length > 1),
    shape: (of) => [channelsOf(same(of))],
    emit: (e) => `${e.out} = ${e.reads[0]}.mean(${image(same(e.shapes)) ? '[2, 3]' : '1'})`,
  },
  linear: {
    draw: one((s) => !image(s), width),
    shape: (of, [out]) => resized(of, out as number),
    emit: (e) => `${e.out} = ${linear(e, `${e.reads[0]}`, e.numbers[0] as number, channelsOf(same(e.shapes)), 'w')}`,
  },
  matmul: {
    draw: one((s) => !image(s), width),
    shape: (of, [out]) => resized(of, out as number),
    emit: (e) =>
      `${e.out} = torch.matmul(${e.reads[0]}, ${e.parameter('w', [channelsOf(same(e.shapes)), e.numbers[0] as number])})`,
  },
  layerNorm: map(
    (s) => !image(s),
    (e, c) =>
      `${e.out} = torch.layer_norm(${e.reads[0]}, [${c}], ${e.parameter('weight', [c])}, ${e.parameter('bias', [c])})`,
  ),
  attention: map(
    tokens,
    (e, c) => {
      const [h, d] = e.numbers as [number, number]
      const qkv = linear(e, `${e.reads[0]}`, 3 * h * d, c, 'qkv')
      const split = `${qkv}.reshape(-1, ${same(e.shapes)[0]}, 3, ${h}, ${d}).permute(2, 0, 3, 1, 4)`
      const [q, k, v] = ['q', 'k', 'v'].map((name) => `${e.out}${name}`)
      const mixed = `torch.scaled_dot_product_attention(${q}, ${k}, ${v})`
      const joined = `${mixed}.transpose(1, 2).reshape(-1, ${same(e.shapes)[0]}, ${h * d})`
      return `${q}, ${k}, ${v} = torch.unbind(${split}, 0)\n${e.out} = ${linear(e, joined, c, h * d, 'proj')}`
    },
    heads,
  ),
  crossAttention: {
    draw: pair(tokens),
    shape: same,
    emit: (e) => {
      const [c, t] = [channelsOf(same(e.shapes)), same(e.shapes)[0]]
      const split = (x: string, name: string) => `${linear(e, x, 8, c, name)}.view(-1, ${t}, 2, 4).transpose(1, 2)`
      const [a, b] = e.reads as [string, string]
      return [
        `${e.out}q = ${split(a, 'q')} * 0.5`,
        `${e.out}w = torch.softmax(torch.matmul(${e.out}q, ${split(b, 'k')}.transpose(-2, -1)), -1)`,
        `${e.out}x = torch.matmul(${e.out}w, ${split(b, 'v')}).transpose(1, 2).reshape(-1, ${t}, 8)`,
        `${e.out} = ${linear(e, `${e.out}x`, c, 8, 'out')}`,
      ].join('\n')
    },
  },
  einsum: {
    draw: one(tokens, width),
    shape: (of, [out]) => resized(of, out as number),
    emit: (e) => {
      const w = e.parameter('w', [channelsOf(same(e.shapes)), 2, (e.numbers[0] as number) / 2])
      return `${e.out} = torch.einsum('btc,chd->bthd', [${e.reads[0]}, ${w}]).flatten(2)`
    },
  },
  weightNorm: {
    draw: one(image, (_, pick) => [pick(WIDTHS), pick([0, 1])]),
    shape: (of, [out]) => resized(of, out as number),
    emit: (e) => {
      const [out, into] = [e.numbers[0] as number, channelsOf(same(e.shapes))]
      const [v, g] = [e.parameter('v', [out, into, 3, 3]), e.parameter('g', [out, 1, 1, 1])]
      const weight = e.numbers[1] ? `torch._weight_norm(${v}, ${g}, 0)` : `${g} * ${v} / ${v}.norm(2, [1, 2, 3], True)`
      return `${e.out} = torch.conv2d(${e.reads[0]}, ${weight}, ${e.parameter('b', [out])}, [1, 1], [1, 1])`
    },
  },
  cell: {
    draw: one(tokens, width),
    shape: (_, [out]) => [out as number],
    emit: (e) => {
      const [out, into] = [e.numbers[0] as number, channelsOf(same(e.shapes))]
      const weights = [
        e.parameter('ih', [3 * out, into]),
        e.parameter('hh', [3 * out, out]),
        e.parameter('bi', [3 * out]),
        e.parameter('bh', [3 * out]),
      ]
      const step = `torch.gru_cell(${e.reads[0]}[:, t], ${e.out}, ${weights.join(', ')})`
      return `${e.out} = torch.zeros([${e.reads[0]}.size(0), ${out}])\nfor t in range(3):\n  ${e.out} = ${step}`
    },
  },
  layer: {
    draw: one(tokens, width),
    shape: (of, [out]) => resized(of, 2 * (out as number)),
    emit: (e) => {
      const [out, into] = [e.numbers[0] as number, channelsOf(same(e.shapes))]
      const weights = ['f', 'r'].flatMap((way) => [
        e.parameter(`${way}ih`, [4 * out, into]),
        e.parameter(`${way}hh`, [4 * out, out]),
      ])
      const state = `torch.zeros([2, ${e.reads[0]}.size(0), ${out}])`
      const run = `torch.lstm(${e.reads[0]}, [${state}, ${state}], [${weights.join(', ')}], False, 1, 0.0, False, True, True)`
      return `${e.out}, ${e.out}h, ${e.out}c = ${run}`
    },
  },
  zeroGate: {
    hostile: true,
    ...map(image, (e, c) => {
      const branch = conv(e, `${e.reads[0]}`, c, c)
      return `${e.out} = ${e.reads[0]} + ${e.parameter('gate', [1, c, 1, 1], true)} * torch.relu(${branch})`
    }),
  },
  twoSplits: {
    hostile: true,
    ...map(
      (s) => image(s) && channelsOf(s) % 6 === 0,
      (e, c) => {
        const by = (n: number, name: string) =>
          `(${e.reads[0]}.view(-1, ${n}, ${c / n}, 4, 4) * ${e.parameter(name, [n, 1, 1, 1])}).reshape(-1, ${c}, 4, 4)`
        return `${e.out} = ${by(2, 'two')} + ${by(3, 'three')}`
      },
    ),
  },
  doubleShuffle: {
    hostile: true,
    ...map(
      (s) => image(s) && divisors(channelsOf(s)).length > 1,
      (e, c) => {
        const [first, second] = divisors(c) as [number, number]
        return `${e.out}a = ${shuffle(`${e.reads[0]}`, first, c)}\n${e.out} = torch.relu(${shuffle(`${e.out}a`, second, c)})`
      },
    ),
  },
  loop: {
    hostile: true,
    ...map(image, (e, c) => {
      const step = conv(e, e.out, c, c)
      return `${e.out} = ${e.reads[0]}\nfor i in range(${e.reads[0]}.size(2) - 2):\n  ${e.out} = torch.relu(${step}) + ${e.out}`
    }),
  },
  branch: {
    hostile: true,
    ...map(any, (e, c) => {
      const shape = image(same(e.shapes)) ? [c, 1, 1] : [c]
      const [a, b] = [e.parameter('a', shape), e.parameter('b', shape)]
      return `if bool(${e.reads[0]}.sum() > 0):\n  ${e.out} = ${e.reads[0]} * ${a}\nelse:\n  ${e.out} = ${e.reads[0]} + ${b}`
    }),
  },
  branchOfWidths: {
    hostile: true,
    ...map(image, (e, c) => {
      const [a, b] = [conv(e, e.reads[0] as string, c, c, 'a'), conv(e, e.reads[0] as string, c, c, 'b')]
      return `if bool(${e.reads[0]}.sum() > 0):\n  ${e.out} = ${a}\nelse:\n  ${e.out} = torch.relu(${b})`
    }),
  },
}

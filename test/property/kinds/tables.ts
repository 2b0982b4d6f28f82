import { channelsOf, type Emission, INT64, type Kind, linear, map, one, same, tokens } from '../kinds.js'

/** Rows of a table; a length is at most half of them. */
export const ROWS = 24

interface Read {
  e: Emission
  x: string
  /** The table, [ROWS, channels]. */
  pe: string
  /** The length of the input, as the program asks for it. */
  T: string
  C: number
}

/** What is added to each position, of [batch, T, C] or less of it. */
type Reading = (of: Read) => string

const READINGS: Readonly<Record<string, Reading>> = {
  slice: ({ pe, T }) => `${pe}[:${T}]`,
  sliceFromEnd: ({ pe, T }) => `${pe}[${pe}.size(0) - ${T}:]`,
  sliceLater: ({ pe, T }) => `${pe}[3:${T} + 3]`,
  negative: ({ pe, T }) => `${pe}[-${T}:]`,
  everySecond: ({ pe, T }) => `${pe}[:2 * ${T}:2]`,
  twoSlices: ({ pe, T }) => `${pe}[:${T}] * ${pe}[2:2 + ${T}]`,
  narrow: ({ pe, T }) => `torch.narrow(${pe}, 0, 2, ${T})`,
  last: ({ pe, T }) => `${pe}[${T} - 1]`,
  select: ({ pe, T }) => `torch.select(${pe}, 0, ${T})`,
  indexSelect: ({ pe, T }) => `torch.index_select(${pe}, 0, torch.arange(${T}))`,
  index: ({ pe, T }) => `${pe}[torch.arange(${T})]`,
  embedding: ({ pe, T }) => `torch.embedding(${pe}, torch.arange(${T}))`,
  offset: ({ pe, T }) => `torch.embedding(${pe}, torch.arange(${T}) + 2)`,
  backwards: ({ pe, T }) => `torch.embedding(${pe}, torch.arange(${T} - 1, -1, -1))`,
  expanded: ({ pe, T, x }) => `torch.embedding(${pe}, torch.arange(${T}).unsqueeze(0).expand(${x}.size(0), ${T}))`,
  counted: ({ pe, x }) => `torch.embedding(${pe}, torch.cumsum((${x}.sum(2) > -1e9).to(${INT64}), 1))`,
  computed: ({ pe, x }) => `torch.embedding(${pe}, torch.clamp(${x}[:, :, 0].abs() * 4, 0, 9).to(${INT64}))`,
  ids: ({ e, pe, T }) => {
    const ids = e.indices(
      'ids',
      Array.from({ length: ROWS }, (_, k) => (5 * k) % ROWS),
    )
    return `torch.embedding(${pe}, ${ids}[:${T}])`
  },
  gather: ({ pe, T }) => `torch.gather(${pe}, 0, torch.arange(${T}).unsqueeze(1).expand(-1, ${pe}.size(1)))`,
  numel: ({ pe, T }) => `${pe}[:${pe}.numel() // ${pe}.size(0) // ${pe}.size(1) * ${T}]`,
  interpolate: ({ pe, T }) => `torch.upsample_linear1d(${pe}.t().unsqueeze(0), [${T}], False)[0].t()`,
  nearest: ({ pe, T }) => `torch.upsample_nearest1d(${pe}.t().unsqueeze(0), [${T}])[0].t()`,
  pooled: ({ pe, T }) => `torch.adaptive_avg_pool1d(${pe}.t(), [${T}]).t()`,
  roll: ({ pe, T }) => `torch.roll(${pe}, [${T}], [0])[:${T}]`,
  flip: ({ pe, T }) => `torch.flip(${pe}, [0])[:${T}]`,
  split: ({ pe, T }) => `torch.split(${pe}, [${T}, ${ROWS} - ${T}], 0)[0]`,
  splitEvenly: ({ pe, T }) => `torch.split(${pe}, ${T}, 0)[0]`,
  unbind: ({ pe, T }) => `torch.stack(torch.unbind(${pe}, 0)[:${T}], 0)`,
  mean: ({ pe, T }) => `${pe}[:${T}].mean(0)`,
  running: ({ pe, T }) => `torch.cumsum(${pe}, 0)[:${T}]`,
  where: ({ pe, T }) =>
    `torch.where(torch.arange(${ROWS}).unsqueeze(1) < ${T}, ${pe}, torch.zeros_like(${pe})).sum(0) * 0.1`,
  masked: ({ e, pe, T }) => `${pe}[:${T}] * ${e.buffer('mask', [ROWS])}[:${T}].unsqueeze(1)`,
  relative: ({ pe, T }) =>
    `${pe}[torch.clamp(torch.arange(${T}).unsqueeze(0) - torch.arange(${T}).unsqueeze(1) + 6, 0, 12)].mean(1)`,
  windows: ({ pe, T }) => `${pe}.unfold(0, 3, 1)[:${T}].mean(-1)`,
  padded: ({ pe, T }) => `torch.constant_pad_nd(${pe}[:2], [0, 0, 0, ${T} - 2])`,
  tiled: ({ pe, T }) => `${pe}[:2].repeat(${T} // 2 + 1, 1)[:${T}]`,
  interleaved: ({ pe, T }) => `torch.repeat_interleave(${pe}[:${T}], 2, 0)[:${T}]`,
  scaled: ({ pe, T }) => `${pe}[:${T}] * float(${pe}.size(1)) ** -0.5`,
  projected: ({ e, T, C }) => linear(e, `${e.parameter('narrow', [ROWS, 5])}[:${T}]`, C, 5, 'widen'),
  convolved: ({ e, pe, T, C }) =>
    `torch.conv1d(${pe}.t().unsqueeze(0), ${e.parameter('kernel', [C, C, 3])}, None, [1], [1])[0].t()[:${T}]`,
  waves: ({ e, x, T, C }) =>
    `torch.sin(torch.arange(${T}).unsqueeze(1) * ${e.buffer('frequencies', [C])}).to(${x}.dtype)`,
  wavesOfWidth: ({ x, T }) =>
    `torch.cos(torch.arange(${T}).unsqueeze(1) * torch.exp(torch.arange(${x}.size(2)) * -0.3)).to(${x}.dtype)`,
}

const table = (reading: Reading): Kind =>
  map(
    tokens,
    (e, C) => {
      const x = e.reads[0] as string
      const [isBuffer, isNested] = e.numbers as [number, number]
      const shape = isNested ? [1, ROWS, C] : [ROWS, C]
      const made = isBuffer ? e.buffer('pe', shape) : e.parameter('pe', shape)
      const lines = [`${e.out}pe = ${isNested ? `${made}[0]` : made}`]
      lines.push(`${e.out} = ${x} + ${reading({ e, x, pe: `${e.out}pe`, T: `${x}.size(1)`, C })}`)
      return lines.join('\n')
    },
    (_, pick) => [pick([0, 1]), pick([0, 1])],
  )

interface Scores {
  e: Emission
  /** [batch, heads, T, T]. */
  scores: string
  T: string
  heads: number
}

const steps = (T: string) => `(torch.arange(${T}).unsqueeze(0) - torch.arange(${T}).unsqueeze(1))`

/** What becomes of the scores of an attention. */
const BIASES: Readonly<Record<string, (of: Scores) => string>> = {
  relativeRows: ({ e, scores, T, heads }) =>
    `${scores} + ${e.parameter('table', [2 * ROWS, heads])}[${steps(T)} + ${ROWS}].permute(2, 0, 1).unsqueeze(0)`,
  relativeColumns: ({ e, scores, T, heads }) =>
    `${scores} + ${e.parameter('table', [heads, 2 * ROWS])}[:, (${steps(T)} + ${ROWS}).view(-1)].view(1, -1, ${T}, ${T})`,
  relativeByElements: ({ e, scores, T, heads }) => {
    const own = e.parameter('table', [2 * ROWS, heads])
    return `${scores} + torch.embedding(${own}, ${steps(T)} + ${own}.numel() // ${own}.size(1) // 2).permute(2, 0, 1)`
  },
  buckets: ({ e, scores, T, heads }) => {
    const bucket = `torch.clamp(${steps(T)}.abs(), 0, 5) + (${steps(T)} > 0).to(${INT64}) * 6`
    return `${scores} + torch.embedding(${e.parameter('table', [12, heads])}, ${bucket}).permute([2, 0, 1]).unsqueeze(0)`
  },
  square: ({ e, scores, T, heads }) => `${scores} + ${e.parameter('table', [heads, ROWS, ROWS])}[:, :${T}, :${T}]`,
  causal: ({ scores, T }) => `${scores}.masked_fill(torch.ones([${T}, ${T}]).tril() == 0, -1e4)`,
  causalTable: ({ e, scores, T }) => `${scores} * ${e.buffer('mask', [1, 1, ROWS, ROWS])}[:, :, :${T}, :${T}]`,
  slopes: ({ e, scores, T, heads }) =>
    `${scores} + (${e.parameter('slopes', [heads, 1, 1])} * ${steps(T)}).to(${scores}.dtype)`,
  temperature: ({ e, scores, heads }) =>
    `${scores} * torch.exp(torch.clamp(${e.parameter('scale', [heads, 1, 1])}, max=1.0))`,
}

const attention = (
  bias: ((of: Scores) => string) | undefined,
  turn: (e: Emission, x: string, d: number, T: string) => string = (_, x) => x,
): Kind =>
  map(
    tokens,
    (e, c) => {
      const [h, d] = e.numbers as [number, number]
      const x = e.reads[0] as string
      const [B, T] = [`${x}.size(0)`, `${x}.size(1)`]
      const head = (name: string) =>
        `${e.out}${name} = ${linear(e, x, h * d, c, name)}.view(${B}, ${T}, ${h}, ${d}).transpose(1, 2)`
      const [q, k, s] = ['q', 'k', 's'].map((name) => `${e.out}${name}`) as [string, string, string]
      return [
        ...['q', 'k', 'v'].map(head),
        `${q} = ${turn(e, q, d, T)}`,
        `${k} = ${turn(e, k, d, T)}`,
        `${s} = torch.matmul(${q}, ${k}.transpose(-2, -1)) * ${q}.size(-1) ** -0.5`,
        `${s} = torch.softmax(${bias ? bias({ e, scores: s, T, heads: h }) : s}, -1)`,
        `${e.out} = ${linear(e, `torch.matmul(${s}, ${e.out}v).transpose(1, 2).reshape(${B}, ${T}, ${h * d})`, c, h * d, 'proj')}`,
      ].join('\n')
    },
    (_, pick) => [pick([2, 3]), pick([2, 4])],
  )

/** Rotary positions of [batch, heads, T, d]. */
const ROTATIONS: Readonly<Record<string, (e: Emission, x: string, d: number, T: string) => string>> = {
  halves: (e, x, d, T) => {
    const turned = `torch.cat([-${x}[..., ${d / 2}:], ${x}[..., :${d / 2}]], -1)`
    return `${x} * ${e.buffer('cos', [ROWS, d])}[:${T}] + ${turned} * ${e.buffer('sin', [ROWS, d])}[:${T}]`
  },
  halvesOfWidth: (e, x, d, T) => {
    const turned = `torch.cat([-${x}[..., ${x}.shape[-1] // 2:], ${x}[..., :${x}.shape[-1] // 2]], -1)`
    const positions = `torch.arange(${T})`
    const [cos, sin] = ['cos', 'sin'].map((name) => `torch.embedding(${e.buffer(name, [ROWS, d])}, ${positions})`)
    return `${x} * ${cos} + ${turned} * ${sin}`
  },
  pairs: (e, x, d, T) => {
    const turned = `torch.stack([-${x}[..., 1::2], ${x}[..., ::2]], -1).flatten(-2)`
    return `${x} * ${e.buffer('cos', [1, 1, ROWS, d])}[:, :, :${T}] + ${turned} * ${e.buffer('sin', [1, 1, ROWS, d])}[:, :, :${T}]`
  },
  frequencies: (e, x, d, T) => {
    const angles = `torch.outer(torch.arange(${T}).to(${x}.dtype), ${e.buffer('frequencies', [d / 2])})`
    const turned = `torch.cat([-${x}.chunk(2, -1)[1], ${x}.chunk(2, -1)[0]], -1)`
    return `${x} * torch.cat([${angles}, ${angles}], -1).cos() + ${turned} * torch.cat([${angles}, ${angles}], -1).sin()`
  },
}

const named = <T>(prefix: string, of: Readonly<Record<string, T>>, kind: (entry: T) => Kind): Record<string, Kind> =>
  Object.fromEntries(Object.entries(of).map(([name, entry]) => [`${prefix}.${name}`, kind(entry)]))

/** Tables whose rows stand for positions: how many of them are read hangs on the input. */
export const TABLES: Readonly<Record<string, Kind>> = {
  ...named('table', READINGS, table),
  ...named('bias', BIASES, (bias) => attention(bias)),
  ...named('rotary', ROTATIONS, (turn) => attention(undefined, turn)),
  'table.loop': map(tokens, (e, C) => {
    const [x, pe] = [e.reads[0] as string, e.parameter('pe', [ROWS, C])]
    return `${e.out} = torch.zeros_like(${x})\nfor t in range(${x}.size(1)):\n  ${e.out}[:, t] = ${x}[:, t] * ${pe}[t]`
  }),
  'table.list': map(tokens, (e, C) => {
    const [x, pe] = [e.reads[0] as string, e.parameter('pe', [1, ROWS, C])]
    return `${e.out}l: List[Tensor] = []\nfor t in range(${x}.size(1)):\n  ${e.out}l.append(${x}[:, t] + ${pe}[:, t])\n${e.out} = torch.stack(${e.out}l, 1)`
  }),
  'table.classToken': map(tokens, (e, C) => {
    const [x, pe, token] = [e.reads[0] as string, e.parameter('pe', [1, ROWS, C]), e.parameter('token', [1, 1, C])]
    const joined = `torch.cat([${token}.expand(${x}.size(0), -1, -1), ${x}], 1)`
    return `${e.out} = ${joined}\n${e.out} = (${e.out} + ${pe}[:, :${e.out}.size(1)])[:, 1:]`
  }),
  'table.embedded': {
    draw: one(tokens, (_, pick) => [pick([6, 8])]),
    shape: (of, [out]) => [same(of)[0] as number, out as number],
    emit: (e) => {
      const [x, out] = [e.reads[0] as string, e.numbers[0] as number]
      const [words, places] = [e.parameter('words', [10, out]), e.parameter('places', [ROWS, out])]
      const ids = `torch.clamp(${x}[:, :, ${channelsOf(same(e.shapes)) - 1}].abs() * 5, 0, 9).to(${INT64})`
      return `${e.out} = torch.embedding(${words}, ${ids}) + torch.embedding(${places}, torch.arange(${x}.size(1)))`
    },
  },
}

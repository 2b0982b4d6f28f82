import { channelsOf, type Emission, type Kind, linear, map, same, tokens } from '../kinds.js'

/** Sequences in a call of a network whose states are those of each sequence. */
export const STREAMS = 2
const SLOTS = 4

interface Of {
  e: Emission
  x: string
  out: string
  c: number
}

const state = (code: (of: Of) => readonly string[]): Kind =>
  map(tokens, (e) => code({ e, x: e.reads[0] as string, out: e.out, c: channelsOf(same(e.shapes)) }).join('\n'))

const gates = (e: Emission, count: number, c: number): string =>
  [
    e.parameter('ih', [count * c, c]),
    e.parameter('hh', [count * c, c]),
    e.parameter('bi', [count * c]),
    e.parameter('bh', [count * c]),
  ].join(', ')

const lstm = (e: Emission, x: string, c: number, h: string, k: string): string =>
  `torch.lstm(${x}, [${h}, ${k}], [${gates(e, 4, c)}], True, 1, 0.0, False, False, True)`

const layered = (keep: (h: string, c: string, out: string) => readonly string[]): Kind =>
  state(({ e, x, out, c }) => {
    const [h, k] = [e.buffer('h', [1, STREAMS, c]), e.buffer('c', [1, STREAMS, c])]
    return [`${out}, ${out}h, ${out}k = ${lstm(e, x, c, h, k)}`, ...keep(h, k, out)]
  })

/** What a network carries from call to call, in buffers. */
export const STATES: Readonly<Record<string, Kind>> = {
  'state.lstmSlices': layered((h, c, out) => [`${h}[:] = ${out}h`, `${c}[:] = ${out}k`]),
  'state.lstmCopies': layered((h, c, out) => [`${h}.copy_(${out}h)`, `${c}.copy_(${out}k)`]),
  'state.lstmAssigns': layered((h, c, out) => [`${h} = ${out}h`, `${c} = ${out}k.detach()`]),
  'state.gru': state(({ e, x, out, c }) => {
    const h = e.buffer('h', [1, STREAMS, c])
    return [
      `${out}, ${out}h = torch.gru(${x}, ${h}, [${gates(e, 3, c)}], True, 1, 0.0, False, False, True)`,
      `${h} = ${out}h`,
    ]
  }),
  'state.gruCell': state(({ e, x, out, c }) => {
    const h = e.buffer('h', [STREAMS, c])
    return [
      `${out}h = torch.gru_cell(${x}[:, -1], ${h}, ${gates(e, 3, c)})`,
      `${h}.copy_(${out}h)`,
      `${out} = ${x} + ${out}h.unsqueeze(1)`,
    ]
  }),
  'state.lstmCell': state(({ e, x, out, c }) => {
    const [h, k] = [e.buffer('h', [STREAMS, c]), e.buffer('c', [STREAMS, c])]
    return [
      `${out}l: List[Tensor] = []`,
      `for t in range(${x}.size(1)):`,
      `  ${out}h, ${out}k = torch.lstm_cell(${x}[:, t], [${h}, ${k}], ${gates(e, 4, c)})`,
      `  ${h} = ${out}h`,
      `  ${k} = ${out}k`,
      `  ${out}l.append(${out}h)`,
      `${out} = torch.stack(${out}l, 1)`,
    ]
  }),
  'state.recurrence': state(({ e, x, out, c }) => {
    const h = e.buffer('h', [STREAMS, c])
    return [
      `${out}h = torch.tanh(${linear(e, h, c, c, 'w')} + ${x}.mean(1))`,
      `${h}[:] = ${out}h`,
      `${out} = ${x} * ${out}h.unsqueeze(1)`,
    ]
  }),
  'state.mean': state(({ e, x, out, c }) => {
    const mean = e.buffer('mean', [c])
    return [`${mean}.mul_(0.9).add_(${x}.mean([0, 1]) * 0.1)`, `${out} = ${x} - ${mean}`]
  }),
  'state.meanAssigned': state(({ e, x, out, c }) => {
    const mean = e.buffer('mean', [c])
    return [`${mean} = ${mean} * 0.9 + ${x}.mean([0, 1]) * 0.1`, `${out} = torch.relu(${x}) * ${mean}`]
  }),
  'state.lerp': state(({ e, x, out, c }) => {
    const mean = e.buffer('mean', [1, 1, c])
    return [`${mean}.lerp_(${x}.mean([0, 1], True), 0.25)`, `${out} = ${x} * ${mean}`]
  }),
  'state.meanOfChannels': state(({ e, x, out }) => {
    const mean = e.buffer('mean', [1])
    return [`${mean}.mul_(0.5).add_(torch.relu(${x}).mean() * 0.5)`, `${out} = ${x} + ${mean}`]
  }),
  'state.batchNorm': state(({ e, x, out, c }) => {
    const [mean, variance] = [e.buffer('running_mean', [c]), e.buffer('running_var', [c])]
    const affine = `${e.parameter('weight', [c])}, ${e.parameter('bias', [c])}`
    return [
      `${out}n = torch.batch_norm(${x}.transpose(1, 2), ${affine}, ${mean}, ${variance}, True, 0.2, 1e-3, False)`,
      `${out} = ${out}n.transpose(1, 2) + ${mean} * ${variance}`,
    ]
  }),
  'state.count': state(({ e, x, out }) => {
    const seen = e.indices('seen', [3])
    return [`${seen}.add_(1)`, `${out} = ${x} * (1.0 + 0.1 * float(int(${seen})))`]
  }),
  'state.countAssigned': state(({ e, x, out }) => {
    const seen = e.indices('seen', [0])
    return [`${seen} = ${seen} + ${x}.size(1)`, `${out} = ${x} + (${seen} % 7).to(${x}.dtype) * 0.1`]
  }),
  'state.countedTable': state(({ e, x, out, c }) => {
    const [seen, table] = [e.indices('seen', [0]), e.parameter('table', [24, c])]
    return [
      `${out} = ${x} + torch.embedding(${table}, (torch.arange(${x}.size(1)) + ${seen}) % 24)`,
      `${seen} += ${x}.size(1)`,
    ]
  }),
  'state.offsetSlice': state(({ e, x, out, c }) => {
    const [seen, table] = [e.indices('seen', [0]), e.parameter('table', [24, c])]
    return [`${out}o = int(${seen} % 3)`, `${out} = ${x} + ${table}[${out}o:${out}o + ${x}.size(1)]`, `${seen}.add_(1)`]
  }),
  'state.ring': state(({ e, x, out, c }) => {
    const [at, ring] = [e.indices('at', [0]), e.buffer('ring', [STREAMS, SLOTS, c])]
    return [
      `${ring}[:, int(${at} % ${SLOTS})] = ${x}.mean(1)`,
      `${at}.add_(1)`,
      `${out} = ${x} + ${ring}.mean(1, keepdim=True)`,
    ]
  }),
  'state.ringPut': state(({ e, x, out, c }) => {
    const [at, ring] = [e.indices('at', [0]), e.buffer('ring', [SLOTS, c])]
    return [
      `${ring}.index_put_([${at} % ${SLOTS}], ${x}.mean([0, 1]).unsqueeze(0))`,
      `${at}.add_(1)`,
      `${out} = ${x} * ${ring}.amax(0)`,
    ]
  }),
  'state.ringCopy': state(({ e, x, out, c }) => {
    const [at, ring] = [e.indices('at', [0]), e.buffer('ring', [SLOTS, c])]
    return [
      `${ring}.index_copy_(0, ${at} % ${SLOTS}, ${x}.mean([0, 1]).unsqueeze(0))`,
      `${at}.add_(1)`,
      `${out} = ${x} - ${ring}.sum(0) * 0.25`,
    ]
  }),
  'state.rolled': state(({ e, x, out, c }) => {
    const past = e.buffer('past', [STREAMS, SLOTS, c])
    return [
      `${past} = torch.roll(${past}, [-1], [1])`,
      `${past}[:, -1] = ${x}[:, -1]`,
      `${out} = ${x} + ${past}.mean(1, keepdim=True)`,
    ]
  }),
  'state.shifted': state(({ e, x, out, c }) => {
    const past = e.buffer('past', [STREAMS, SLOTS, c])
    return [
      `${past}[:, :-1] = ${past}[:, 1:].clone()`,
      `${past}[:, -1] = ${x}[:, 0]`,
      `${out} = torch.relu(${x}) * ${past}[:, 0].unsqueeze(1)`,
    ]
  }),
  'state.cache': state(({ e, x, out, c }) => {
    const past = e.buffer('past', [STREAMS, SLOTS, c])
    return [
      `${out}y = torch.cat([${past}, ${x}], 1)`,
      `${past} = ${out}y[:, -${SLOTS}:]`,
      `${out} = ${out}y[:, ${SLOTS}:] + ${out}y[:, :-${SLOTS}]`,
    ]
  }),
  'state.cachedKeys': state(({ e, x, out, c }) => {
    const [keys, values] = [e.buffer('keys', [STREAMS, SLOTS, c]), e.buffer('values', [STREAMS, SLOTS, c])]
    return [
      `${out}k = torch.cat([${keys}, ${linear(e, x, c, c, 'k')}], 1)`,
      `${out}v = torch.cat([${values}, ${linear(e, x, c, c, 'v')}], 1)`,
      `${keys}.copy_(${out}k[:, -${SLOTS}:])`,
      `${values}.copy_(${out}v[:, -${SLOTS}:])`,
      `${out}a = torch.matmul(${linear(e, x, c, c, 'q')}, ${out}k.transpose(1, 2)) * 0.3`,
      `${out} = torch.matmul(torch.softmax(${out}a, -1), ${out}v)`,
    ]
  }),
  'state.convolution': state(({ e, x, out, c }) => {
    const past = e.buffer('past', [STREAMS, c, 2])
    return [
      `${out}y = torch.cat([${past}, ${x}.transpose(1, 2)], 2)`,
      `${past}[:] = ${out}y[:, :, -2:]`,
      `${out} = torch.conv1d(${out}y, ${e.parameter('w', [c, c, 3])}, ${e.parameter('b', [c])}).transpose(1, 2)`,
    ]
  }),
  'state.depthwise': state(({ e, x, out, c }) => {
    const past = e.buffer('past', [STREAMS, c, 2])
    return [
      `${out}y = torch.cat([${past}, ${x}.transpose(1, 2)], 2)`,
      `${past} = ${out}y[:, :, ${out}y.size(2) - 2:]`,
      `${out} = torch.conv1d(${out}y, ${e.parameter('w', [c, 1, 3])}, None, [1], [0], [1], ${out}y.size(1)).transpose(1, 2)`,
    ]
  }),
  'state.last': state(({ e, x, out, c }) => {
    const last = e.buffer('last', [STREAMS, c])
    return [`${out} = ${x} - ${last}.unsqueeze(1)`, `${last}.copy_(${x}[:, -1])`]
  }),
  'state.lastByIndex': state(({ e, x, out, c }) => {
    const last = e.buffer('last', [STREAMS, 2, c])
    return [
      `${out} = ${x} * ${last}[:, 0].unsqueeze(1) + ${last}[:, 1].unsqueeze(1)`,
      `torch.select(${last}, 1, 0).copy_(${x}[:, -1])`,
      `torch.narrow(${last}, 1, 1, 1).copy_(${x}[:, :1])`,
    ]
  }),
  'state.flag': state(({ e, x, out, c }) => {
    const [seen, first] = [e.indices('seen', [0]), e.buffer('first', [STREAMS, c])]
    return [
      `if int(${seen}) == 0:`,
      `  ${first}.copy_(${x}[:, 0])`,
      `${seen}.add_(1)`,
      `${out} = ${x} + ${first}.unsqueeze(1)`,
    ]
  }),
  'state.reset': state(({ e, x, out, c }) => {
    const [seen, sum] = [e.indices('seen', [0]), e.buffer('sum', [c])]
    return [
      `if int(${seen} % 2) == 0:`,
      `  ${sum}.zero_()`,
      `${seen}.add_(1)`,
      `${sum}.add_(${x}.mean([0, 1]))`,
      `${out} = ${x} * ${sum}`,
    ]
  }),
  'state.masked': state(({ e, x, out, c }) => {
    const last = e.buffer('last', [STREAMS, c])
    return [
      `${out}m = ${x}.sum([1, 2]) > 0`,
      `${last} = torch.where(${out}m.unsqueeze(1), ${last} * 0.5 + ${x}[:, -1], ${last})`,
      `${out} = torch.relu(${x}) + ${last}.unsqueeze(1)`,
    ]
  }),
  'state.weights': state(({ e, x, out, c }) => {
    const memory = e.buffer('memory', [c, 3])
    return [
      `${memory}.mul_(0.5).add_(${linear(e, `${x}.mean([0, 1])`, 3 * c, c, 'w')}.view(${x}.size(2), 3) * 0.1)`,
      `${out} = ${x} + torch.matmul(torch.softmax(torch.matmul(${x}, ${memory}), -1), ${memory}.t())`,
    ]
  }),
}

import { setThreads } from 'espalier'
import { beforeAll, describe, expect, it } from 'vitest'
import { hold } from '../property/law.js'

beforeAll(() => setThreads(1))

/** A network of tokens [batch, steps, 6]; the first shape is the example, the others have other lengths and batches. */
interface Network {
  code: string
  parameters: Record<string, number[]>
  buffers?: Record<string, number[]>
  inputs?: number[][]
}

const TOKENS = [
  [2, 5, 6],
  [2, 9, 6],
  [3, 4, 6],
]
const ALONE = [
  [1, 5, 6],
  [4, 5, 6],
  [3, 7, 6],
]

/** Cuts half of everything on the first input, and compares with the masked source on every input. */
async function cut({ code, parameters, buffers = {}, inputs = TOKENS }: Network) {
  const lines = code.trim().split('\n')
  const text = `def forward(self, x: Tensor) -> Tensor:\n${lines.map((line) => `  ${line}`).join('\n')}\n`
  const shapes = Object.entries(parameters).map(([name, shape]) => [name, { shape, zero: false }])
  const source = { text, parameters: Object.fromEntries(shapes), buffers }
  return hold({ source, seed: 3, inputs, exact: false })
}

/** `cut`, or what else came of it. */
const told = (verdict: Awaited<ReturnType<typeof cut>>) =>
  verdict.outcome === 'cut' ? 'cut' : verdict.outcome === 'wrong' ? verdict.why : verdict.message

const grouped = (verdict: Awaited<ReturnType<typeof cut>>) => (verdict.outcome === 'cut' ? verdict.groups.flat() : [])

/** `table` is what is added to the embedded steps. */
const withTable = (table: string, more = ''): string => `
h = torch.linear(x, self.i)
${more}
h = h + ${table}
h = h + torch.linear(torch.relu(torch.linear(h, self.f)), self.g)
return torch.linear(h, self.o)`
const STREAM = { i: [16, 6], f: [12, 16], g: [16, 12], o: [3, 16] }

describe('a table that is read by the size of the input stays whole along that dimension', () => {
  const table = { ...STREAM, pe: [1, 20, 16] }
  it.each([
    ['a slice', withTable('self.pe[:, :x.size(1)]')],
    ['a slice from the end', withTable('self.pe[:, self.pe.size(1) - x.size(1):]')],
    ['narrow', withTable('torch.narrow(self.pe, 1, 2, x.size(1))')],
    ['one row, picked by the length', withTable('self.pe[:, x.size(1) - 1].unsqueeze(1)')],
    ['index_select', withTable('torch.index_select(self.pe, 1, torch.arange(x.size(1)))')],
    ['an embedding of positions', withTable('torch.embedding(self.pe[0], torch.arange(x.size(1)))')],
    ['a split', withTable('h0', 'h0, h1 = torch.split(self.pe, [x.size(1), 20 - x.size(1)], 1)')],
    ['a roll', withTable('torch.roll(self.pe, [x.size(1)], [1])[:, :x.size(1)]')],
    ['every second row', withTable('self.pe[:, :2 * x.size(1):2]')],
    ['a number of rows from its elements', withTable('self.pe[:, :self.pe.numel() // 320 * x.size(1)]')],
    ['a mean of what was read', withTable('self.pe[:, :x.size(1)].mean(1, keepdim=True)')],
  ])('%s', async (_, code) => {
    const verdict = await cut({ code, parameters: table })
    expect(told(verdict)).toBe('cut')
    expect(grouped(verdict)).toContain('pe')
  })

  it('a buffer', async () => {
    const code = withTable('self.pe[:, :x.size(1)]')
    expect(told(await cut({ code, parameters: STREAM, buffers: { pe: [1, 20, 16] } }))).toBe('cut')
  })

  it('a table that is filled up to the length', async () => {
    const code = withTable('torch.constant_pad_nd(self.pe, [0, 0, 0, x.size(1) - 3])')
    expect(told(await cut({ code, parameters: { ...STREAM, pe: [1, 3, 16] } }))).toBe('cut')
  })

  it('a row that each sample gets', async () => {
    const code = withTable('h0', 'h0 = self.pe.expand(x.size(0), -1, -1).mean(1, keepdim=True)')
    expect(told(await cut({ code, parameters: { ...STREAM, pe: [1, 3, 16] }, inputs: ALONE }))).toBe('cut')
  })

  it('rows of which a loop takes one after the other', async () => {
    const code = `
h = torch.linear(x, self.i)
y = torch.zeros_like(h)
for t in range(x.size(1)):
  y[:, t] = h[:, t] * self.pe[0, t]
return torch.linear(torch.relu(y), self.o)`
    expect(told(await cut({ code, parameters: { i: [16, 6], pe: [1, 20, 16], o: [3, 16] } }))).toBe('cut')
  })
})

describe('numbers that are computed from sizes', () => {
  const heads = { i: [16, 6], q: [16, 16], k: [16, 16], v: [16, 16], pos: [5, 16], o: [3, 16] }
  const split = (name: string, of: string) =>
    `${name} = torch.linear(${of}, self.${name}).view(B, T, 4, 4).permute(0, 2, 1, 3).reshape(-1, T, 4)`
  const attention = (batch: string) => `
x = torch.linear(x, self.i)
B, T = x.size(0), x.size(1)
${['q', 'k', 'v'].map((name) => split(name, 'x')).join('\n')}
p = torch.linear(self.pos, self.k).view(1, 5, 4, 4).permute(0, 2, 1, 3).reshape(4, 5, 4)[:, :1]
p = p.repeat(${batch}, 1, 1)
a = torch.bmm(q, k.transpose(1, 2)) + torch.bmm(q, p.transpose(1, 2))
y = torch.bmm(torch.softmax(a, -1), v)
y = y.view(-1, 4, T, 4).permute(0, 2, 1, 3).reshape(B, T, -1)
return torch.linear(y, self.o)`

  it.each([
    ['the batch, floored out of batch x heads', attention('q.size(0) // 4'), TOKENS],
    ['the same of a batch of one', attention('q.size(0) // 4'), ALONE],
    ['through tensors, as traces do it', attention('int(torch.floor_divide(torch.tensor(q.size(0)), 4))'), TOKENS],
    ['through a list of sizes', attention('q.shape[0] // 4'), ALONE],
    ['through a list that is cut', attention('q.shape[:-1][0] // 4'), ALONE],
    ['a sum with what stays', attention('(q.size(0) + 4 * T) // 4 - T'), ALONE],
    ['the larger of two', attention('max(q.size(0) // 4, 1)'), ALONE],
    ['elements over elements', attention('q.numel() // (16 * T)'), ALONE],
  ])('%s', async (_, code, inputs) => {
    const verdict = await cut({ code, parameters: heads, inputs })
    expect(told(verdict)).toBe('cut')
    expect(grouped(verdict)).toContain('q')
  })

  const rest = { i: [16, 6], a: [4, 10], b: [4, 6] }
  it.each([
    ['a width less a constant', 'u, w = torch.split(h, [10, h.size(2) - 10], 2)'],
    ['a slice up to a width less a constant', 'u, w = h[:, :, :h.size(2) - 6], h[:, :, 10:]'],
    ['a width floored', 'u, w = h[:, :, :h.size(2) * 5 // 8], h[:, :, h.size(2) * 5 // 8:]'],
    ['elements of a weight', 'n = self.i.numel() // 6\nu, w = h[:, :, :n - 6], h[:, :, n - 6:n]'],
    ['narrow by widths', 'u, w = torch.narrow(h, 2, 0, h.size(2) - 6), torch.narrow(h, 2, h.size(2) - 6, 6)'],
  ])('%s', async (_, parts) => {
    const code = `
h = torch.linear(x, self.i)
${parts}
return torch.linear(torch.tanh(u), self.a) + torch.linear(torch.relu(w), self.b)`
    const verdict = await cut({ code, parameters: rest })
    expect(told(verdict)).toBe('cut')
    expect(grouped(verdict)).toContain('i')
  })

  it.each([
    ['-1 for what is cut', 'h.view(h.size(0), h.size(1), 4, -1).sum(2)', [3, 4]],
    ['-1 for what is not', 'h.view(-1, 16).view(x.size(0), -1, 16)', [3, 16]],
    ['a product of sizes', 'h.view(h.size(0) * h.size(1) * h.size(2)).view(h.size(0), h.size(1), -1)', [3, 16]],
    ['a width divided', 'h.view(h.size(0), h.size(1), 4, h.size(2) // 4).sum(2)', [3, 4]],
    ['a width in the scale', 'h / float(h.size(2)) ** 0.5', [3, 16]],
    ['steps times a width in the scale', 'h / float(h.size(1) * h.size(2))', [3, 16]],
    ['zeros of a width', 'h + torch.zeros(h.size(0), h.size(1), 16)', [3, 16]],
  ])('%s', async (_, shape, o) => {
    const code = `h = torch.linear(x, self.i)\ny = ${shape}\nreturn torch.linear(torch.relu(y), self.o)`
    const verdict = await cut({ code, parameters: { i: [16, 6], o } })
    expect(told(verdict)).toBe('cut')
    expect(grouped(verdict)).toContain('i')
  })

  it('a width joined to a length stays whole', async () => {
    const code = `
h = torch.linear(x, self.i).mean(1)
y = torch.cat([h, x.sum(2)], 1)
return torch.linear(torch.relu(torch.linear(y.cumsum(1)[:, -1:], self.a)), self.o)`
    const parameters = { i: [16, 6], a: [8, 1], o: [3, 8] }
    expect(grouped(await cut({ code, parameters }))).not.toContain('i')
  })

  it('a width that is an output stays whole', async () => {
    const code = 'h = torch.linear(x, self.i)\nreturn torch.linear(h, self.o) + h.size(2)'
    expect(told(await cut({ code, parameters: { i: [16, 6], o: [3, 16] } }))).toBe('cut')
  })

  it('a width that counts rounds', async () => {
    const code = `
h = torch.linear(x, self.i)
y = h
for k in range(h.size(2) // 4):
  y = torch.relu(torch.linear(y, self.w)) + h
return torch.linear(y, self.o)`
    expect(told(await cut({ code, parameters: { i: [16, 6], w: [16, 16], o: [3, 16] } }))).toBe('cut')
  })
})

describe('a dimension that is cut to one', () => {
  it.each([
    ['squeeze()', 'h.mean(1, keepdim=True).squeeze()'],
    ['squeeze() in place', 'torch.relu(h).mean(1, keepdim=True).squeeze_()'],
    ['squeeze of one that is named', 'h.mean(1).squeeze(1)'],
  ])('does not vanish with %s', async (_, code) => {
    const verdict = await cut({
      code: `h = torch.linear(x, self.i)\ny = ${code}\nreturn torch.linear(y, self.o)`,
      parameters: { i: [2, 6], o: [3, 2] },
    })
    expect(told(verdict)).toBe('cut')
    expect(grouped(verdict)).toContain('i')
  })
})

describe('branches and rounds that are the same for every input', () => {
  const inner = (n: number) =>
    Array.from({ length: n }, (_, i) => `  if k == ${i}:\n    y = torch.linear(maps[k], self.w${i})`).join('\n')
  it('`if i == index` chains of a pyramid are folded', async () => {
    const code = `
maps = [torch.linear(x, self.a), torch.linear(x, self.b)]
maps.append(torch.linear(x, self.c))
out = torch.zeros([1])
for k in range(len(maps)):
  y = maps[k]
${inner(3)}
  out = out + torch.relu(y)
return torch.linear(out, self.o)`
    const parameters = { a: [8, 6], b: [10, 6], c: [12, 6], w0: [16, 8], w1: [16, 10], w2: [16, 12], o: [3, 16] }
    const verdict = await cut({ code, parameters })
    expect(told(verdict)).toBe('cut')
    expect(new Set(grouped(verdict))).toEqual(new Set(Object.keys(parameters)))
  })

  it('a round that only a longer input reaches is not', async () => {
    const code = `
y = torch.linear(x, self.a)
for t in range(x.size(1)):
  if t == 7:
    y = y + torch.linear(x, self.b)
return torch.linear(torch.relu(y), self.o)`
    expect(await cut({ code, parameters: { a: [16, 6], b: [16, 6], o: [3, 16] } })).not.toMatchObject({
      outcome: 'wrong',
    })
  })

  it('a number that rounds add up is not constant', async () => {
    const code = `
n = 0
for t in range(x.size(1)):
  n += 1
${withTable('self.pe[:, :n]').trim()}`
    expect(told(await cut({ code, parameters: { ...STREAM, pe: [1, 20, 16] } }))).toBe('cut')
  })

  it.each([
    ['a row that rounds count', 'n = 0', 'y[:, t] = h[:, t] * self.pe[0, n]\n  n += 1', 'y'],
    [
      'rows that rounds have joined',
      'y = h[:, :0]',
      'y = torch.cat([y, h[:, t:t + 1]], 1)',
      'y + self.pe[:, :y.size(1)]',
    ],
    [
      'rows that rounds have put on a list',
      'rows: List[Tensor] = []',
      'rows.append(h[:, t])',
      'torch.stack(rows, 1) + self.pe[:, :torch.stack(rows, 1).size(1)]',
    ],
    [
      'the length of a list that rounds fill',
      'rows: List[Tensor] = []',
      'rows.append(h[:, t])',
      'h + self.pe[:, :len(rows)]',
    ],
  ])('%s: the table stays whole', async (_, before, round, result) => {
    const code = `
h = torch.linear(x, self.i)
y = torch.zeros_like(h)
${before}
for t in range(x.size(1)):
  ${round}
return torch.linear(torch.relu(${result}), self.o)`
    expect(told(await cut({ code, parameters: { i: [16, 6], pe: [1, 20, 16], o: [3, 16] } }))).toBe('cut')
  })

  it('a number that a branch on the length chooses is not constant', async () => {
    const code = `
n = 1
if x.size(1) > 6:
  n = 4
h = torch.linear(x, self.i) * self.pe[:, :n].sum(1, keepdim=True)
return torch.linear(torch.relu(h), self.o)`
    expect(told(await cut({ code, parameters: { i: [16, 6], pe: [1, 20, 16], o: [3, 16] } }))).toBe('cut')
  })
})

describe('what a branch or a round writes to a list from outside', () => {
  it('numbers of a branch on the length: what they decide is cut along', async () => {
    const code = `
shift = [1, 1]
if x.size(1) < 6:
  shift[0] = 0
h = torch.linear(x, self.i).view(x.size(0), x.size(1), 4, 4)
if shift[0] + shift[1] > 1:
  h = torch.roll(h, [1], [1]).reshape(x.size(0) * x.size(1), 4, 4)
  h = h.view(x.size(0), x.size(1), 4, 4) * 2.0
return torch.linear(torch.relu(h).flatten(2), self.o)`
    const verdict = await cut({ code, parameters: { i: [16, 6], o: [3, 16] } })
    expect(told(verdict)).toBe('cut')
    expect(grouped(verdict)).toContain('i')
  })

  it('numbers of a branch: a table that they index stays whole', async () => {
    const code = `
rows = [1]
if x.size(1) > 6:
  rows[0] = 4
h = torch.linear(x, self.i) * self.pe[:, :rows[0]].sum(1, keepdim=True)
return torch.linear(torch.relu(h), self.o)`
    expect(told(await cut({ code, parameters: { i: [16, 6], pe: [1, 20, 16], o: [3, 16] } }))).toBe('cut')
  })

  it('numbers of rounds: a table that they index stays whole', async () => {
    const code = `
row = [0]
h = torch.linear(x, self.i)
y = torch.zeros_like(h)
for t in range(x.size(1)):
  y[:, t] = h[:, t] * self.pe[0, row[0]]
  row[0] = row[0] + 1
return torch.linear(torch.relu(y), self.o)`
    expect(told(await cut({ code, parameters: { i: [16, 6], pe: [1, 20, 16], o: [3, 16] } }))).toBe('cut')
  })

  it('one map or another: their channels are one', async () => {
    const code = `
maps = [torch.linear(x, self.a)]
if x.size(1) < 6:
  maps.append(torch.linear(x, self.b))
else:
  maps.append(torch.linear(x, self.c))
return torch.linear(torch.relu(maps[0]), self.o) + torch.linear(torch.relu(maps[1]), self.p)`
    const parameters = { a: [16, 6], b: [8, 6], c: [8, 6], o: [3, 16], p: [3, 8] }
    const verdict = await cut({ code, parameters })
    expect(told(verdict)).toBe('cut')
    expect(verdict.outcome === 'cut' && verdict.groups).toContainEqual(['b', 'c', 'p'])
  })
})

describe('numbers that decide how a network goes on', () => {
  const net = (body: string) => `h = torch.linear(x, self.i)\n${body}\nreturn torch.linear(torch.relu(y), self.o)`
  const weights = { i: [16, 6], o: [3, 16] }

  it.each([
    ['rounds up to a width', 'y = h\nk = 0\nwhile k < h.size(2):\n  y = torch.tanh(y) + h\n  k += 4', 'prim::Loop'],
    [
      'rounds that halve a width',
      'y = h\nn = h.size(2)\nwhile n > 4:\n  y = torch.tanh(y) + h\n  n = n // 2',
      'prim::Loop',
    ],
    [
      'a width that is put on a list',
      's: List[int] = []\ns.append(h.size(2))\ns.append(h.size(1))\ny = h / float(sum(s))',
      'aten::div',
    ],
  ])('%s: it stays whole, with the operator named', async (_, body, operator) => {
    const verdict = await cut({ code: net(body), parameters: weights })
    expect(verdict).toMatchObject({ outcome: 'refused', code: 'ERR_NOTHING_PRUNABLE' })
    expect(told(verdict)).toContain(`width in arithmetic by ${operator}`)
  })

  it('as many parts as a width says', async () => {
    const body = 'parts = torch.chunk(h, h.size(2) // 8, 2)\ny = torch.cat([parts[1], torch.tanh(parts[0])], 2)'
    const verdict = await cut({ code: net(body), parameters: weights })
    expect(told(verdict)).toBe('cut')
    expect(grouped(verdict)).toContain('i')
  })

  it.each([
    ['data', 'bool(y.sum() > 1e9)'],
    ['the length', 'k > x.size(1) - 4'],
  ])('rounds that %s ends early', async (_, condition) => {
    const body = `y = h\nfor k in range(4):\n  y = torch.tanh(torch.linear(y, self.w)) + h\n  if ${condition}:\n    break`
    const verdict = await cut({ code: net(body), parameters: { ...weights, w: [16, 16] } })
    expect(told(verdict)).toBe('cut')
    expect(grouped(verdict)).toContain('w')
  })

  it('what is missing on short inputs alone is no branch that is closed', async () => {
    const body = 'm: Optional[Tensor] = None\nif x.size(1) > 6:\n  m = self.g\ny = h\nif m is not None:\n  y = h * m'
    const verdict = await cut({ code: net(body), parameters: { ...weights, g: [16] } })
    expect(told(verdict)).toContain('unexecuted branch by prim::If')
  })
})

describe('what nobody reads, but runs', () => {
  it.each([
    [
      'a list of maps of which one is read',
      'maps = [torch.linear(h, self.u)]\nmaps.append(torch.linear(h, self.w))',
      'maps[1]',
    ],
    ['a map that is changed in place', 'u = torch.linear(h, self.u)\nu.relu_()', 'torch.linear(h, self.w)'],
    [
      'in a loop',
      'w = torch.linear(h, self.w)\nfor t in range(x.size(1)):\n  u = torch.linear(h, self.u)\n  u.mul_(2.0)',
      'w',
    ],
    ['a check', 'u = torch.linear(h, self.u)\nassert u.size(2) == 9', 'torch.linear(h, self.w)'],
  ])('%s', async (_, code, read) => {
    const whole = `h = torch.relu(torch.linear(x, self.i))\n${code}\nreturn torch.linear(torch.relu(${read}), self.o)`
    const verdict = await cut({ code: whole, parameters: { i: [16, 6], u: [9, 16], w: [8, 16], o: [3, 8] } })
    expect(told(verdict)).toBe('cut')
    expect(grouped(verdict)).toContain('i')
  })
})

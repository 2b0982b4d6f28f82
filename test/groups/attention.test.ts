import { describe, it } from 'vitest'
import { integers, uniform } from '../support/networks.js'
import { type Case, checkCase } from './worked.js'

const image =
  (channels = 3, size = 4) =>
  () => [uniform([2, channels, size, size])]
const sequence = (tokens: number, channels: number) => () => [uniform([2, tokens, channels])]

const CASES: Case[] = [
  {
    title: 'fused queries, keys and values: three factors, of which the 3 is fixed',
    source: `def forward(self, x: Tensor) -> Tensor:
      x = torch.linear(x, self.embed)
      qkv = torch.linear(x, self.qkv, self.qkvb).reshape(x.size(0), x.size(1), 3, 2, 4).permute(2, 0, 3, 1, 4)
      q, k, v = qkv.unbind(0)
      w = torch.softmax(torch.matmul(q * 0.5, k.transpose(-2, -1)), -1)
      y = torch.matmul(w, v).transpose(1, 2).reshape(x.size(0), x.size(1), 8)
      return torch.linear(torch.linear(y, self.proj), self.head)`,
    parameters: { embed: [10, 6], qkv: [24, 10], qkvb: [24], proj: [12, 8], head: [5, 12] },
    inputs: sequence(7, 6),
    groups: [
      'channels 10: embed.0 qkv.1',
      'heads 2: qkv.0 qkvb.0 proj.1',
      'head-dims 4: qkv.0 qkvb.0 proj.1',
      'channels 12: proj.0 head.1',
    ],
  },
  {
    title: 'queries, keys and values by chunk: those of the values are cut apart from those of the queries',
    source: `def forward(self, x: Tensor) -> Tensor:
      q, k, v = torch.linear(x, self.qkv).chunk(3, -1)
      q = q.view(x.size(0), x.size(1), 2, 4).transpose(1, 2)
      k = k.view(x.size(0), x.size(1), 2, 4).transpose(1, 2)
      v = v.view(x.size(0), x.size(1), 2, 4).transpose(1, 2)
      y = torch.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
      return torch.linear(y, self.proj)`,
    parameters: { qkv: [24, 6], proj: [5, 8] },
    inputs: sequence(7, 6),
    groups: ['heads 2: qkv.0 proj.1', 'head-dims 4: qkv.0', 'head-dims 4: qkv.0 proj.1'],
  },
  {
    title: 'heads folded into the batch: view(tokens, batch * heads, dims)',
    source: `def forward(self, x: Tensor) -> Tensor:
      x = x.transpose(0, 1)
      q, k, v = torch.linear(x, self.qkv).chunk(3, -1)
      q = q.contiguous().view(x.size(0), x.size(1) * 2, 4).transpose(0, 1)
      k = k.contiguous().view(x.size(0), x.size(1) * 2, 4).transpose(0, 1)
      v = v.contiguous().view(x.size(0), x.size(1) * 2, 4).transpose(0, 1)
      y = torch.bmm(torch.softmax(torch.bmm(q, k.transpose(1, 2)), -1), v)
      return torch.linear(y.transpose(0, 1).contiguous().view(x.size(0), x.size(1), 8), self.proj)`,
    parameters: { qkv: [24, 6], proj: [5, 8] },
    inputs: sequence(7, 6),
    groups: ['heads 2: qkv.0 proj.1', 'head-dims 4: qkv.0', 'head-dims 4: qkv.0 proj.1'],
  },
  {
    title: 'grouped queries: each head of the keys and values serves two of the queries',
    source: `def forward(self, x: Tensor) -> Tensor:
      q = torch.linear(x, self.q).view(x.size(0), x.size(1), 4, 3).transpose(1, 2)
      k = torch.linear(x, self.k).view(x.size(0), x.size(1), 2, 3).transpose(1, 2)
      v = torch.linear(x, self.v).view(x.size(0), x.size(1), 2, 3).transpose(1, 2)
      k = k[:, :, None].expand(x.size(0), 2, 2, x.size(1), 3).reshape(x.size(0), 4, x.size(1), 3)
      v = v[:, :, None].expand(x.size(0), 2, 2, x.size(1), 3).reshape(x.size(0), 4, x.size(1), 3)
      y = torch.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
      return torch.linear(y, self.proj)`,
    parameters: { q: [12, 6], k: [6, 6], v: [6, 6], proj: [5, 12] },
    inputs: sequence(7, 6),
    groups: ['heads 2: q.0 k.0 v.0 proj.1', 'heads 2: q.0 proj.1', 'head-dims 3: q.0 k.0', 'head-dims 3: v.0 proj.1'],
  },
  {
    title: 'multi-query attention: one head of keys and one of values, taken by number',
    source: `def forward(self, x: Tensor) -> Tensor:
      z = torch.linear(x, self.qkv).view(x.size(0), x.size(1), 5, 4)
      q = z[:, :, :-2].transpose(1, 2)
      k = z[:, :, self.k.to(x.device)].transpose(1, 2)
      v = z[:, :, self.v.to(x.device)].transpose(1, 2)
      y = torch.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
      return torch.linear(y, self.proj)`,
    parameters: { qkv: [20, 6], proj: [5, 12] },
    buffers: () => ({ k: integers([-2]), v: integers([-1]) }),
    inputs: sequence(7, 6),
    groups: ['head-dims 4: qkv.0 proj.1', 'heads 3: qkv.0 proj.1'],
  },
  {
    title: 'multi-query attention whose heads stand with the positions in the rows',
    source: `def forward(self, x: Tensor) -> Tensor:
      n, t = x.size(0), x.size(1)
      q, kv = torch.linear(x, self.qkv).split([12, 8], -1)
      k, v = kv.split([4, 4], -1)
      w = torch.bmm(q.reshape(n, t * 3, 4), k.transpose(1, 2)).view(n, t, 3, t)
      y = torch.bmm(torch.softmax(w, -1).view(n, t * 3, t), v).view(n, t, 12)
      return torch.linear(y, self.proj)`,
    parameters: { qkv: [20, 6], proj: [5, 12] },
    inputs: sequence(7, 6),
    groups: ['head-dims 4: qkv.0', 'heads 3: qkv.0 proj.1', 'head-dims 4: qkv.0 proj.1'],
  },
  {
    title: 'cosine attention: queries and keys of length one, a temperature for each head',
    source: `def unit(self, x: Tensor) -> Tensor:
      return x / torch.linalg_vector_norm(x, 2, [-1], True).clamp_min(1e-12).expand_as(x)
    def forward(self, x: Tensor) -> Tensor:
      q, k, v = torch.linear(x, self.qkv).reshape(x.size(0), x.size(1), 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
      w = torch.softmax(torch.matmul(self.unit(q), self.unit(k).transpose(-2, -1)) * self.heat.exp(), -1)
      return torch.linear(torch.matmul(w, v).transpose(1, 2).flatten(2), self.proj)`,
    parameters: { qkv: [24, 6], heat: [2, 1, 1], proj: [5, 8] },
    inputs: sequence(7, 6),
    groups: ['head-dims 4: qkv.0 proj.1', 'heads 2: qkv.0 heat.0 proj.1'],
  },
  {
    title: 'attention across channels: a softmax over the dimensions of a head keeps them, the heads go',
    source: `def forward(self, x: Tensor) -> Tensor:
      q, k, v = torch.linear(x, self.qkv).reshape(x.size(0), x.size(1), 3, 2, 4).permute(2, 0, 3, 4, 1).unbind(0)
      w = torch.softmax(torch.matmul(q, k.transpose(-2, -1)), -1)
      return torch.linear(torch.matmul(w, v).permute(0, 3, 1, 2).flatten(2), self.proj)`,
    parameters: { qkv: [24, 6], proj: [5, 8] },
    inputs: sequence(7, 6),
    groups: ['heads 2: qkv.0 proj.1'],
  },
  {
    title: 'projections by grouped convolutions, a group a head',
    source: `def forward(self, x: Tensor) -> Tensor:
      x = torch.linear(x, self.embed).transpose(1, 2)
      q = torch.conv1d(x, self.q, None, [1], [0], [1], 2).unflatten(1, [2, 4]).transpose(2, 3)
      k = torch.conv1d(x, self.k, None, [1], [0], [1], 2).unflatten(1, [2, 4])
      v = torch.conv1d(x, self.v, None, [1], [0], [1], 2).unflatten(1, [2, 4]).transpose(2, 3)
      y = torch.matmul(torch.softmax(torch.matmul(q, k), -1), v).transpose(2, 3).flatten(1, 2)
      return torch.conv1d(y, self.proj)`,
    parameters: { embed: [8, 6], q: [8, 4, 1], k: [8, 4, 1], v: [8, 4, 1], proj: [5, 8, 1] },
    inputs: sequence(7, 6),
    groups: [
      'channels 4: embed.0 q.1 k.1 v.1',
      'head-dims 4: q.0 k.0',
      'head-dims 4: v.0 proj.1',
      'heads 2: embed.0 q.0 k.0 v.0 proj.1',
    ],
  },
  {
    title: 'relative positions: a column of the table is a head, its rows are found by index',
    source: `def forward(self, x: Tensor) -> Tensor:
      qkv = torch.linear(x, self.qkv).reshape(x.size(0), 4, 3, 2, 4).permute(2, 0, 3, 1, 4)
      q, k, v = qkv[0], qkv[1], qkv[2]
      bias = self.table[self.index].view(4, 4, -1).permute(2, 0, 1).unsqueeze(0)
      w = torch.softmax(torch.matmul(q, k.transpose(-2, -1)) + bias, -1)
      return torch.linear(torch.matmul(w, v).transpose(1, 2).reshape(x.size(0), 4, 8), self.proj)`,
    parameters: { qkv: [24, 6], table: [9, 2], proj: [5, 8] },
    buffers: () => ({ index: integers(Array.from({ length: 16 }, (_, i) => (i * 5) % 9)) }),
    inputs: sequence(4, 6),
    groups: ['heads 2: qkv.0 table.1 proj.1', 'head-dims 4: qkv.0 proj.1'],
    frozen: ['table.0: rows by index'],
  },
  {
    title: 'ViT: a class token and positions share the channels of the patches, the tokens are fixed',
    source: `def forward(self, x: Tensor) -> Tensor:
      t = torch.conv2d(x, self.patch, self.patchb, [2, 2]).flatten(2).transpose(1, 2)
      t = torch.cat([self.cls.expand(t.size(0), -1, -1), t], 1) + self.pos
      return torch.linear(t[:, 0], self.head)`,
    parameters: { patch: [8, 3, 2, 2], patchb: [8], cls: [1, 1, 8], pos: [1, 5, 8], head: [5, 8] },
    inputs: image(),
    groups: ['channels 8: patch.0 patchb.0 cls.2 pos.2 head.1'],
    frozen: ['pos.1: tied to a fixed axis'],
  },
  {
    title: 'attention by einsum, with head and dimension as dimensions of the weights',
    source: `def forward(self, x: Tensor) -> Tensor:
      q = torch.einsum('btc,chd->bthd', [x, self.q])
      k = torch.einsum('btc,chd->bthd', [x, self.k])
      v = torch.einsum('btc,chd->bthd', [x, self.v])
      w = torch.softmax(torch.einsum('bthd,bshd->bhts', [q, k]), -1)
      return torch.einsum('bhts,bshd,hdo->bto', [w, v, self.o])`,
    parameters: { q: [6, 2, 4], k: [6, 2, 4], v: [6, 2, 3], o: [2, 3, 5] },
    inputs: sequence(7, 6),
    groups: ['heads 2: q.1 k.1 v.1 o.0', 'head-dims 4: q.2 k.2', 'head-dims 3: v.2 o.1'],
  },
  {
    title: 'rotary positions by halves: a dimension goes with its partner, in queries and keys alike',
    source: `def turn(self, x: Tensor) -> Tensor:
      a, b = x.chunk(2, -1)
      return x * self.cos + torch.cat([-b, a], -1) * self.sin
    def forward(self, x: Tensor) -> Tensor:
      q = self.turn(torch.linear(x, self.q).view(x.size(0), 5, 2, 8).transpose(1, 2))
      k = self.turn(torch.linear(x, self.k).view(x.size(0), 5, 2, 8).transpose(1, 2))
      v = torch.linear(x, self.v).view(x.size(0), 5, 2, 8).transpose(1, 2)
      y = torch.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
      return torch.linear(y, self.o)`,
    parameters: { q: [16, 6], k: [16, 6], v: [16, 6], o: [3, 16] },
    buffers: () => ({ cos: uniform([5, 8]), sin: uniform([5, 8]) }),
    inputs: sequence(5, 6),
    groups: ['heads 2: q.0 k.0 v.0 o.1', 'head-dims 4: q.0 k.0', 'head-dims 8: v.0 o.1'],
  },
  {
    title: 'rotary positions as complex numbers: what is turned is frozen, the values are not',
    source: `def turn(self, x: Tensor) -> Tensor:
      z = torch.view_as_complex(x.reshape(x.size(0), 2, 5, 4, 2))
      return torch.view_as_real(z * torch.complex(self.cos, self.sin)).flatten(3)
    def forward(self, x: Tensor) -> Tensor:
      q = self.turn(torch.linear(x, self.q).view(x.size(0), 5, 2, 8).transpose(1, 2))
      k = self.turn(torch.linear(x, self.k).view(x.size(0), 5, 2, 8).transpose(1, 2))
      v = torch.linear(x, self.v).view(x.size(0), 5, 2, 8).transpose(1, 2)
      y = torch.matmul(torch.softmax(torch.matmul(q, k.transpose(-2, -1)), -1), v).transpose(1, 2).flatten(2)
      return torch.linear(y, self.o)`,
    parameters: { q: [16, 6], k: [16, 6], v: [16, 6], o: [3, 16] },
    buffers: () => ({ cos: uniform([5, 4]), sin: uniform([5, 4]) }),
    inputs: sequence(5, 6),
    groups: ['head-dims 8: v.0 o.1'],
    frozen: ['q.0: unknown operator'],
  },
  {
    title: 'T5: one table of biases ties the heads of all layers',
    source: `def attend(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor, bias: Tensor) -> Tensor:
      q = torch.linear(x, q).view(x.size(0), 4, 2, 3).transpose(1, 2)
      k = torch.linear(x, k).view(x.size(0), 4, 2, 3).permute(0, 2, 3, 1)
      v = torch.linear(x, v).view(x.size(0), 4, 2, 3).transpose(1, 2)
      w = torch.softmax(torch.matmul(q, k) + bias, -1)
      return torch.linear(torch.matmul(w, v).transpose(1, 2).reshape(x.size(0), 4, 6), o)
    def forward(self, x: Tensor) -> Tensor:
      bias = torch.embedding(self.table, self.buckets).permute(2, 0, 1).unsqueeze(0)
      x = torch.linear(x, self.embed)
      x = x + self.attend(x, self.q1, self.k1, self.v1, self.o1, bias)
      x = x + self.attend(x, self.q2, self.k2, self.v2, self.o2, bias)
      return torch.linear(x, self.head)`,
    parameters: {
      table: [7, 2],
      embed: [8, 6],
      ...Object.fromEntries([1, 2].flatMap((l) => ['q', 'k', 'v'].map((n) => [`${n}${l}`, [6, 8]]))),
      o1: [8, 6],
      o2: [8, 6],
      head: [3, 8],
    },
    buffers: () => ({
      buckets: integers(
        Array.from({ length: 16 }, (_, i) => i % 7),
        [4, 4],
      ),
    }),
    inputs: sequence(4, 6),
    groups: [
      'channels 8: embed.0 q1.1 k1.1 v1.1 q2.1 k2.1 v2.1 o1.0 o2.0 head.1',
      'heads 2: table.1 q1.0 k1.0 v1.0 q2.0 k2.0 v2.0 o1.1 o2.1',
      'head-dims 3: q1.0 k1.0',
      'head-dims 3: v1.0 o1.1',
      'head-dims 3: q2.0 k2.0',
      'head-dims 3: v2.0 o2.1',
    ],
  },
]

describe('worked cases of attention', () => {
  it.each(CASES)('$title', checkCase)
})

import { describe, it } from 'vitest'
import { integers, uniform } from '../support/networks.js'
import { type Case, checkCase } from './worked.js'

const image =
  (channels = 3, size = 4) =>
  () => [uniform([2, channels, size, size])]
const sequence = (tokens: number, channels: number) => () => [uniform([2, tokens, channels])]

const CASES: Case[] = [
  {
    title: 'DenseNet: every layer reads the concatenation of all before it',
    source: `def forward(self, x: Tensor) -> Tensor:
      a = torch.conv2d(x, self.a)
      b = torch.conv2d(torch.relu(a), self.b)
      c = torch.conv2d(torch.relu(torch.cat([a, b], 1)), self.c)
      return torch.conv2d(torch.cat([a, b, c], 1), self.d)`,
    parameters: { a: [8, 3, 1, 1], b: [4, 8, 1, 1], c: [6, 12, 1, 1], d: [5, 18, 1, 1] },
    inputs: image(),
    groups: ['channels 8: a.0 b.1 c.1 d.1', 'channels 4: b.0 c.1 d.1', 'channels 6: c.0 d.1'],
  },
  {
    title: 'two ShuffleNetV2 units in a row: half passes, half is worked on, two groups are shuffled',
    source: `def shuffle(self, x: Tensor) -> Tensor:
      return x.view(x.size(0), 2, x.size(1) // 2, x.size(2), x.size(3)).transpose(1, 2).reshape(x.shape)
    def forward(self, x: Tensor) -> Tensor:
      s = torch.conv2d(x, self.stem)
      a, b = s.chunk(2, 1)
      s = self.shuffle(torch.cat([a, torch.conv2d(torch.relu(torch.conv2d(b, self.a1)), self.a2)], 1))
      a, b = s.chunk(2, 1)
      s = self.shuffle(torch.cat([a, torch.conv2d(torch.relu(torch.conv2d(b, self.b1)), self.b2)], 1))
      return torch.conv2d(s, self.head)`,
    parameters: {
      stem: [8, 3, 1, 1],
      a1: [6, 4, 1, 1],
      a2: [4, 6, 1, 1],
      b1: [6, 4, 1, 1],
      b2: [4, 6, 1, 1],
      head: [5, 8, 1, 1],
    },
    inputs: image(),
    groups: [
      'channels 2: stem.0 a2.0 b2.0 head.1',
      'channels 2: stem.0 a2.0 b1.1',
      'channels 4: stem.0 a1.1',
      'channels 6: a1.0 a2.1',
      'channels 6: b1.0 b2.1',
    ],
  },
  {
    title: 'U-Net: an upsampled stream beside the skip it is joined with',
    source: `def forward(self, x: Tensor) -> Tensor:
      down = torch.relu(torch.conv2d(x, self.down))
      deep = torch.relu(torch.conv2d(torch.max_pool2d(down, [2, 2]), self.deep))
      up = torch.conv_transpose2d(deep, self.up, self.upb, [2, 2])
      return torch.conv2d(torch.cat([up, down], 1), self.out)`,
    parameters: { down: [4, 3, 1, 1], deep: [8, 4, 1, 1], up: [8, 6, 2, 2], upb: [6], out: [2, 10, 1, 1] },
    inputs: image(),
    groups: ['channels 4: down.0 deep.1 out.1', 'channels 8: deep.0 up.0', 'channels 6: up.1 upb.0 out.1'],
  },
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
    title: 'group norm: whole groups of the norm go, or the same channel of every group',
    source: `def forward(self, x: Tensor) -> Tensor:
      y = torch.group_norm(torch.conv2d(x, self.a), 3, self.weight, self.bias)
      return torch.conv2d(y, self.b)`,
    parameters: { a: [12, 3, 1, 1], weight: [12], bias: [12], b: [5, 12, 1, 1] },
    inputs: image(),
    groups: ['conv-groups 3: a.0 weight.0 bias.0 b.1', 'channels 4: a.0 weight.0 bias.0 b.1'],
  },
  {
    title: 'pixel shuffle: the square of the factor belongs to each channel',
    source: `def forward(self, x: Tensor) -> Tensor:
      return torch.conv2d(torch.pixel_shuffle(torch.conv2d(x, self.a), 2), self.b)`,
    parameters: { a: [12, 3, 1, 1], b: [5, 3, 1, 1] },
    inputs: image(),
    groups: ['channels 3: a.0 b.1'],
  },
  {
    title: 'embedding and head tied: the vocabulary stays, the width is one',
    source: `def forward(self, ids: Tensor) -> Tensor:
      x = torch.embedding(self.words, ids)
      x = x + torch.linear(torch.relu(torch.linear(x, self.up)), self.down)
      return torch.linear(x, self.words)`,
    parameters: { words: [11, 8], up: [16, 8], down: [8, 16] },
    inputs: () => [integers([1, 5, 3, 10, 0, 7], [2, 3])],
    groups: ['channels 8: words.1 up.1 down.0', 'channels 16: up.0 down.1'],
    frozen: ['words.0: rows by index'],
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
  {
    title: 'ECA: a convolution along the channels fixes them',
    source: `def forward(self, x: Tensor) -> Tensor:
      y = torch.conv2d(x, self.a)
      g = torch.conv1d(y.mean([2, 3]).unsqueeze(1), self.k, None, [1], [1])
      return torch.conv2d(y * torch.sigmoid(g).transpose(1, 2).unsqueeze(-1), self.b)`,
    parameters: { a: [8, 3, 1, 1], k: [1, 1, 3], b: [5, 8, 1, 1] },
    inputs: image(),
    groups: [],
    frozen: ['a.0: window axis', 'b.1: window axis'],
  },
  {
    title: 'MLP-Mixer: tokens come from the image and stay, the hidden widths go',
    source: `def forward(self, x: Tensor) -> Tensor:
      t = torch.conv2d(x, self.patch).flatten(2)
      t = t + torch.linear(torch.gelu(torch.linear(t, self.t1)), self.t2)
      c = t.transpose(1, 2)
      c = c + torch.linear(torch.gelu(torch.linear(c, self.c1)), self.c2)
      return torch.linear(c.mean(1), self.head)`,
    parameters: { patch: [8, 3, 1, 1], t1: [10, 16], t2: [16, 10], c1: [12, 8], c2: [8, 12], head: [5, 8] },
    inputs: image(),
    groups: ['channels 8: patch.0 c1.1 c2.0 head.1', 'channels 10: t1.0 t2.1', 'channels 12: c1.0 c2.1'],
    frozen: ['t1.1: tied to a fixed axis', 't2.0: tied to a fixed axis'],
  },
  {
    title: 'CBAM: a maximum over the channels fixes them',
    source: `def forward(self, x: Tensor) -> Tensor:
      y = torch.conv2d(x, self.a)
      g = torch.cat([y.amax(1, True), y.mean(1, True)], 1)
      return torch.conv2d(y * torch.sigmoid(torch.conv2d(g, self.k)), self.b)`,
    parameters: { a: [8, 3, 1, 1], k: [1, 2, 1, 1], b: [5, 8, 1, 1] },
    inputs: image(),
    groups: [],
    frozen: ['a.0: reduction over the axis'],
  },
  {
    title: 'two splits of one stream that do not nest are fixed; the layers around it are free',
    source: `def forward(self, x: Tensor) -> Tensor:
      y = torch.conv2d(torch.conv2d(x, self.a), self.b)
      p = (y.view(x.size(0), 2, 3, 4, 4) * self.two).reshape(x.size(0), 6, 4, 4)
      q = (y.view(x.size(0), 3, 2, 4, 4) * self.three).reshape(x.size(0), 6, 4, 4)
      return torch.conv2d(p + q, self.c)`,
    parameters: { a: [4, 3, 1, 1], b: [6, 4, 1, 1], two: [2, 1, 1, 1], three: [3, 1, 1, 1], c: [5, 6, 1, 1] },
    inputs: image(),
    groups: ['channels 4: a.0 b.1'],
    frozen: ['b.0: factors do not nest'],
  },
  {
    title: 'a residual between convolutions of 4 and of 6 groups: half of the groups of each, or every other channel',
    source: `def forward(self, x: Tensor) -> Tensor:
      a = torch.conv2d(torch.conv2d(x, self.p), self.a, None, [1, 1], [0, 0], [1, 1], 4)
      b = torch.conv2d(torch.conv2d(x, self.q), self.b, None, [1, 1], [0, 0], [1, 1], 6)
      return torch.conv2d(torch.relu(a + b), self.head)`,
    parameters: { p: [16, 3, 1, 1], q: [12, 3, 1, 1], a: [24, 4, 1, 1], b: [24, 2, 1, 1], head: [5, 24, 1, 1] },
    inputs: image(),
    groups: [
      'conv-groups 2: p.0 q.0 a.0 b.0 head.1',
      'channels 2: a.0 b.0 head.1',
      'channels 2: q.0 b.1',
      'channels 4: p.0 a.1',
    ],
  },
  {
    title: 'a graph: messages are gathered and added by index, the nodes stay, the channels go',
    source: `def forward(self, x: Tensor) -> Tensor:
      y = torch.linear(x[0], self.a)
      y = torch.relu(torch.zeros_like(y).index_add_(0, self.to, y[self.of]))
      z = torch.linear(y, self.b)
      z = torch.zeros_like(z).scatter_add(0, self.to.unsqueeze(-1).expand(-1, z.size(1)), z[self.of])
      return torch.linear(z, self.c)`,
    parameters: { a: [8, 6], b: [10, 8], c: [3, 10] },
    buffers: () => ({ to: integers([0, 1, 2, 2, 3]), of: integers([1, 0, 1, 3, 2]) }),
    inputs: sequence(4, 6),
    groups: ['channels 8: a.0 b.1', 'channels 10: b.0 c.1'],
  },
  {
    title: 'bags of embeddings beside numbers: products of all pairs, of which a table takes some',
    source: `def forward(self, x: Tensor) -> Tensor:
      rows = (x > 0).long()
      e, a, b, c = torch.embedding_bag(self.words, rows.flatten(), torch.arange(x.size(0)) * 5, False, 1)
      d = torch.relu(torch.linear(x, self.bottom))
      z = torch.stack([d, e], 1)
      z = torch.bmm(z, z.transpose(1, 2))[:, self.i, self.j]
      return torch.linear(torch.cat([d, z], 1), self.top)`,
    parameters: { words: [2, 8], bottom: [8, 5], top: [3, 9] },
    buffers: () => ({ i: integers([1]), j: integers([0]) }),
    inputs: () => [uniform([2, 5])],
    groups: ['channels 8: words.1 bottom.0 top.1'],
    frozen: ['words.0: rows by index'],
  },
  {
    title: 'a mixture of experts: the gate chooses by number, the widths of the experts go',
    source: `def forward(self, x: Tensor) -> Tensor:
      x = torch.linear(x, self.embed)
      gate = torch.linear(x, self.gate)
      p, i = torch.topk(torch.softmax(gate, -1), 2, -1)
      w = torch.zeros_like(gate).scatter(-1, i, p)
      h = torch.gelu(torch.einsum('btd,edh->beth', [x, self.up]))
      y = torch.einsum('beth,ehd->betd', [h, self.down])
      return torch.linear(x + (y * w.permute(0, 2, 1).unsqueeze(-1)).sum(1), self.head)`,
    parameters: { embed: [8, 6], gate: [4, 8], up: [4, 8, 12], down: [4, 12, 8], head: [3, 8] },
    inputs: sequence(5, 6),
    groups: ['channels 8: embed.0 gate.1 up.1 down.2 head.1', 'channels 12: up.2 down.1'],
    frozen: ['gate.0: softmax over the axis', 'up.0: softmax over the axis'],
  },
  {
    title: 'a quantization-aware convolution: scales and zero points of the channels go with them',
    source: `def forward(self, x: Tensor) -> Tensor:
      w = torch.fake_quantize_per_channel_affine(self.a, self.scale, self.zero.int(), 0, -128, 127)
      y = torch.relu(torch.conv2d(x, w, self.bias))
      y = torch.fake_quantize_per_tensor_affine(y, 0.02, 5, 0, 255)
      return torch.conv2d(y, torch.fake_quantize_per_tensor_affine(self.b, 0.01, 0, -128, 127))`,
    parameters: { a: [8, 3, 1, 1], bias: [8], b: [5, 8, 1, 1] },
    buffers: () => ({ scale: uniform([8]), zero: integers([0, 1, 2, 3, 4, 5, 6, 7]) }),
    inputs: image(),
    groups: ['channels 8: a.0 bias.0 b.1'],
  },
  {
    title: 'a length regulator: every token is repeated by a count of its own, the channels pass',
    source: `def forward(self, x: Tensor) -> Tensor:
      y = torch.linear(x, self.a)
      counts = (torch.linear(y, self.length).squeeze(-1)[0] * 0).round().long() + self.counts
      z = torch.repeat_interleave(y, counts, 1)
      return torch.linear(torch.relu(z), self.b)`,
    parameters: { a: [8, 6], length: [1, 8], b: [3, 8] },
    buffers: () => ({ counts: integers([2, 0, 1, 3]) }),
    inputs: sequence(4, 6),
    groups: ['channels 8: a.0 length.1 b.1'],
  },
  {
    title: 'a residual stream that enters a grouped convolution: whole groups, or the same channel of each',
    source: `def forward(self, x: Tensor) -> Tensor:
      s = torch.conv2d(x, self.stem)
      s = s + torch.conv2d(torch.relu(torch.conv2d(s, self.g, None, [1, 1], [1, 1], [1, 1], 4)), self.p)
      return torch.conv2d(s, self.head)`,
    parameters: { stem: [8, 3, 1, 1], g: [12, 2, 3, 3], p: [8, 12, 1, 1], head: [5, 8, 1, 1] },
    inputs: image(),
    groups: ['conv-groups 4: stem.0 g.0 p.0 p.1 head.1', 'channels 2: stem.0 g.1 p.0 head.1', 'channels 3: g.0 p.1'],
  },
]

describe('worked cases', () => {
  it.each(CASES)('$title', checkCase)
})

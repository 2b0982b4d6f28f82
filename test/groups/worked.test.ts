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

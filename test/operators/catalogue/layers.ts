import { all, IMAGE, one, PIXELS, POOLED, type Specimen, TOKENS } from './specimen.js'

const rnn = (name: string, gates: number) => {
  const weights = `$ih[${6 * gates}, 8], $hh[${6 * gates}, 6]`
  const zeros = 'h = torch.zeros([1, s.size(0), 6])\n'
  const state = name === 'lstm' ? 'o, hn, cn' : 'o, hn'
  const given = name === 'lstm' ? '[h, h]' : 'h'
  const run = `${state} = torch.${name}(s, ${given}, [${weights}], False, 1, 0.0, False, False, True)\n`
  return one(name, `${TOKENS}${zeros}${run}z = o${IMAGE}`, { channels: 6 })
}

const OBSERVED = 'fused_moving_avg_obs_fake_quant _fused_moving_avg_obs_fq_helper'
const ON_AND_RANGE = '@on[1], %low[1], %high[1], %s[1], @p[0].int(), 0.01, -128, 127'

/** A convolution whose weights are rounded first; some operators also tell which of them were clamped. */
const quantizers = (names: string, args: string, frozen = false) =>
  all(
    names,
    (name) => {
      const results = /cachemask|helper/.test(name) ? 'q, m' : 'q'
      return `${results} = torch.${name}(${args})\nz = torch.conv2d(y, q)`
    },
    { channels: 6, frozen },
  )

/** Three steps of a cell over the first pixels. */
const cell = (name: string, gates: number) => {
  const weights = `$ih[${6 * gates}, 8], $hh[${6 * gates}, 6], $bi[${6 * gates}], $bh[${6 * gates}]`
  const lstm = name === 'lstm_cell'
  const step = `  ${lstm ? 'h, c' : 'h'} = torch.${name}(s[:, t], ${lstm ? '[h, c]' : 'h'}, ${weights})\n`
  const start = 'h = torch.zeros([s.size(0), 6])\nc = torch.zeros([s.size(0), 6])\n'
  return one(name, `${TOKENS}${start}for t in range(3):\n${step}z = h${PIXELS}`, { channels: 6 })
}

const PACKED = `${TOKENS}n = torch.tensor([16]).repeat(s.size(0))\np, sizes = torch._pack_padded_sequence(s, n, True)\n`

const norm = (name: string, code: string) => one(name, `z = torch.${name}(${code})`)

/** Layers: sums of products, norms, recurrent layers, and their weights. */
export const LAYERS: readonly [string, Specimen][] = [
  one('conv1d', 'z = torch.conv1d(y.flatten(2), $w[6, 8, 1]).unsqueeze(-1)', { channels: 6 }),
  one('conv2d', 'z = torch.conv2d(y, $w[6, 8, 3, 3], $c[6], [1, 1], [1, 1])', { channels: 6 }),
  one('conv3d', 'z = torch.conv3d(y.unsqueeze(2), $w[6, 8, 1, 1, 1]).squeeze(2)', { channels: 6 }),
  one('conv_transpose1d', 'z = torch.conv_transpose1d(y.flatten(2), $w[8, 6, 1]).unsqueeze(-1)', { channels: 6 }),
  one('conv_transpose2d', 'z = torch.conv_transpose2d(y, $w[8, 6, 2, 2], $c[6])', { channels: 6 }),
  one('conv_transpose3d', 'z = torch.conv_transpose3d(y.unsqueeze(2), $w[8, 6, 1, 1, 1]).squeeze(2)', { channels: 6 }),
  one(
    '_convolution',
    'z = torch._convolution(y, $w[8, 4, 3, 3], None, [1, 1], [1, 1], [1, 1], False, [0, 0], 2, False, False, True, True)',
  ),
  one('convolution', 'z = torch.convolution(y, $w[8, 3, 3, 3], None, [1, 1], [1, 1], [1, 1], True, [0, 0], 2)', {
    channels: 6,
  }),
  one('linear', 'z = torch.linear(y.permute(0, 2, 3, 1), $w[6, 8], $c[6]).permute(0, 3, 1, 2)', { channels: 6 }),
  one('bilinear', `${POOLED}z = torch.bilinear(v, torch.relu(v), $w[6, 8, 8], $c[6])${PIXELS}`, { channels: 6 }),
  one('embedding', 'z = y + torch.embedding($w[2, 8], (x[:, 0] > 0).long()).permute(0, 3, 1, 2)'),
  ...all('embedding_bag _embedding_bag _embedding_bag_forward_only', (name) => {
    const rows = '(x[:, 0].flatten(1) > 0).long().flatten(), torch.arange(y.size(0)) * 16'
    return `e, o, b, m = torch.${name}($w[2, 8], ${rows})\nz = y + e${PIXELS}`
  }),
  one('_grouped_mm', `${TOKENS}z = torch._grouped_mm(s, $w[8, 8].expand(y.size(0), 8, 8))${IMAGE}`),
  one(
    '_grouped_mm#rows of experts',
    `${POOLED}z = torch._grouped_mm(v, $w[2, 8, 8], (torch.arange(1, 3) * (y.size(0) // 2)).int())${PIXELS}`,
    {
      oneBatch: true,
    },
  ),
  one(
    '_grouped_mm#columns of experts',
    `${TOKENS}z = torch._grouped_mm(s, $w[8, 12], @n[8, 12].int()).t().reshape(1, 12, 4, 4)`,
    { oneBatch: true, channels: 12 },
  ),
  one('_grouped_mm#terms of experts', `${POOLED}z = y + torch._grouped_mm(v.t(), v, @n[2].int())[0, 0]${PIXELS}`, {
    oneBatch: true,
  }),
  one('matmul', 'z = torch.matmul(y.transpose(1, 3), $w[8, 6]).transpose(1, 3)', { channels: 6 }),
  one('mm', `${POOLED}z = torch.mm(v, $w[8, 6])${PIXELS}`, { channels: 6 }),
  one('bmm', `${TOKENS}z = torch.bmm(torch.softmax(torch.bmm(s, s.transpose(1, 2)), -1), s)${IMAGE}`),
  one('mv', 'z = y * torch.mv($w[8, 6], $u[6]).view(8, 1, 1)'),
  one('dot', 'z = y * torch.dot($u[6], $w[6])'),
  one('addmm', `${POOLED}z = torch.addmm($c[6], v, $w[8, 6])${PIXELS}`, { channels: 6 }),
  one('baddbmm', `${TOKENS}z = torch.baddbmm(s, torch.softmax(torch.bmm(s, s.transpose(1, 2)), -1), s)${IMAGE}`),
  one('addmv', 'z = y * torch.addmv($c[8], $w[8, 6], $u[6]).view(8, 1, 1)'),
  one('einsum', "z = torch.einsum('nchw,cd->ndhw', [y, $w[8, 6]])", { channels: 6 }),
  one('scaled_dot_product_attention', `${TOKENS}z = torch.scaled_dot_product_attention(s, s, torch.relu(s))${IMAGE}`),
  ...quantizers(
    'fake_quantize_per_tensor_affine fake_quantize_per_tensor_affine_cachemask',
    '$w[6, 8, 1, 1], 0.05, 3, -128, 127',
  ),
  ...quantizers(
    '_fake_quantize_per_tensor_affine_cachemask_tensor_qparams',
    '$w[6, 8, 1, 1], torch.full([1], 0.05), torch.ones([1]).int(), torch.ones([1]).int(), -128, 127',
  ),
  ...quantizers(
    'fake_quantize_per_channel_affine fake_quantize_per_channel_affine_cachemask',
    '$w[6, 8, 1, 1], %s[6], @p[0, 1, 2, 3, 4, 5].int(), 0, -128, 127',
  ),
  ...quantizers('_fake_quantize_learnable_per_tensor_affine', '$w[6, 8, 1, 1], $s[1], $p[1], -128, 127, 1.0'),
  ...quantizers('_fake_quantize_learnable_per_channel_affine', '$w[6, 8, 1, 1], $s[6], $p[6], 0, -128, 127, 1.0'),
  ...quantizers(OBSERVED, `$w[6, 8, 1, 1], @off[0], ${ON_AND_RANGE}, -1, False, True`),
  ...quantizers(OBSERVED, `$w[6, 8, 1, 1], @on[1], ${ON_AND_RANGE}, -1, False, True`, true).map(
    ([name, specimen]): [string, Specimen] => [`${name}#with its observer on`, specimen],
  ),
  one('batch_norm', 'z = torch.batch_norm(y, $w[8], $c[8], %m[8], %n[8], False, 0.1, 1e-5, False)'),
  norm('instance_norm', 'y, $w[8], $c[8], None, None, True, 0.1, 1e-5, False'),
  one('layer_norm', `${TOKENS}z = torch.layer_norm(s, [8], $w[8], $c[8])${IMAGE}`),
  one('rms_norm', `${TOKENS}z = torch.rms_norm(s, [8], $w[8])${IMAGE}`),
  norm('group_norm', 'y, 2, $w[8], $c[8]'),
  one('_convolution_mode', "z = torch._convolution_mode(y, $w[6, 8, 3, 3], $c[6], [1, 1], 'same', [1, 1], 1)", {
    channels: 6,
  }),
  one('_weight_norm', 'z = torch.conv2d(y, torch._weight_norm($w[6, 8, 1, 1], $g[6, 1, 1, 1], 0), $c[6])', {
    channels: 6,
  }),
  one('_weight_norm#of columns', 'z = torch.conv_transpose2d(y, torch._weight_norm($w[8, 6, 1, 1], $g[8, 1, 1, 1]))', {
    channels: 6,
  }),
  one('_weight_norm#of all', 'z = torch.conv2d(y, torch._weight_norm($w[6, 8, 1, 1], $g[1, 1, 1, 1], -1))', {
    channels: 6,
  }),
  one(
    '_weight_norm#of what is zero',
    'z = y * torch._weight_norm($w[8, 5] * $u[8, 1], $g[8, 1]).sum(1).view(8, 1, 1)',
    {
      frozen: true,
    },
  ),
  one(
    '_weight_norm_interface',
    'w, n = torch._weight_norm_interface($w[6, 8, 1, 1], $g[6, 1, 1, 1])\nz = torch.conv2d(y, w)',
    { channels: 6 },
  ),
  one(
    'norm_except_dim',
    'z = torch.conv2d(y, $w[6, 8, 1, 1] * ($g[6, 1, 1, 1] / torch.norm_except_dim($w[6, 8, 1, 1], 2, 0)))',
    { channels: 6 },
  ),
  one(
    'norm#of a direction',
    'z = torch.conv2d(y, $g[6, 1, 1, 1] * $w[6, 8, 1, 1] / torch.norm(self.w, 2, [1, 2, 3], True))',
    {
      channels: 6,
    },
  ),
  one(
    'sum#of a direction',
    'n = ($w[6, 8] * self.w).sum(1).sqrt().view(6, 1)\nz = torch.conv2d(y, ($g[6, 1] * self.w / n).view(6, 8, 1, 1))',
    { channels: 6 },
  ),
  one('vdot', 'z = y * torch.vdot($u[6], $w[6])'),
  rnn('lstm', 4),
  rnn('gru', 3),
  rnn('rnn_tanh', 1),
  rnn('rnn_relu', 1),
  cell('lstm_cell', 4),
  cell('gru_cell', 3),
  cell('rnn_tanh_cell', 1),
  cell('rnn_relu_cell', 1),
  one('_pack_padded_sequence', `${PACKED}z = p.view(16, -1, 8).permute(1, 2, 0).reshape(s.size(0), -1, 4, 4)`),
  one(
    '_pad_packed_sequence',
    `${PACKED}q, n = torch._pad_packed_sequence(torch.relu(p), sizes, True, 0.5, 16)\nz = q${IMAGE}`,
  ),
  one('prim::SetAttr', 'z = y * %h[8, 1, 1]\nself.h = torch.relu($b[8, 1, 1])'),
  one('prim::Choose', 'z = y * [$b[8, 1, 1], $c[8, 1, 1]][y.size(0) % 2]'),
  one('_fused_rms_norm', `${TOKENS}o, r = torch._fused_rms_norm(s, [8], $w[8], 1e-6)\nz = o${IMAGE}`),
]

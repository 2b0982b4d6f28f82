/**
 * One small network for each operator that has a rule. `y` is [2, 8, 4, 4], made by a convolution; the operator makes `z`
 * of it (of `channels` channels, 8 when not given), which another convolution reads.
 *
 * In the code, `$name[8, 4]` is a parameter of that shape, `%name[8]` a buffer, and `@name[2, 0]` a buffer of those indices.
 */
export interface Specimen {
  code: string
  channels?: number
  /** The operator fixes the channels of `y`. */
  frozen?: boolean
  /** The example's batch size is part of the program. */
  oneBatch?: boolean
}

const TOKENS = 's = y.flatten(2).transpose(1, 2)\n'
const IMAGE = '.transpose(1, 2).reshape(y.shape[0], -1, 4, 4)'
const POOLED = 'v = y.mean([2, 3])\n'
const PIXELS = '.unsqueeze(-1).unsqueeze(-1)'

const all = (names: string, code: (name: string) => string, more: Omit<Specimen, 'code'> = {}): [string, Specimen][] =>
  names.split(/\s+/).map((name) => [name, { code: code(name), ...more }])
const one = (name: string, code: string, more: Omit<Specimen, 'code'> = {}): [string, Specimen] => [
  name,
  { code, ...more },
]

/** Rules whose operators can't be run here, and why. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  cuda: 'there may be no such device',
  imag: 'only complex tensors have one',
  adjoint: 'the compiler has it for complex tensors only',
  empty: 'its contents are whatever the memory held',
  empty_like: 'its contents are whatever the memory held',
  new_empty: 'its contents are whatever the memory held',
}

/** As many numbers are drawn after a cut as before. */
const DRAWN = { frozen: true }

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

export const CATALOGUE: ReadonlyMap<string, Specimen> = new Map([
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
  ...all('dropout feature_dropout alpha_dropout', (name) => `z = torch.${name}(y, 0.5, False)`),
  ...all('dropout#always feature_dropout#always', (name) => `z = torch.${name.split('#')[0]}(y, 0.5, True)`, DRAWN),
  one('bernoulli', 'z = y * torch.bernoulli(torch.sigmoid(y))', DRAWN),
  ...all('rand_like randn_like', (name) => `z = y * torch.${name}(y)`, DRAWN),
  one('randint_like', 'z = y * torch.randint_like(y, 9)', DRAWN),
  ...all('uniform normal exponential log_normal', (name) => `z = y * torch.zeros_like(y).${name}_()`, DRAWN),
  one('random', 'z = y * torch.zeros_like(y).random_(0, 9)', DRAWN),
  ...all('rand randn', (name) => `z = y * torch.${name}([8, 1, 1])`, DRAWN),
  one('randint', 'z = y * torch.randint(1, 9, [8, 1, 1])', DRAWN),
  one('randperm', 'z = y * torch.randperm(8).reshape(8, 1, 1)', DRAWN),
  ...all('contiguous clone detach float double half cpu', (name) => `z = y.${name}().to(x.dtype)`),
  one('to', 'z = y.to(6).to(x.dtype)'),
  one('type_as', 'z = y.type_as(x)'),
  ...all('alias lift_fresh _to_copy', (name) => `z = torch.${name}(y)`),
  one('requires_grad', 'z = y.detach().requires_grad_(False)'),
  ...all(
    'relu relu6 leaky_relu elu selu celu gelu silu mish tanh hardswish hardshrink softshrink abs absolute neg negative sign ' +
      'sgn square tan arctan atan asinh arcsinh sin sinh erf expm1 trunc fix round floor ceil rrelu nan_to_num positive ' +
      'real conj hardsigmoid sigmoid exp exp2 cos cosh softplus erfc',
    (name) => `z = torch.${name}(y)`,
  ),
  one('log_sigmoid', 'z = torch.log_sigmoid(y)'),
  ...all('asin arcsin atanh arctanh acos arccos', (name) => `z = torch.${name}(torch.tanh(y) * 0.9)`),
  ...all('acosh arccosh', (name) => `z = torch.${name}(torch.exp(y) + 1)`),
  ...all('sqrt log1p', (name) => `z = torch.${name}(torch.relu(y))`),
  ...all('maximum minimum fmax fmin', (name) => `z = torch.${name}(y, torch.tanh(y) * 0.5)`),
  ...all('atan2 copysign', (name) => `z = torch.${name}(y, torch.cos(y))`),
  ...all('fmod remainder', (name) => `z = torch.${name}(y, 0.3)`),
  one('lerp', 'z = torch.lerp(y, torch.relu(y), 0.3)'),
  one('addcmul', 'z = torch.addcmul(y, y, torch.cos(y))'),
  ...all(
    'logical_and logical_or logical_xor',
    (name) => `z = torch.${name}(torch.relu(y), torch.relu(y - 0.4)).float().to(x.dtype)`,
  ),
  ...all(
    'bitwise_and bitwise_or bitwise_xor',
    (name) => `z = torch.${name}((y * 4).long(), (y * 3).long()).to(x.dtype)`,
  ),
  one('bitwise_not', 'z = torch.bitwise_not((y * 4).long()).to(x.dtype)'),
  ...all(
    'logical_not isnan isinf isfinite signbit',
    (name) => `z = torch.${name}(torch.relu(y)).to(x.dtype) + torch.cos(y)`,
  ),
  ...all('eq ne', (name) => `z = torch.${name}(torch.relu(y), 0).to(x.dtype)`),
  ...all(
    'lt le gt ge not_equal less less_equal greater greater_equal',
    (name) => `z = torch.${name}(y, 0.2).to(x.dtype)`,
  ),
  one('isclose', 'z = torch.isclose(y, torch.relu(y)).to(x.dtype)'),
  one('threshold', 'z = torch.threshold(y, 0.1, 0.2)'),
  ...all('log log2 log10 rsqrt reciprocal', (name) => `z = torch.${name}(torch.exp(y))`),
  one('logit', 'z = torch.logit(torch.sigmoid(y))'),
  ...all('add sub subtract rsub', (name) => `z = torch.${name}(y, torch.relu(y))`),
  one('where', 'z = torch.where(y > 0, y, y * $slope[8, 1, 1])'),
  ...all('max.other min.other', (name) => `z = torch.${name.slice(0, 3)}(y, torch.relu(y) * 0.5)`),
  ...all('mul multiply', (name) => `z = torch.${name}(y, torch.sigmoid(y))`),
  ...all('div true_divide divide', (name) => `z = torch.${name}(y, torch.exp(y))`),
  one('floor_divide', 'z = torch.floor_divide(y, 0.1)'),
  ...all('pow float_power', (name) => `z = torch.${name}(y, 2).to(x.dtype)`),
  ...all('clamp clip', (name) => `z = torch.${name}(y, -0.5, 0.5)`),
  one('clamp_min', 'z = torch.clamp_min(y, 0.1)'),
  one('clamp_max', 'z = torch.clamp_max(y, 0.1)'),
  one('hardtanh', 'z = torch.hardtanh(y, -0.5, 0.5)'),
  one('masked_fill', 'z = y.masked_fill(y > 0.5, 0.25)'),
  one('fill', 'z = y * torch.fill_(y.clone(), 0.5)'),
  ...all('prelu _prelu_kernel', (name) => `z = torch.${name}(y, $slope[${name === 'prelu' ? '8' : '1, 8, 1, 1'}])`),
  one('zero', 'z = y + torch.zero_(y.clone())'),
  one('zeros_like', 'z = torch.cat([y, torch.zeros_like(y) + 1], 1)', { channels: 16 }),
  one('ones_like', 'z = torch.cat([y, torch.ones_like(y)], 1)', { channels: 16 }),
  one('full_like', 'z = torch.cat([y, torch.full_like(y, 2)], 1)', { channels: 16 }),
  one('copy', 'z = torch.empty_like(y).copy_(torch.cos(y))'),
  one('permute', 'z = torch.linear(y.permute(0, 2, 3, 1), $w[6, 8]).permute(0, 3, 1, 2)', { channels: 6 }),
  ...all('transpose swapaxes swapdims', (name) => `z = torch.linear(y.${name}(1, 3), $w[6, 8]).transpose(1, 3)`, {
    channels: 6,
  }),
  one('t', `${POOLED}z = torch.matmul($w[6, 8], v.t()).t()${PIXELS}`, { channels: 6 }),
  one('mT', `${POOLED}z = torch.matmul($w[6, 8], v.mT).t()${PIXELS}`, { channels: 6 }),
  one('numpy_T', `${POOLED}z = torch.matmul($w[6, 8], torch.numpy_T(v)).t()${PIXELS}`, { channels: 6 }),
  ...all('movedim moveaxis', (name) => `z = torch.linear(torch.${name}(y, 1, 3), $w[6, 8]).permute(0, 3, 1, 2)`, {
    channels: 6,
  }),
  one('view', 'z = (y.view(-1, 2, 4, 4, 4) * $g[4, 1, 1]).flatten(1, 2)'),
  ...all('reshape _unsafe_view', (name) => `z = torch.${name}(y, [y.size(0), 4, 2, 4, 4]).flatten(1, 2)`),
  one('flatten', `z = torch.linear(y.flatten(1), $w[6, 128])${PIXELS}`, { channels: 6 }),
  one('unflatten', 'z = (torch.unflatten(y, 1, [2, 4]) * $g[2, 1, 1, 1]).flatten(1, 2)'),
  one('ravel', 'z = y * torch.ravel($g[8, 1]).view(8, 1, 1)'),
  one('view_as', 'z = torch.relu(y).flatten(2).view_as(y)'),
  one('reshape_as', 'z = torch.relu(y).flatten(2).reshape_as(y)'),
  one('squeeze', 'z = y.mean([2, 3], True).squeeze(-1).unsqueeze(-1)'),
  one('unsqueeze', 'z = y.mean([2, 3]).unsqueeze(-1).unsqueeze(-1)'),
  one('expand', 'z = y * $g[8, 1, 1].expand(8, 4, 4)'),
  one('expand_as', 'z = y * $g[8, 1, 1].expand_as(y)'),
  one('broadcast_to', 'z = y * torch.broadcast_to($g[8, 1, 1], [8, 4, 4])'),
  one('repeat', 'z = y.repeat(1, 2, 1, 1)', { channels: 16 }),
  one('tile', 'z = torch.tile(y, [1, 2, 1, 1])', { channels: 16 }),
  one('repeat_interleave', 'z = y.repeat_interleave(2, 1)', { channels: 16 }),
  one('repeat_interleave#by counts', 'z = y.repeat_interleave(@n[2, 0, 1, 3], 3)'),
  one('repeat_interleave#of channels by counts', 'z = y.repeat_interleave(@n[2, 0, 1, 3, 1, 1, 0, 2], 1)', {
    channels: 10,
    frozen: true,
  }),
  one('pixel_shuffle', 'z = torch.pixel_shuffle(y, 2)', { channels: 2 }),
  one('pixel_unshuffle', 'z = torch.pixel_unshuffle(y, 2)', { channels: 32 }),
  ...all('channel_shuffle native_channel_shuffle', (name) => `z = torch.${name}(y, 2)`),
  one(
    'im2col',
    `z = torch.linear(torch.im2col(y, [2, 2], [1, 1], [0, 0], [2, 2]).transpose(1, 2), $w[6, 32])${IMAGE.replace('4, 4', '2, 2')}`,
    {
      channels: 6,
    },
  ),
  one('col2im', 'z = torch.col2im(torch.pixel_unshuffle(y, 2).flatten(2), [4, 4], [2, 2], [1, 1], [0, 0], [2, 2])'),
  one('unfold', 'z = y.unfold(3, 2, 2).mean(-1)'),
  ...all('cat concat concatenate', (name) => `z = torch.${name}([torch.relu(y), y], 1)`, { channels: 16 }),
  one('stack', 'z = torch.stack([y, torch.relu(y)], 0).sum(0)'),
  ...all('split unsafe_split', (name) => `a, b = torch.${name}(y, 4, 1)\nz = a * torch.sigmoid(b)`, { channels: 4 }),
  ...all(
    'split_with_sizes unsafe_split_with_sizes',
    (name) => `a, b = torch.${name}(y, [5, 3], 1)\nz = torch.cat([torch.relu(b), a], 1)`,
  ),
  ...all('chunk unsafe_chunk tensor_split', (name) => `a, b = torch.${name}(y, 2, 1)\nz = a * torch.sigmoid(b)`, {
    channels: 4,
  }),
  one('slice', 'z = y[:, 1:8:2] * torch.sigmoid(y[:, :4])', { channels: 4 }),
  one('narrow', 'z = torch.narrow(y, 1, 2, 5)', { channels: 5 }),
  one('select', 'z = y * y.select(1, 3).unsqueeze(1)'),
  one('unbind', 'p = torch.unbind(y, 1)\nz = y * p[3].unsqueeze(1)', { frozen: true }),
  one('index_select', 'z = torch.index_select(y, 1, @i[2, 0, 5, 1, 7])', { channels: 5 }),
  one('index', 'z = y[:, @i[2, 0, 5, 1, 7]]', { channels: 5 }),
  one('index_add', 'z = y.index_add(0, @i[1, 0], torch.relu(y[:2]), alpha=2)'),
  one('index_add#to channels', 'z = y.index_add(1, @i[2, 0, 5], y[:, :3])', { frozen: true }),
  one('index_copy', 'z = torch.zeros_like(y).index_copy(3, @i[2, 0], y[:, :, :, :2])'),
  one('index_reduce', "z = torch.index_reduce(y, 0, @i[1, 0], torch.relu(y[:2]), 'amax')"),
  one('index_fill', 'z = y.index_fill(3, @i[2, 0], 0)'),
  one('index_fill#with what is not zero', 'z = y.index_fill(3, @i[2, 0], 1).sum(1, True)', {
    channels: 1,
    frozen: true,
  }),
  one('scatter', 'z = torch.zeros_like(y).scatter(3, (y > 0).long(), y)'),
  one('scatter#to channels', 'z = torch.zeros_like(y).scatter(1, (y > 0).long(), y)', { frozen: true }),
  one('scatter_add', 'z = torch.zeros_like(y).scatter_add(2, (y > 0).long(), y).sum(1, True)', { channels: 1 }),
  one('scatter_add#a corner', 'z = y.scatter_add(3, (y > 0).long()[:, :4], y)', { frozen: true }),
  one('scatter_reduce', "z = torch.scatter_reduce(y, 3, (y > 0).long(), torch.relu(y), 'mean')"),
  one('index_put', 'z = y.index_put([@i[1, 0]], torch.relu(y[:2]), True).sum(1, True)', { channels: 1 }),
  one('index_put#by a mask', 'z = y.permute(0, 2, 3, 1).index_put([x[:, 0] > 0.2], $w[8]).permute(0, 3, 1, 2)'),
  one('index_put#by a mask over channels', 'z = y.index_put([y > 0.2], torch.ones([1]))', { frozen: true }),
  one('_index_put_impl', 'z = torch._index_put_impl_(y.clone(), [None, None, @i[1, 0], @j[3, 2]], $w[8, 2])'),
  one('_unsafe_index_put', 'z = torch._unsafe_index_put(y, [@i[1, 0], None, @j[3, 2]], $w[2, 8, 4])'),
  one('gather', 'z = torch.gather(y, 3, (y > 0).long())'),
  one('roll', 'z = torch.cat([torch.roll(y, [3], [1]), y], 1)', { channels: 16 }),
  one('flip', 'z = torch.cat([torch.flip(y, [1]), y], 1)', { channels: 16 }),
  one('glu', 'z = torch.glu(y, 1)', { channels: 4 }),
  one('pad', "z = torch.pad(y, [0, 0, 0, 0, 1, 2], 'constant', 0.5)", { channels: 11 }),
  one('constant_pad_nd', 'z = torch.constant_pad_nd(y, [0, 0, 0, 0, 1, 2], 0.5)', { channels: 11 }),
  one('reflection_pad1d', 'z = torch.reflection_pad1d(y.flatten(2), [1, 1]).unsqueeze(-1)'),
  one('replication_pad1d', 'z = torch.replication_pad1d(y.flatten(2), [1, 1]).unsqueeze(-1)'),
  ...all('reflection_pad2d replication_pad2d', (name) => `z = torch.${name}(y, [1, 1, 1, 1])`),
  ...all(
    'reflection_pad3d replication_pad3d',
    (name) => `z = torch.${name}(y.unsqueeze(1), [0, 0, 0, 0, 1, 1]).squeeze(1)`,
    {
      frozen: true,
      channels: 10,
    },
  ),
  ...all('triu tril', (name) => `z = torch.${name}(y.transpose(1, 2)).transpose(1, 2)`, { frozen: true }),
  ...all('cumsum cumprod', (name) => `z = torch.${name}(y, 1)`, { frozen: true }),
  one('diff', 'z = torch.diff(y, 1, 1)', { frozen: true, channels: 7 }),
  one('sort', 'z, i = torch.sort(y, 1)', { frozen: true }),
  one('argsort', 'z = torch.argsort(y, 1).to(x.dtype)', { frozen: true }),
  one('topk', 'z, i = torch.topk(y, 3, 1)', { frozen: true, channels: 3 }),
  ...all('softmax log_softmax', (name) => `z = torch.${name}(y, 1)`, { frozen: true }),
  ...all('_softmax _log_softmax', (name) => `z = torch.${name}(y, 1, False)`, { frozen: true }),
  one('softmin', 'z = torch.softmax(-y, 1)', { frozen: true }),
  ...all('sum nansum', (name) => `z = torch.${name}(y, [1], True)`, { channels: 1 }),
  ...all('mean nanmean', (name) => `z = torch.${name}(y, [1], True) * y`),
  ...all('var std', (name) => `z = torch.${name}(y, [1], True, True) * y`),
  ...all('var_mean std_mean', (name) => `a, b = torch.${name}(y, [1], True, True)\nz = a * y + b`),
  ...all('amax amin', (name) => `z = torch.${name}(y, [1], True) * y`, { frozen: true }),
  ...all('max min', (name) => `a, i = torch.${name}(y, 1, True)\nz = a * y`, { frozen: true }),
  one('aminmax', 'a, b = torch.aminmax(y, dim=1, keepdim=True)\nz = a * y + b', { frozen: true }),
  one('median', 'a, i = torch.median(y, 1, True)\nz = a * y', { frozen: true }),
  one('prod', 'z = torch.prod(y, 1, True) * y', { frozen: true }),
  ...all('all any', (name) => `z = torch.${name}(y > -0.5, 1, True).to(x.dtype) * y`, { frozen: true }),
  one('count_nonzero', 'z = torch.count_nonzero(torch.relu(y), 1).unsqueeze(1).to(x.dtype) * y', { frozen: true }),
  one('logsumexp', 'z = torch.logsumexp(y, [1], True) * y', { frozen: true }),
  ...all('argmax argmin', (name) => `z = torch.${name}(y, 1, True).to(x.dtype) * y`, { frozen: true }),
  one('sum#of what is not zero', 'z = torch.sum(torch.exp(y), [1], True)', { channels: 1, frozen: true }),
  ...all('norm linalg_vector_norm', (name) => `z = torch.${name}(torch.exp(y), 2.0, [1], True)`, {
    channels: 1,
    frozen: true,
  }).map(([name, specimen]): [string, Specimen] => [`${name}#of what is not zero`, specimen]),
  one('cosine_similarity#of what is not zero', 'z = torch.cosine_similarity(y, torch.exp(y), 1).unsqueeze(1) * y', {
    frozen: true,
  }),
  one(
    'bmm#of what is not zero',
    `${TOKENS}s = torch.exp(s)\nz = torch.bmm(torch.softmax(torch.bmm(s, s.transpose(1, 2)), -1), s)${IMAGE}`,
    {
      frozen: true,
    },
  ),
  one('rsqrt#of what is zero', 'z = torch.rsqrt(torch.relu(y)) * 0.0 + y', { frozen: true }),
  one('div#by what is zero', 'z = y / (y * y)', { frozen: true }),
  one('norm', 'z = torch.norm(y, 2, [1], True) * y'),
  one('linalg_vector_norm', 'z = torch.linalg_vector_norm(y, 2.0, [1], True) * y'),
  one('frobenius_norm', 'z = torch.frobenius_norm(y, [1], True) * y'),
  one('cosine_similarity', 'z = torch.cosine_similarity(y, torch.relu(y), 1).unsqueeze(1) * y'),
  ...all('max_pool1d avg_pool1d', (name) => `z = torch.${name}(y.flatten(2), [2]).unsqueeze(-1)`),
  one('adaptive_avg_pool1d', 'z = torch.adaptive_avg_pool1d(y.flatten(2), [2]).unsqueeze(-1)'),
  one('adaptive_max_pool1d', 'a, i = torch.adaptive_max_pool1d(y.flatten(2), [2])\nz = a.unsqueeze(-1)'),
  one('max_pool1d_with_indices', 'a, i = torch.max_pool1d_with_indices(y.flatten(2), [2])\nz = a.unsqueeze(-1)'),
  ...all('max_pool2d avg_pool2d', (name) => `z = torch.${name}(y, [2, 2])`),
  one('adaptive_avg_pool2d', 'z = torch.adaptive_avg_pool2d(y, [2, 2])'),
  one('adaptive_max_pool2d', 'z, i = torch.adaptive_max_pool2d(y, [2, 2])'),
  one('max_pool2d_with_indices', 'z, i = torch.max_pool2d_with_indices(y, [2, 2])'),
  ...all('max_pool3d avg_pool3d', (name) => `z = torch.${name}(y.unsqueeze(2), [1, 2, 2]).squeeze(2)`),
  one('adaptive_avg_pool3d', 'z = torch.adaptive_avg_pool3d(y.unsqueeze(2), [1, 2, 2]).squeeze(2)'),
  one('adaptive_max_pool3d', 'a, i = torch.adaptive_max_pool3d(y.unsqueeze(2), [1, 2, 2])\nz = a.squeeze(2)'),
  one('max_pool3d_with_indices', 'a, i = torch.max_pool3d_with_indices(y.unsqueeze(2), [1, 2, 2])\nz = a.squeeze(2)'),
  ...all(
    'upsample_nearest1d _upsample_nearest_exact1d',
    (name) => `z = torch.${name}(y.flatten(2), [8]).unsqueeze(-1)`,
  ),
  one('upsample_linear1d', 'z = torch.upsample_linear1d(y.flatten(2), [8], False).unsqueeze(-1)'),
  ...all('upsample_nearest2d _upsample_nearest_exact2d', (name) => `z = torch.${name}(y, [8, 8])`),
  ...all(
    'upsample_bilinear2d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa _upsample_lanczos2d_aa',
    (name) => `z = torch.${name}(y, [8, 8], False)`,
  ),
  ...all(
    'upsample_nearest3d _upsample_nearest_exact3d',
    (name) => `z = torch.${name}(y.unsqueeze(2), [1, 8, 8]).squeeze(2)`,
  ),
  one('upsample_trilinear3d', 'z = torch.upsample_trilinear3d(y.unsqueeze(2), [1, 8, 8], False).squeeze(2)'),
  one('__interpolate', "z = torch.__interpolate(y, 8, None, 'nearest')"),
  one('__upsample', "z = torch.__upsample(y, 8, None, 'nearest')"),
  ...all(
    'grid_sampler grid_sampler_2d',
    (name) => `z = torch.${name}(y, torch.tanh(x[:, :2].permute(0, 2, 3, 1)), 0, 0, False)`,
  ),
  one(
    'grid_sampler_3d',
    'z = torch.grid_sampler_3d(y.unsqueeze(2), torch.tanh(x.permute(0, 2, 3, 1)).unsqueeze(1), 0, 0, False).squeeze(2)',
  ),
  one('zeros', 'z = y + torch.zeros([y.size(0), 8, 4, 4])'),
  one('new_zeros', 'z = y + y.new_zeros([y.size(0), 8, 4, 4])'),
  one('ones', 'z = y * torch.ones([8, 1, 1])'),
  one('new_ones', 'z = y * y.new_ones([8, 1, 1])'),
  one('full', 'z = y * torch.full([8, 1, 1], 2.0)'),
  one('new_full', 'z = y * y.new_full([8, 1, 1], 2.0)'),
  one('arange', 'z = y * torch.arange(8).view(8, 1, 1)', { frozen: true }),
  one('range', 'z = y * torch.range(1, 8).view(8, 1, 1)', { frozen: true }),
  ...all('linspace logspace', (name) => `z = y * torch.${name}(0, 1, 8).view(8, 1, 1)`, { frozen: true }),
  one('eye', 'z = y * torch.eye(8, 1).view(8, 1, 1)', { frozen: true }),
  one('one_hot', 'z = y + torch.one_hot((x[:, 0] > 0).long(), 8).permute(0, 3, 1, 2)', { frozen: true }),
  one('tensor', 'z = y * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]).view(8, 1, 1)', { frozen: true }),
  one('meshgrid', "a, b = torch.meshgrid([$g[8], $h[4]], indexing='ij')\nz = y * a.unsqueeze(-1) + b.unsqueeze(-1)"),
])

/** Spellings that LibTorch replaces by another when it reads a program; a trace may hold them. */
export const ALIASES: Readonly<Record<string, string>> = {
  absolute: 'abs',
  negative: 'neg',
  arctan: 'atan',
  fix: 'trunc',
  arcsin: 'asin',
  arccos: 'acos',
  arcsinh: 'asinh',
  arctanh: 'atanh',
  arccosh: 'acosh',
  not_equal: 'ne',
  less: 'lt',
  less_equal: 'le',
  greater: 'gt',
  greater_equal: 'ge',
  subtract: 'sub',
  rsub: 'sub',
  multiply: 'mul',
  true_divide: 'div',
  divide: 'div',
  clip: 'clamp',
  swapaxes: 'transpose',
  swapdims: 'transpose',
  moveaxis: 'movedim',
  concat: 'cat',
  concatenate: 'cat',
  softmin: 'softmax',
  float: 'to',
  double: 'to',
  half: 'to',
}

// Networks for the digits of 8x8 pixels.

import { Network } from '../../../../examples/network.mjs'

/** Three stages of two residual blocks with batch norm. @param {number} seed */
export function resnet(seed) {
  const net = new Network(seed)
  let width = 12
  net.add(`x = torch.relu(${net.batchNorm(net.conv('x', 'stem', width, 1, 3, { bias: false }), 'stem_norm', width)})`)
  for (const [stage, out] of [12, 24, 48].entries()) {
    const stride = stage === 0 ? 1 : 2
    const name = `block${stage}`
    const first = net.conv('x', `${name}.conv1`, out, width, 3, { stride, bias: false })
    net.add(`y = torch.relu(${net.batchNorm(first, `${name}.norm1`, out)})`)
    net.add(`y = ${net.batchNorm(net.conv('y', `${name}.conv2`, out, out, 3, { bias: false }), `${name}.norm2`, out)}`)
    if (stage > 0) {
      const short = net.conv('x', `${name}.short`, out, width, 1, { stride, bias: false })
      net.add(`x = ${net.batchNorm(short, `${name}.short_norm`, out)}`)
    }
    net.add('x = torch.relu(x + y)')
    width = out
  }
  return net.model(net.linear('torch.mean(x, [2, 3])', 'head', 10, width))
}

/** Inverted residuals: depthwise convolutions, ReLU6, batch norm (Sandler et al., CVPR 2018). @param {number} seed */
export function mobilenet(seed) {
  const net = new Network(seed)
  /** @param {string} x @param {string} name @param {number} out @param {number} inputs @param {number} size @param {object} [options] */
  const unit = (x, name, out, inputs, size, options) =>
    net.batchNorm(net.conv(x, name, out, inputs, size, { ...options, bias: false }), `${name}_norm`, out)
  let width = 12
  net.add(`x = torch.clamp(${unit('x', 'stem', width, 1, 3)}, 0, 6)`)
  for (const [k, [out, stride]] of /** @type {[number, number][]} */ ([
    [12, 1],
    [20, 2],
    [20, 1],
    [28, 1],
  ]).entries()) {
    const wide = 3 * width
    net.add(`y = torch.clamp(${unit('x', `block${k}.expand`, wide, width, 1)}, 0, 6)`)
    net.add(`y = torch.clamp(${unit('y', `block${k}.depth`, wide, wide, 3, { stride, groups: wide })}, 0, 6)`)
    net.add(`y = ${unit('y', `block${k}.project`, out, wide, 1)}`)
    net.add(out === width && stride === 1 ? 'x = x + y' : 'x = y')
    width = out
  }
  net.add(`x = torch.clamp(${unit('x', 'last', 80, width, 1)}, 0, 6)`)
  return net.model(net.linear('torch.mean(x, [2, 3])', 'head', 10, 80))
}

/** Convolutions without norms. @param {number} seed */
export function vgg(seed) {
  const net = new Network(seed)
  let width = 1
  for (const [k, out] of [16, 16, 32, 32].entries()) {
    net.add(`x = torch.relu(${net.conv('x', `conv${k}`, out, width, 3)})`)
    if (k % 2 === 1) net.add('x = torch.max_pool2d(x, [2, 2])')
    width = out
  }
  net.add(`x = torch.relu(${net.linear('torch.flatten(x, 1)', 'hidden', 64, 4 * width)})`)
  return net.model(net.linear('x', 'head', 10, 64))
}

/** Pre-norm transformer over patches of 2x2 (Dosovitskiy et al., ICLR 2021). @param {number} seed */
export function vit(seed) {
  const [net, width, hidden] = [new Network(seed), 48, 96]
  net.add('x = x.view(B, 4, 2, 4, 2).permute([0, 1, 3, 2, 4]).reshape(B, 16, 4)')
  net.add(`x = ${net.linear('x', 'embed', width, 4)} + ${net.tensor('position', [1, 16, width], net.normal(0.02))}`)
  for (let k = 0; k < 3; k++) {
    net.add(`y = ${net.layerNorm('x', `block${k}.norm1`, width)}`)
    net.add(`x = x + ${net.attention('y', `block${k}`, width, 4)}`)
    net.add(`y = ${net.layerNorm('x', `block${k}.norm2`, width)}`)
    net.add(`y = torch.gelu(${net.linear('y', `block${k}.up`, hidden, width)})`)
    net.add(`x = x + ${net.linear('y', `block${k}.down`, width, hidden)}`)
  }
  net.add(`x = ${net.layerNorm('x', 'norm', width)}`)
  return net.model(net.linear('torch.mean(x, [1])', 'head', 10, width))
}

/** Post-norm transformer encoder over the rows (Vaswani et al., NeurIPS 2017). @param {number} seed */
export function encoder(seed) {
  const [net, width, hidden] = [new Network(seed), 48, 96]
  net.add('x = x.view(B, 8, 8)')
  net.add(`x = ${net.linear('x', 'embed', width, 8)} + ${net.tensor('position', [1, 8, width], net.normal(0.2))}`)
  for (let k = 0; k < 2; k++) {
    net.add(`y = ${net.attention('x', `block${k}`, width, 4)}`)
    net.add(`x = ${net.layerNorm('x + y', `block${k}.norm1`, width)}`)
    net.add(`y = torch.relu(${net.linear('x', `block${k}.up`, hidden, width)})`)
    net.add(`y = ${net.linear('y', `block${k}.down`, width, hidden)}`)
    net.add(`x = ${net.layerNorm('x + y', `block${k}.norm2`, width)}`)
  }
  return net.model(net.linear('torch.mean(x, [1])', 'head', 10, width))
}

/** A bidirectional LSTM over the rows, and a hidden layer. @param {number} seed */
export const lstm = (seed) => recurrent(seed, 'lstm', 4)

/** A bidirectional GRU over the rows, and a hidden layer. @param {number} seed */
export const gru = (seed) => recurrent(seed, 'gru', 3)

/** @param {number} seed @param {'lstm' | 'gru'} kind @param {number} gates */
function recurrent(seed, kind, gates) {
  const [net, hidden] = [new Network(seed), 40]
  const weights = ['there', 'back'].flatMap((way) => [
    net.tensor(`${way}.input`, [gates * hidden, 8], net.uniform(hidden)),
    net.tensor(`${way}.state`, [gates * hidden, hidden], net.uniform(hidden)),
    net.tensor(`${way}.input_bias`, [gates * hidden], net.uniform(hidden)),
    net.tensor(`${way}.state_bias`, [gates * hidden], net.uniform(hidden)),
  ])
  net.add(`z = torch.zeros([2, B, ${hidden}])`)
  const call = `x.view(B, 8, 8), ${kind === 'lstm' ? '[z, z]' : 'z'}, [${weights}], True, 1, 0.0, False, True, True`
  net.add(kind === 'lstm' ? `y, h, c = torch.lstm(${call})` : `y, h = torch.gru(${call})`)
  net.add(`y = torch.relu(${net.linear('torch.mean(y, [1])', 'hidden', 48, 2 * hidden)})`)
  return net.model(net.linear('y', 'head', 10, 48))
}

// Small networks as TorchScript source and parameters, which are drawn as PyTorch's modules draw theirs.

import { define, Random, Tensor } from 'espalier'

/** Collects the parameters of a network, and writes the lines that use them. */
export class Network {
  /** @type {Record<string, Tensor>} */
  parameters = {}
  /** @type {Record<string, Tensor>} */
  buffers = {}
  /** @type {string[]} */
  lines = []

  /** @param {number} seed */
  constructor(seed) {
    this.random = new Random(seed, 1)
  }

  /** @param {string} name @param {number[]} shape @param {() => number} draw @param {'parameters' | 'buffers'} [kind] */
  tensor(name, shape, draw, kind = 'parameters') {
    const count = shape.reduce((a, b) => a * b, 1)
    this[kind][name] = Tensor.from(Float32Array.from({ length: count }, draw), shape, {
      requiresGrad: kind === 'parameters',
    })
    return `self.${name}`
  }

  /** Uniform in +-1 / sqrt(inputs). @param {number} inputs */
  uniform(inputs) {
    return () => (2 * this.random.uniform() - 1) / Math.sqrt(inputs)
  }

  /** @param {number} deviation */
  normal(deviation) {
    return () =>
      deviation * Math.sqrt(-2 * Math.log(1 - this.random.uniform())) * Math.cos(2 * Math.PI * this.random.uniform())
  }

  /** @param {string} line */
  add(line) {
    this.lines.push(line)
  }

  /** @param {string} x @param {string} name @param {number} out @param {number} inputs */
  linear(x, name, out, inputs, bias = true) {
    const weight = this.tensor(`${name}.weight`, [out, inputs], this.uniform(inputs))
    return `torch.linear(${x}, ${weight}, ${bias ? this.tensor(`${name}.bias`, [out], this.uniform(inputs)) : 'None'})`
  }

  /**
   * @param {string} x @param {string} name @param {number} out @param {number} inputs @param {number} size
   * @param {{ stride?: number, groups?: number, bias?: boolean }} [options]
   */
  conv(x, name, out, inputs, size, { stride = 1, groups = 1, bias = true } = {}) {
    const fan = (inputs / groups) * size * size
    const weight = this.tensor(`${name}.weight`, [out, inputs / groups, size, size], this.normal(Math.sqrt(2 / fan)))
    const shift = bias ? this.tensor(`${name}.bias`, [out], () => 0) : 'None'
    const half = (size - 1) / 2
    return `torch.conv2d(${x}, ${weight}, ${shift}, [${stride}, ${stride}], [${half}, ${half}], [1, 1], ${groups})`
  }

  /** @param {string} name @param {number} width */
  scale(name, width) {
    return `${this.tensor(`${name}.weight`, [width], () => 1)}, ${this.tensor(`${name}.bias`, [width], () => 0)}`
  }

  /** @param {string} x @param {string} name @param {number} width */
  batchNorm(x, name, width) {
    const scale = this.scale(name, width)
    const mean = this.tensor(`${name}.running_mean`, [width], () => 0, 'buffers')
    const variance = this.tensor(`${name}.running_var`, [width], () => 1, 'buffers')
    return `torch.batch_norm(${x}, ${scale}, ${mean}, ${variance}, self.training, 0.1, 1e-5, False)`
  }

  /** @param {string} x @param {string} name @param {number} width */
  layerNorm(x, name, width) {
    return `torch.layer_norm(${x}, [${width}], ${this.scale(name, width)})`
  }

  /**
   * Attention of `heads` over `[B, T, width]`; causal: of each position to itself and those before it.
   * @param {string} x @param {string} name @param {number} width @param {number} heads
   */
  attention(x, name, width, heads, causal = false) {
    this.add(`qkv = ${this.linear(x, `${name}.qkv`, 3 * width, width)}`)
    this.add(`qkv = qkv.view(B, -1, 3, ${heads}, ${width / heads}).permute([2, 0, 3, 1, 4])`)
    const rest = causal ? ', None, 0.0, True' : ''
    this.add(`a = torch.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]${rest})`)
    this.add(`a = a.transpose(1, 2).reshape(B, -1, ${width})`)
    return this.linear('a', `${name}.out`, width, width)
  }

  /** @param {string} result @param {string[]} [inputs] names of the inputs, the first of which has the examples of the batch */
  model(result, inputs = ['x']) {
    const body = [`B = ${inputs[0]}.size(0)`, ...this.lines, `return ${result}`].map((line) => `  ${line}`).join('\n')
    return define(`def forward(self, ${inputs.map((name) => `${name}: Tensor`).join(', ')}) -> Tensor:\n${body}`, {
      parameters: this.parameters,
      buffers: this.buffers,
    })
  }
}

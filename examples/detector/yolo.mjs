// A detector as YOLOv8 has it (https://github.com/ultralytics/ultralytics), small and untrained: C2f blocks, SPPF, a neck that goes up and down
// again, and three heads whose boxes are distributions over distances (DFL, https://arxiv.org/abs/2006.04388).

import { Tensor } from 'espalier'
import { Network } from '../network.mjs'

/** Sides of the boxes are told as a distribution over 0 to BINS - 1. */
const BINS = 16

class Detector extends Network {
  #names = 0

  /** Puts an expression into a variable of its own. @param {string} expression */
  let(expression) {
    const name = `t${this.#names++}`
    this.add(`${name} = ${expression}`)
    return name
  }

  /** Convolution, batch norm, SiLU. @param {string} x @param {string} name @param {number} out @param {number} inputs */
  layer(x, name, out, inputs, size = 1, stride = 1) {
    const y = this.conv(x, `${name}.conv`, out, inputs, size, { stride, bias: false })
    return this.let(`torch.silu(${this.batchNorm(y, `${name}.bn`, out)})`)
  }

  /** One half goes through blocks, and all that they give is put together. @param {string} x @param {string} name @param {number} out @param {number} inputs @param {number} blocks */
  c2f(x, name, out, inputs, blocks, shortcut = true) {
    const half = out / 2
    const halves = this.let(`torch.chunk(${this.layer(x, `${name}.cv1`, out, inputs)}, 2, 1)`)
    const parts = [`${halves}[0]`, `${halves}[1]`]
    for (let k = 0; k < blocks; k++) {
      const last = /** @type {string} */ (parts.at(-1))
      const first = this.layer(last, `${name}.m${k}.cv1`, half, half, 3)
      const second = this.layer(first, `${name}.m${k}.cv2`, half, half, 3)
      parts.push(shortcut ? this.let(`${last} + ${second}`) : second)
    }
    return this.layer(`torch.cat([${parts.join(', ')}], 1)`, `${name}.cv2`, out, (2 + blocks) * half)
  }

  /** The largest of ever larger surroundings. @param {string} x @param {string} name @param {number} width */
  sppf(x, name, width) {
    const parts = [this.layer(x, `${name}.cv1`, width / 2, width)]
    for (let k = 0; k < 3; k++) parts.push(this.let(`torch.max_pool2d(${parts.at(-1)}, [5, 5], [1, 1], [2, 2])`))
    return this.layer(`torch.cat([${parts.join(', ')}], 1)`, `${name}.cv2`, width, 2 * width)
  }

  /** Twice as large, beside what was there at that size. @param {string} x @param {string} other */
  up(x, other) {
    return this.let(`torch.cat([torch.upsample_nearest2d(${x}, None, [2.0, 2.0]), ${other}], 1)`)
  }

  /** Distances to the four sides of a box, and scores of classes: [B, 4 * BINS + classes, places]. @param {string} x @param {string} name @param {number} inputs @param {number} classes */
  head(x, name, inputs, classes) {
    const wide = Math.max(16, inputs / 4, 4 * BINS)
    const box = this.layer(this.layer(x, `${name}.box0`, wide, inputs, 3), `${name}.box1`, wide, wide, 3)
    const side = Math.max(inputs, classes)
    const kind = this.layer(this.layer(x, `${name}.kind0`, side, inputs, 3), `${name}.kind1`, side, side, 3)
    const both = [this.conv(box, `${name}.box2`, 4 * BINS, wide, 1), this.conv(kind, `${name}.kind2`, classes, side, 1)]
    return this.let(`torch.flatten(torch.cat([${both.join(', ')}], 1), 2)`)
  }

  /** The middles of the places of a map, in pixels, and how far these are apart: [2, places] and [1, places]. @param {string} x @param {number} stride */
  anchors(x, stride) {
    const along = (/** @type {number} */ dim) =>
      this.let(`(torch.arange(${x}.size(${dim}), dtype=6, device=x.device) + 0.5) * ${stride}.0`)
    const [down, right] = [along(2), along(3)]
    const grid = this.let(`torch.meshgrid([${down}, ${right}], indexing="ij")`)
    const middles = this.let(`torch.stack([torch.flatten(${grid}[1]), torch.flatten(${grid}[0])], 0)`)
    return [middles, this.let(`torch.full_like(${middles}[:1], ${stride}.0)`)]
  }
}

/**
 * Boxes as middle, width and height in pixels, and the probabilities of classes: [B, 4 + classes, places].
 * @param {{ classes?: number, width?: number, seed?: number }} [options]
 */
export async function detector({ classes = 8, width = 16, seed = 1 } = {}) {
  const net = new Detector(seed)
  const [w2, w4, w8, w16] = [2 * width, 4 * width, 8 * width, 16 * width]
  const p1 = net.layer('x', 'b0', width, 3, 3, 2)
  const p2 = net.c2f(net.layer(p1, 'b1', w2, width, 3, 2), 'b2', w2, w2, 1)
  const p3 = net.c2f(net.layer(p2, 'b3', w4, w2, 3, 2), 'b4', w4, w4, 2)
  const p4 = net.c2f(net.layer(p3, 'b5', w8, w4, 3, 2), 'b6', w8, w8, 2)
  const p5 = net.sppf(net.c2f(net.layer(p4, 'b7', w16, w8, 3, 2), 'b8', w16, w16, 1), 'b9', w16)
  const up4 = net.c2f(net.up(p5, p4), 'n12', w8, w16 + w8, 1, false)
  const out3 = net.c2f(net.up(up4, p3), 'n15', w4, w8 + w4, 1, false)
  const down4 = net.let(`torch.cat([${net.layer(out3, 'n16', w4, w4, 3, 2)}, ${up4}], 1)`)
  const out4 = net.c2f(down4, 'n18', w8, w4 + w8, 1, false)
  const down5 = net.let(`torch.cat([${net.layer(out4, 'n19', w8, w8, 3, 2)}, ${p5}], 1)`)
  const out5 = net.c2f(down5, 'n21', w16, w8 + w16, 1, false)
  const maps = /** @type {[string, number, number][]} */ ([
    [out3, w4, 8],
    [out4, w8, 16],
    [out5, w16, 32],
  ])
  const heads = maps.map(([map, inputs], k) => net.head(map, `head${k}`, inputs, classes))
  const all = net.let(`torch.cat([${heads.join(', ')}], 2)`)
  const anchors = maps.map(([map, , stride]) => net.anchors(map, stride))
  const [middles, strides] = [0, 1].map((k) => net.let(`torch.cat([${anchors.map((each) => each[k]).join(', ')}], 1)`))
  net.buffers.distances = Tensor.from(
    Float32Array.from({ length: BINS }, (_, k) => k),
    [1, BINS, 1, 1],
  )
  const bins = net.let(`torch.softmax(${all}[:, :${4 * BINS}].view(B, 4, ${BINS}, -1).transpose(1, 2), 1)`)
  const sides = net.let(`torch.sum(${bins} * self.distances, [1]) * ${strides}`)
  const [low, high] = [net.let(`${middles} - ${sides}[:, :2]`), net.let(`${middles} + ${sides}[:, 2:]`)]
  const boxes = net.let(`torch.cat([(${low} + ${high}) * 0.5, ${high} - ${low}], 1)`)
  return await net.model(`torch.cat([${boxes}, torch.sigmoid(${all}[:, ${4 * BINS}:])], 1)`)
}

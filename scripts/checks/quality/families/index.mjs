// The families of networks that `npm run bench:quality` prunes: how each is made, what it learns, and how it is judged.

import { randomShift, Tensor } from 'espalier'
import { DATASETS } from '../data.mjs'
import { encoder, gru, lstm, mobilenet, resnet, vgg, vit } from './images.mjs'
import { shapes, unet } from './shapes.mjs'
import { decoder, text } from './text.mjs'

/**
 * @typedef {{ train: import('espalier').Dataset, selection: import('espalier').Dataset, test: import('espalier').Dataset,
 *   shape: number[] }} Data
 * @typedef {{ make: (seed: number) => Promise<import('espalier').ScriptModule>, data: () => Data,
 *   inputs: (shape: readonly number[]) => Tensor[], augment?: import('espalier/analysis').Augment, classAxis?: 1 | -1,
 *   metric: 'accuracy' | 'meanIoU' | 'perplexity' }} Family
 */

const images = (/** @type {readonly number[]} */ shape) => [Tensor.zeros(shape)]
const digits = {
  data: /** @type {() => Data} */ (DATASETS.digits),
  inputs: images,
  augment: randomShift({ pixels: 1, fill: -1 }),
  metric: /** @type {const} */ ('accuracy'),
}

/** @type {Record<string, Family>} */
export const FAMILIES = {
  resnet: { ...digits, make: resnet },
  mobilenet: { ...digits, make: mobilenet },
  vgg: { ...digits, make: vgg },
  vit: { ...digits, make: vit },
  encoder: { ...digits, make: encoder },
  lstm: { ...digits, make: lstm },
  gru: { ...digits, make: gru },
  unet: { make: unet, data: shapes, inputs: images, classAxis: 1, metric: 'meanIoU' },
  decoder: {
    make: decoder,
    data: text,
    inputs: (shape) => [Tensor.zeros(shape, { dtype: 'int64' })],
    classAxis: -1,
    metric: 'perplexity',
  },
}

import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Dataset } from 'espalier'
import { dataFile, digits } from '../../examples/digits.js'

const sgd = { name: 'sgd', lr: 0.02, momentum: 0.9 }

/** A run of half a minute at most: everything is said that would be tried out. */
export const DIGITS_CONFIG = {
  inputs: ['1,1,8,8'],
  data: { train: 'train.safetensors', validation: 'val.safetensors' },
  budget: { macs: 0.6 },
  sparse: { epochs: 40, optimizer: sgd },
  finetune: { epochs: 2, optimizer: sgd },
  seed: 3,
}

/** `model.pt`, `train.safetensors`, `val.safetensors` and `espalier.config.json`: all that a run in this folder needs. */
export async function writeDigits(folder: string): Promise<void> {
  copyFileSync(dataFile('resnet8.script.pt'), join(folder, 'model.pt'))
  const { train, validation } = digits()
  await writeSafetensors(join(folder, 'train.safetensors'), train, 256)
  await writeSafetensors(join(folder, 'val.safetensors'), validation, 256)
  writeFileSync(join(folder, 'espalier.config.json'), JSON.stringify(DIGITS_CONFIG))
}

/** The first examples, as a file of this form: the length of the header, the header, the elements. */
async function writeSafetensors(path: string, data: Dataset, size: number): Promise<void> {
  const { inputs, targets } = await data.batch(Int32Array.from({ length: size }, (_, k) => k))
  const arrays = Object.entries({ inputs: inputs[0]!, targets: targets! })
  const header: Record<string, object> = {}
  const parts: Buffer[] = []
  let at = 0
  for (const [key, { data: elements, shape }] of arrays) {
    const part = Buffer.from(elements.buffer, elements.byteOffset, elements.byteLength)
    const dtype = elements instanceof BigInt64Array ? 'I64' : 'F32'
    header[key] = { dtype, shape, data_offsets: [at, at + part.length] }
    parts.push(part)
    at += part.length
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  writeFileSync(path, Buffer.concat([length, text, ...parts]))
}

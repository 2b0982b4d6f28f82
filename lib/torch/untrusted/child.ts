// The process in which a file that is not trusted is loaded: it reads a request from standard input, gives up all rights,
// and answers over channel 3.

import { readFileSync, writeSync } from 'node:fs'
import { EspalierError } from '../../base/errors.js'
import type { TypedArray } from '../../libtorch/binding.js'
import { binding, loadRuntime } from '../../libtorch/index.js'
import { load } from '../load.js'
import { manualSeed, setThreads } from '../settings.js'
import { Tensor } from '../tensor.js'
import type { Request } from './index.js'
import { pack, takeArrays, unpack, type WireTensor } from './wire.js'

interface Answer {
  readonly header: object
  readonly arrays: readonly TypedArray[]
}

try {
  send(await answer())
} catch (error) {
  const { code, message, detail, hint } = error instanceof EspalierError ? error : unexpected(error)
  send({ header: { error: { code, message, detail, hint } }, arrays: [] })
}
process.exit(0)

async function answer(): Promise<Answer> {
  const { header, rest } = unpack(readFileSync(0))
  const request = header as Request
  loadRuntime({ libtorch: request.libtorch })
  setThreads(1)
  // LibTorch seeds itself from a device, which it opens at the first use.
  manualSeed(0)
  const { arrays, rest: file } = takeArrays(request.inputs, rest)
  const inputs = request.inputs.map(({ shape, dtype }, i) => Tensor.from(arrays[i] as TypedArray, shape, { dtype }))
  binding().enterSandbox(request.memory)

  const model = await load(file, { limits: request.limits })
  const tensors: WireTensor[] = []
  const elements: TypedArray[] = []
  for (const [role, all] of [
    ['parameter', model.parameters()],
    ['buffer', model.buffers()],
  ] as const) {
    for (const [tensor, names] of grouped(all)) {
      tensors.push({ names, role, shape: tensor.shape, dtype: tensor.dtype })
      elements.push(tensor.data())
    }
  }
  const record = request.record ? (await model.eval().record(inputs)).record : undefined
  // A Map is no JSON.
  const second = record?.secondRun
  const plain = second && { ...second, scalars: [...second.scalars], shapes: [...second.shapes] }
  return { header: { tensors, record: record && { ...record, ...(plain && { secondRun: plain }) } }, arrays: elements }
}

/** The names of each tensor: tied ones have several. */
function grouped(all: ReadonlyMap<string, Tensor>): Map<Tensor, string[]> {
  const names = new Map<Tensor, string[]>()
  for (const [name, tensor] of all) names.set(tensor, [...(names.get(tensor) ?? []), name])
  return names
}

function unexpected(error: unknown): EspalierError {
  return new EspalierError(
    'ERR_MODEL_FILE',
    `the file can't be loaded: ${error instanceof Error ? error.message : error}`,
  )
}

function send({ header, arrays }: Answer): void {
  for (const part of pack(header, arrays)) {
    for (let at = 0; at < part.length; ) at += writeSync(3, part, at)
  }
}

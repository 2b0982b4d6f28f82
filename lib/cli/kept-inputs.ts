/** The example inputs of a model, kept in its file: what a command wrote with `-i` needs none the next time. */

import { givenInputs, inputFileOf } from '../config/given-inputs.js'
import type { Config } from '../config/option.js'
import { type SaveOptions, type ScriptModule, Tensor } from '../torch/index.js'
import { tracedInputs } from './traced-inputs.js'

/** Beside the program, where `_extra_files` of torch.jit.save and load are. */
const FILE = 'espalier-inputs.json'
/** What a file may ask for: elements of all tensors together, letters, and brackets in brackets. */
const MOST = { elements: 1e8, letters: 4096, depth: 16 }

/**
 * A config with its inputs in the order of `forward`, read from files where it names some. Where it says none itself those that the
 * model's file has: that a command has kept, or that torch.jit.trace ran it with.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_READ
 */
export async function withInputs(config: Config, model: ScriptModule, path: string): Promise<Config> {
  const { inputs } = config
  if (Array.isArray(inputs)) return { ...config, inputs: await givenInputs(inputs, model.inputNames()) }
  if (inputs !== undefined) return config
  const kept = model.extraFiles.get(FILE)
  const texts = kept === undefined ? await tracedInputs(path) : textsOf(kept)
  return texts !== undefined && isModest(texts.join(';')) ? { ...config, inputs: texts } : config
}

/** What a model is saved with, so that its file has them: of tensors, which are from files, types and sizes. */
export function keepingInputs(model: ScriptModule, { inputs }: Config): SaveOptions {
  const others = Object.fromEntries(model.extraFiles)
  const texts = Array.isArray(inputs) ? inputs.map((each) => (each instanceof Tensor ? textOf(each) : each)) : undefined
  if (!isTexts(texts)) return { extraFiles: others }
  return { extraFiles: { ...others, [FILE]: `${JSON.stringify(texts)}\n` } }
}

const textOf = ({ dtype, shape }: Tensor): string => `${dtype}:${shape.join()}`

/** Whatever a file says: it may come from anywhere. */
function textsOf(bytes: Uint8Array): readonly string[] | undefined {
  try {
    const texts: unknown = JSON.parse(new TextDecoder().decode(bytes))
    // It may not have others read.
    return isTexts(texts) && texts.every((each) => inputFileOf(each) === undefined) ? texts : undefined
  } catch {
    return undefined
  }
}

function isModest(text: string): boolean {
  const shapes = text.match(/\d+(?:[,x]\d+)*/g) ?? []
  const sizes = shapes.map((shape) => shape.split(/[,x]/).reduce((product, size) => product * Number(size), 1))
  const opened = text.match(/[[{]/g)?.length ?? 0
  const elements = sizes.reduce((sum, size) => sum + size, 0)
  return text.length <= MOST.letters && opened <= MOST.depth && elements <= MOST.elements
}

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string')

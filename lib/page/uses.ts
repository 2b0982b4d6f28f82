import { basename } from 'node:path'

/** How a model of a file is used. */
export interface Use {
  language: string
  code: string
}

/** A shape of an input as the command line has it: its dtype and sizes. */
const SHAPE = /^(?:(\w+):)?(\d+(?:[,x]\d+)*)$/

/** Code for each language, with the inputs as they are. */
export function usesOf(file: string, inputs: readonly string[]): Use[] {
  const name = JSON.stringify(basename(file))
  const shapes = inputs.map((text) => SHAPE.exec(text))
  const known = shapes.every((shape) => shape !== null)
  const each = (form: (dtype: string, sizes: string) => string): string =>
    known
      ? shapes.map((shape) => form(shape?.[1] ?? 'float32', (shape?.[2] ?? '').replaceAll(/[,x]/g, ', '))).join(', ')
      : '…'
  return [
    {
      language: 'Node.js',
      code: `import { load, Tensor } from 'espalier'

const model = await load(${name})
const output = await model.forward(${each((dtype, sizes) => `Tensor.zeros([${sizes}]${dtype === 'float32' ? '' : `, { dtype: '${dtype}' }`})`)})`,
    },
    {
      language: 'Python',
      code: `import torch

model = torch.jit.load(${name}).eval()
output = model(${each((dtype, sizes) => `torch.zeros(${sizes}${dtype === 'float32' ? '' : `, dtype=torch.${dtype}`})`)})`,
    },
    {
      language: 'C++',
      code: `#include <torch/script.h>

torch::jit::Module model = torch::jit::load(${name});
model.eval();
torch::IValue output = model.forward({${each((dtype, sizes) => `torch::zeros({${sizes}}${CPP[dtype] ?? ''})`)}});`,
    },
  ]
}

const CPP: Readonly<Record<string, string>> = {
  int64: ', torch::kInt64',
  int32: ', torch::kInt32',
  bool: ', torch::kBool',
  float64: ', torch::kFloat64',
}

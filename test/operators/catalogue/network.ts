import type { Network } from '../../property/law.js'
import type { Source } from '../../property/program.js'
import type { Specimen } from './specimen.js'

/** The whole network of a specimen. */
export function networkOf({ code, channels = 8, oneBatch }: Specimen): Network {
  const source: Source = {
    text: '',
    parameters: {
      a: { shape: [8, 3, 1, 1], zero: false },
      bias: { shape: [8], zero: false },
      out: { shape: [5, channels, 1, 1], zero: false },
    },
    buffers: {},
  }
  const body = code.replace(/([$%@])(\w+)\[([\d, ]+)\]/g, (_, kind: string, name: string, list: string) => {
    const numbers = list.split(',').map(Number)
    if (kind === '$') source.parameters[name] = { shape: numbers, zero: false }
    else if (kind === '%') source.buffers[name] = numbers
    else source.indices = { ...source.indices, [name]: numbers }
    return `self.${name}`
  })
  const lines = ['y = torch.conv2d(x, self.a, self.bias)', ...body.split('\n'), 'return torch.conv2d(z, self.out)']
  source.text = `def forward(self, x: Tensor) -> Tensor:\n${lines.map((line) => `  ${line}`).join('\n')}`
  const batches = oneBatch ? [2] : [2, 3]
  return { source, seed: 5, inputs: batches.map((batch) => [batch, 3, 4, 4]), exact: false }
}

import { BFLOAT16, channelsOf, type Emission, FLOAT32, type Kind, map, same, tokens } from '../kinds.js'

interface Of {
  e: Emission
  x: string
  c: number
}

const casting = (code: (of: Of) => string): Kind =>
  map(tokens, (e) => `${e.out} = ${code({ e, x: e.reads[0] as string, c: channelsOf(same(e.shapes)) })}`)

/** Parts of a network in a dtype of their own: what autocast leaves in a trace, weights stored in half, norms in float32. */
export const CASTS: Readonly<Record<string, Kind>> = {
  'cast.autocast': casting(({ e, x, c }) => {
    const [w, b] = [e.parameter('w', [c, c]), e.parameter('b', [c])].map((each) => `${each}.to(${BFLOAT16})`)
    return `torch.linear(${x}.to(${BFLOAT16}), ${w}, ${b}).to(${x}.dtype)`
  }),
  'cast.half': casting(({ e, x, c }) => {
    const w = `${e.parameter('w', [c, c])}.half()`
    return `torch.matmul(torch.relu(${x}).half(), ${w}).to(${x}.dtype)`
  }),
  'cast.stored': casting(({ e, x, c }) => `torch.linear(${x}.to(${BFLOAT16}), ${e.half('w', [c, c])}).to(${x}.dtype)`),
  'cast.storedWider': casting(({ e, x, c }) => `torch.linear(${x}, ${e.half('w', [c, c])}.to(${x}.dtype))`),
  'cast.typeAs': casting(({ e, x, c }) => {
    const w = e.half('w', [2 * c, c])
    const [up, down] = [`torch.linear(${x}.type_as(${w}), ${w})`, e.half('v', [c, 2 * c])]
    return `torch.linear(torch.relu(${up}), ${down}).type_as(${x})`
  }),
  'cast.normInFloat': casting(({ e, x, c }) => {
    const y = `${x}.float()`
    return `(${y} * torch.rsqrt(${y}.pow(2).mean(1, keepdim=True) + 1e-3)).to(${x}.dtype) * ${e.parameter('weight', [c])}`
  }),
  'cast.softmaxInFloat': casting(
    ({ x }) => `torch.matmul(torch.softmax(torch.matmul(${x}, ${x}.transpose(1, 2)).float(), -1).to(${x}.dtype), ${x})`,
  ),
  'cast.softmaxDtype': casting(({ x }) => `torch.softmax(torch.relu(${x}), 1, dtype=${FLOAT32}).to(${x}.dtype) * ${x}`),
  'cast.double': casting(({ x }) => `torch.tanh(${x}.double()).to(${x}.dtype)`),
}

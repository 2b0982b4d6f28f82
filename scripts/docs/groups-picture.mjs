import { define, draw, Prunable, Tensor } from 'espalier'
import { THEMES } from './themes.mjs'

const SOURCE = `
def forward(self, x: Tensor) -> Tensor:
  x = torch.relu(torch.conv2d(x, self.stem, None, [1, 1], [1, 1]))
  y = torch.relu(torch.conv2d(x, self.inner, None, [1, 1], [1, 1]))
  x = torch.relu(x + torch.conv2d(y, self.outer, None, [1, 1], [1, 1]))
  return torch.linear(x.mean([2, 3]), self.head)`

const SHAPES = { stem: [16, 3, 3, 3], inner: [24, 16, 3, 3], outer: [16, 24, 3, 3], head: [10, 16] }

/** A residual block between a stem and a head. @param {'light' | 'dark'} theme */
export async function groupsPicture(theme) {
  const entries = Object.entries(SHAPES).map(([name, shape]) => [name, Tensor.full(shape, 1, { requiresGrad: true })])
  const model = await define(SOURCE, { parameters: Object.fromEntries(entries) })
  const prunable = await Prunable.of(model, { inputs: [Tensor.zeros([1, 3, 32, 32])] })
  const svg = draw(prunable.analysis, { format: 'svg', title: 'A residual block: what hangs together' })
  const { back, quiet } = THEMES[theme]
  const style = `svg{background:${back}}.arrow{stroke:${quiet}}marker path{fill:${quiet}}.box text{fill:#1f2328}`
  return `${svg.trimEnd().replace(/<\/svg>$/, `<style>${style}</style>\n</svg>`)}\n`
}

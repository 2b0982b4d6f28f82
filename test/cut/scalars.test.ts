import { setThreads } from 'espalier'
import { beforeAll, describe, expect, it } from 'vitest'
import { hold } from '../property/law.js'

beforeAll(() => setThreads(1))

/** One number of the whole input, computed with a width that is cut: it is what it was before the cut. */
describe('a width in arithmetic with a number that the input decides', () => {
  it.each([
    ['a mean written out', 'h / (h.pow(2).sum() / h.numel() + 1.0).sqrt()'],
    ['a mean over a count that is a float', 'h / (h.pow(2).sum() / float(h.numel()) + 1.0).sqrt()'],
    ['a mean over a count that is not the whole', 'h * (h.sum() / (h.numel() + 1))'],
    ['a sum times a width', 'h * (h.sum() * h.size(2))'],
    ['a sum over all dimensions by name', 'h * (h.sum([0, 1, 2]) / h.size(2))'],
    ['of the input, not of what is cut', 'h * (x.sum() / h.numel())'],
    ['as a float of the program', 'h * (float(h.sum()) / h.numel())'],
    ['as a float of the program, in a root', 'h * ((float(x.pow(2).sum()) / h.size(2) + 1.0) ** 0.5)'],
    ['a power', 'h * (h.pow(2).mean() + 1.0) ** (1.0 / h.size(2))'],
    ['the larger of two', 'h * torch.clamp(h.sum(), 0.0, float(h.size(2)))'],
  ])('%s', async (_, code) => {
    const text = `def forward(self, x: Tensor) -> Tensor:\n  h = torch.linear(x, self.i)\n  return torch.linear(${code}, self.o)\n`
    const parameters = { i: { shape: [16, 6], zero: false }, o: { shape: [3, 16], zero: false } }
    const inputs = [
      [2, 5, 6],
      [2, 9, 6],
      [3, 4, 6],
    ]
    const verdict = await hold({ source: { text, parameters, buffers: {} }, seed: 3, inputs, exact: false })
    expect(verdict.outcome === 'wrong' ? verdict.why : verdict.outcome === 'cut' ? 'cut' : verdict.message).toBe('cut')
    expect(verdict.outcome === 'cut' && verdict.groups.flat()).toContain('i')
  })
})

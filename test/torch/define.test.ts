import { define } from 'espalier'
import { describe, expect, test } from 'vitest'
import { failure } from './support.js'

const forward = (...body: string[]) =>
  ['def forward(self, x: Tensor) -> Tensor:', ...body.map((line) => `  ${line}`)].join('\n')

describe('source that is no TorchScript is an argument that is wrong', () => {
  test.each([
    ['no definition', 'x'],
    ['a line that does not end', 'def forward('],
    ['a bracket too many', forward('return x)')],
    ['a text that does not end', forward('return "')],
    ['a body that is not indented', 'def forward(self, x: Tensor) -> Tensor:\nreturn x'],
    ['a name that is not there', forward('return y')],
    ['an operator that is not there', forward('return torch.nope(x)')],
    ['a type that is not there', 'def forward(self, x: Nope) -> Tensor:\n  return x'],
    ['another type than it says', forward('return 3')],
  ])('%s', async (_, source) => {
    const { code, message, detail } = await failure(() => define(source))
    expect({ code, message }).toEqual({ code: 'ERR_INVALID_ARGUMENT', message: 'source: this is no TorchScript' })
    expect(detail).toMatch(/expected|undefined|[Uu]nknown|but/)
  })
})

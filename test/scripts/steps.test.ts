import { expect, it } from 'vitest'
import { isStep } from '../../scripts/setup/steps.mjs'
import { compiledIn } from '../package/tools.js'

const OBJECT = 'CMakeFiles/espalier_core.dir/native/core/tensor.cc.o'

it.each([
  ['ninja', `[ 3/12] Building CXX object ${OBJECT}`],
  ['make', `[ 25%] Building CXX object ${OBJECT}`],
])('a step of %s is shown, and what it compiles twice is seen', (_driver, line) => {
  expect(isStep(line)).toBe(true)
  // As prebuild prints it, for each LibTorch.
  const of = (minor: string, lines: string[]) => [
    `  LibTorch ${minor}: /opt/libtorch`,
    ...lines.map((each) => `  ${each}`),
  ]
  expect(compiledIn([...of('2.13', [line]), ...of('2.14', [line])].join('\n'))).toEqual([
    `2.13 ${OBJECT}`,
    `2.14 ${OBJECT}`,
  ])
  expect(compiledIn(of('2.13', [line, line]).join('\n'))).toEqual([`2.13 ${OBJECT}`, `2.13 ${OBJECT}`])
})

it.each(['-- Configuring done (0.1s)', 'info TOOL Using Ninja generator', 'warning: [-Wunused]'])(
  '%j is no step',
  (line) => {
    expect(isStep(line)).toBe(false)
  },
)

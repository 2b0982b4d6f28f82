import { describe, expect, it } from 'vitest'
import { findMissing, formatMissing, type Machine } from '../../scripts/setup/prerequisites.mjs'

/** A machine that has everything; each test takes something away. */
function machine(changes: Partial<Machine> & { outputs?: Record<string, string | undefined> } = {}): Machine {
  const outputs: Record<string, string | undefined> = {
    'g++': '12.2.0\n',
    cmake: 'cmake version 3.25.1\n',
    ninja: '1.11.1\n',
    make: 'GNU Make 4.3\n',
    ...changes.outputs,
  }
  return {
    platform: 'linux-x64',
    node: '20.19.0',
    compiler: 'g++',
    output: (command) => outputs[command],
    free: () => 10e9,
    missingPackages: [],
    hasLibtorch: false,
    cache: '/cache',
    root: '/repo',
    ...changes,
  }
}
const whatOf = (changes: Parameters<typeof machine>[0]) => findMissing(machine(changes)).map(({ what }) => what)

it('nothing is missing on a machine that has everything', () => {
  expect(findMissing(machine())).toEqual([])
})

describe('each prerequisite', () => {
  it.each([
    ['another platform', { platform: 'darwin-arm64' }, /Linux on x64 \(this is darwin-arm64\)/],
    ['an old Node', { node: '20.18.1' }, /Node >= 20\.19 \(this is 20\.18\.1\)/],
    ['missing npm packages', { missingPackages: ['typescript', 'vitest'] }, /npm packages: typescript, vitest/],
    ['no compiler', { outputs: { 'g++': undefined } }, /g\+\+ >= 12/],
    ['an old compiler', { outputs: { 'g++': '11.4.0' } }, /g\+\+ >= 12 \(found 11\.4\.0\)/],
    ['no cmake', { outputs: { cmake: undefined } }, /cmake >= 3\.20/],
    ['an old cmake', { outputs: { cmake: 'cmake version 3.18.4' } }, /cmake >= 3\.20 \(found cmake version 3\.18\.4\)/],
    ['neither make nor ninja', { outputs: { make: undefined, ninja: undefined } }, /make or ninja/],
    ['no space for LibTorch', { free: (path: string) => (path === '/cache' ? 1e9 : 10e9) }, /\/cache has 1000 MB free/],
    ['no space to build', { free: (path: string) => (path === '/repo' ? 1e8 : 10e9) }, /\/repo has 100 MB free/],
  ])('%s', (_name, changes, words) => {
    expect(whatOf(changes)).toEqual([expect.stringMatching(words)])
  })
  it.each([
    { node: '22.0.0' },
    { node: '20.20.2' },
    { outputs: { 'g++': '13' } },
    { outputs: { cmake: 'cmake version 4.0.0' } },
    { outputs: { ninja: undefined } },
  ])('is met by %o', (changes) => {
    expect(whatOf(changes)).toEqual([])
  })
})

it('room for LibTorch is only needed when there is none', () => {
  const changes = { free: (path: string) => (path === '/cache' ? 0 : 10e9) }
  expect(whatOf({ ...changes, hasLibtorch: true })).toEqual([])
  expect(whatOf(changes)).toHaveLength(1)
})

it('all that is missing is printed at once, with one apt line', () => {
  const outputs = { 'g++': undefined, cmake: undefined, make: undefined, ninja: undefined }
  const text = formatMissing(findMissing(machine({ node: '18.0.0', outputs })))
  expect(text.split('\n').filter((line) => line.startsWith('  - '))).toHaveLength(4)
  expect(text.match(/apt-get/g)).toHaveLength(1)
  expect(text).toContain('sudo apt-get install -y g++ cmake make')
})

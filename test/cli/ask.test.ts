import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { saysYes } from '../../lib/cli/ask.js'
import { Terminal } from '../support/terminal.js'

/** The answer to a question after which `typed` comes, and what is seen. */
async function asked(type: (input: PassThrough) => void, patience?: number): Promise<{ yes: boolean; seen: Terminal }> {
  const input = new PassThrough()
  const output = new PassThrough({ encoding: 'utf8' })
  const seen = new Terminal(80)
  output.on('data', (text: string) => seen.write(text))
  type(input)
  const yes = await saysYes('Fetch it?', { input, output, ...(patience === undefined ? {} : { patience }) })
  await new Promise((done) => setImmediate(done))
  return { yes, seen }
}

it.each([
  ['y\n', true],
  ['YES\n', true],
  ['n\n', false],
  ['yellow\n', false],
  ['\n', false],
])('who types %j says yes: %s', async (typed, expected) => {
  const { yes, seen } = await asked((input) => input.write(typed))
  expect(yes).toBe(expected)
  expect(seen.text).toBe('Fetch it? [y/N]')
})

it('the end of the input is a no', async () => {
  expect((await asked((input) => input.end())).yes).toBe(false)
})

it('no answer in time is a no, and the next line begins at its beginning', async () => {
  const { yes, seen } = await asked(() => {}, 20)
  expect(yes).toBe(false)
  expect(seen.isAtRest).toBe(true)
})

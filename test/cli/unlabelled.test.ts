import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { define, Tensor } from 'espalier'
import { beforeAll, describe, expect, it } from 'vitest'
import { bytesOf, dict, npy, temporary } from '../train/files/bytes.js'

const MAIN = join(fileURLToPath(new URL('../../', import.meta.url)), 'dist/cli/main.js')
const { folder, write } = temporary()

function espalier(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { cwd: folder, encoding: 'utf8' })
  return { status, stderr, said: stdout.startsWith('{') ? JSON.parse(stdout) : stdout }
}

/** The larger number is the class; the second model weighs the second one double. */
beforeAll(async () => {
  for (const [name, weights] of [
    ['first', [1, 1]],
    ['second', [1, 2]],
  ] as const) {
    const model = await define('def forward(self, x: Tensor) -> Tensor:\n  return x * self.w', {
      parameters: { w: Tensor.from([...weights], [2]) },
    })
    await model.save(join(folder, `${name}.pt`))
  }
  // Of these pairs the models say the same but for the third.
  const pairs = Float32Array.of(1, 2, 9, 1, 3, 2, 0, 5)
  write('pairs.npy', npy(dict("'<f4'", '(4, 2)'), bytesOf(pairs)))
})

describe('data without labels', () => {
  const data = ['--data', 'pairs.npy', '--no-labels', '-i', '1,2', '--json']

  it('are what the first of two models says in compare', () => {
    const { status, said } = espalier('compare', 'first.pt', 'second.pt', ...data, '--batches', '1', '--rounds', '1')
    expect([status, said.evaluations?.map(({ agreement }: { agreement: number }) => agreement)]).toEqual([0, [1, 0.75]])
  })

  it('are what a teacher says in evaluate, and without one the error tells how', () => {
    const { status, said } = espalier('evaluate', 'second.pt', ...data, '--teacher', 'first.pt')
    expect([status, said.agreement]).toEqual([0, 0.75])
    const without = espalier('evaluate', 'second.pt', ...data)
    expect([without.status, without.said.error]).toMatchObject([
      2,
      { code: 'ERR_INVALID_ARGUMENT', hint: expect.stringContaining('--teacher model.pt') },
    ])
  })

  it.each([
    ['evaluate', 'a teacher says what is right'],
    ['compare', 'the first model says what is right'],
  ])('are told of in the help of %s as it does it', (command, words) => {
    const { said } = espalier(command, '--help')
    expect(said.replace(/\s+/g, ' ')).toContain(`the data have no labels: ${words}`)
  })
})

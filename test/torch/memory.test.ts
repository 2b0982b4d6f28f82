import { load, run, setMemoryLimit, Tensor } from 'espalier'
import { afterEach, expect, test } from 'vitest'
import { failure, model, smallInput } from './support.js'

// The limit is the process's: it must not stay for what runs after.
afterEach(() => setMemoryLimit(Number.MAX_SAFE_INTEGER))

/** Of 64 MiB: LibTorch is asked on each such tensor. */
const large = () => run([{ op: 'aten::zeros', args: [[2 ** 24]] }])

test('a tensor beyond the memory limit is refused with an error, and the process goes on', async () => {
  setMemoryLimit(2 ** 20)
  const error = await failure(large)
  expect([error.code, /out of memory/.test(`${error.message} ${error.detail}`)]).toEqual(['ERR_TORCH', true])
  setMemoryLimit(Number.MAX_SAFE_INTEGER)
  const [zeros] = (await large()) as [Tensor]
  expect(zeros.shape).toEqual([2 ** 24])
  zeros.dispose()
})

test('small tensors are given below a limit that is reached', async () => {
  setMemoryLimit(2 ** 20)
  const network = await load(model('small.script.pt'))
  expect((await network.forward(smallInput())) instanceof Tensor).toBe(true)
  network.dispose()
})

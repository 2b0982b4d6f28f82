import { load, type ScriptModule, Tensor } from 'espalier'
import { expect, test } from 'vitest'
import { model, numbers, smallInput } from './support.js'

// One piece of work has a module at a time. However that work ends, the module is free for the next.

const open = async () => (await load(model('small.script.pt'))).eval()
const wrong = () => Tensor.zeros([2, 7, 4, 4])

const ENDS: Record<string, (network: ScriptModule) => unknown> = {
  'a run that fails': (network) => network.forward(wrong()),
  'a run that fails in the calling thread': (network) => network.forwardSync(wrong()),
  'a run that fails behind a hook': async (network) => {
    const hook = network.registerForwardHook('conv', () => {
      throw new Error('of the hook')
    })
    try {
      await network.forward(smallInput())
    } finally {
      hook.remove()
    }
  },
  'a recording that fails': (network) => network.record([wrong()]),
  'work that is cancelled in the queue': async (network) => {
    // The hook keeps the first in work until this thread is free, and the second in the queue.
    const hook = network.registerForwardHook('conv', () => undefined)
    const stop = new AbortController()
    const first = network.forward(smallInput())
    const second = network.record([smallInput()], { signal: stop.signal })
    stop.abort()
    const [, cancelled] = await Promise.allSettled([first, second])
    hook.remove()
    if (cancelled.status === 'rejected') throw cancelled.reason
  },
  'a cut that fails': async (network) => {
    const recording = await network.record([smallInput()])
    const slices = [{ name: 'no.such', dim: 0, keep: Int32Array.of(0) }]
    await network.cut(recording, { slices })
  },
  'a file that can not be written': (network) => network.save('/no/such/folder/model.pt'),
}

test.each(Object.entries(ENDS))('after %s', async (_, end) => {
  const network = await open()
  const before = numbers((await network.forward(smallInput())) as Tensor)
  await expect((async () => end(network))()).rejects.toThrow()
  for (const training of [true, false]) network.train(training)
  expect(numbers(network.forwardSync(smallInput()) as Tensor)).toEqual(before)
  expect(numbers((await network.forward(smallInput())) as Tensor)).toEqual(before)
})

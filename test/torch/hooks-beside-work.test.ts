import { describe, expect, test } from 'vitest'
import { address, espalier, espalierTorch, example, run } from '../support/program.js'

// Hooks that do all that they should not, while a worker trains: neither hears of the other.

/** Trains in a worker, and tells its last weights; the main thread may end it no sooner than it has begun. */
const TRAIN = `
  import { parentPort } from 'node:worker_threads'
  import { crossEntropy, load, scope, setThreads, Tensor } from ${espalierTorch}
  import { sgd } from ${espalier}
  setThreads(1)
  const network = (await load(${example('resnet8.script.pt')})).train()
  const optimizer = sgd({ lr: 0.05, momentum: 0.9 }).bind(network.parameters())
  const x = Tensor.from(Float32Array.from({ length: 32 * 64 }, (_, i) => Math.sin(i)), [32, 1, 8, 8])
  const target = Tensor.from(BigInt64Array.from({ length: 32 }, (_, i) => BigInt(i % 10)), [32])
  for (let step = 0; step < 40; step++) {
    await scope(async () => {
      await (await crossEntropy(await network.forward(x), target)).backward()
      await optimizer.step()
      optimizer.zeroGrad()
    })
    if (step === 0) parentPort.postMessage('trains')
  }
  parentPort.postMessage([...network.parameters().values()].flatMap((each) => Array.from(each.data())).join())`

/** What a hook does, and what the pass that it is called in then gives: an error's text or code, or 'the same'. */
const HOOKS: Record<string, [source: string, inForward: string, inBackward?: string]> = {
  throws: [`throw new Error('of the hook')`, 'of the hook'],
  'disposes of the model': ['network.dispose()', 'the same'],
  'disposes of all that it is given': [`for (const each of given.flat()) each.dispose?.()`, 'the same'],
  'gives what it disposed of': [`given[0].dispose(); return given[0]`, 'ERR_DISPOSED'],
  'trains another model': ['train(other)', 'the same'],
  'trains its own model': ['hook.remove(); train(network)', 'ERR_UNSUPPORTED', 'twice the gradient'],
  'trains its own model, which calls it again': ['train(network)', 'ERR_UNSUPPORTED'],
  'starts work and does not wait for it': ['later.push(other.forward(x))', 'the same'],
  'starts work and gives its promise': [
    'const promise = other.forward(x); later.push(promise); return promise',
    'ERR_INVALID_ARGUMENT',
  ],
  'ends its own registration': ['hook.remove()', 'the same'],
}

const PROGRAM = `
  import { Worker } from 'node:worker_threads'
  import { call, crossEntropy, crossEntropySync, load, scope, setThreads, Tensor } from ${espalierTorch}
  setThreads(1)
  const worker = () => {
    const thread = new Worker(${address(TRAIN)})
    let began
    const trains = new Promise((resolve) => { began = resolve })
    const ended = new Promise((resolve, reject) => {
      thread.on('message', (what) => what === 'trains' ? began() : resolve(what))
      thread.on('error', reject)
    })
    return { trains, ended }
  }
  const open = () => load(${example('resnet8.trace.pt')})
  const x = Tensor.from(Float32Array.from({ length: 8 * 64 }, (_, i) => Math.cos(i)), [8, 1, 8, 8])
  const target = Tensor.zeros([8], { dtype: 'int64' })
  const train = (network) => crossEntropySync(network.forwardSync(x), target).backwardSync()
  const HOOKS = { ${Object.entries(HOOKS)
    .map(([name, [source]]) => `${JSON.stringify(name)}: (network, other, later, hook, given) => { ${source} }`)
    .join(',\n')} }

  /** What a pass with the hook gives: the loss and a gradient. */
  async function pass(does, where) {
    const [network, other] = [(await open()).train(), (await open()).train()]
    const weight = network.parameters().get('fc.weight')
    const later = []
    let calls = 0
    const hook = network[where]('layer1', (...given) => {
      calls++
      return does?.(network, other, later, hook, given)
    })
    let said
    try {
      const loss = await crossEntropy(await network.forward(x), target)
      await loss.backward()
      said = [loss.item(), ...(network.disposed ? [] : weight.grad.data())]
    } catch (error) {
      said = error.code ?? error.message
    }
    await Promise.all(later)
    return { said, calls, disposed: network.disposed }
  }

  function compared(said, [loss, ...gradient]) {
    const is = (factor) => String(said) === String([loss, ...gradient.map((value) => factor * value)])
    return is(1) ? 'the same' : is(2) ? 'twice the gradient' : 'other numbers'
  }

  const results = {}
  const alone = await worker().ended
  for (const where of ['registerForwardHook', 'registerBackwardHook']) {
    const wanted = await pass(undefined, where)
    const { trains, ended } = worker()
    await trains
    for (const [name, does] of Object.entries(HOOKS)) {
      const { said, calls, disposed } = await pass(does, where)
      const gives = typeof said === 'string' ? said : compared(said, disposed ? wanted.said.slice(0, 1) : wanted.said)
      results[where + ': ' + name] = calls === 1 || typeof said === 'string' ? gives : calls + ' calls'
    }
    results[where + ': the worker'] = (await ended) === alone ? 'the same' : 'other weights'
  }
  console.log(JSON.stringify(results))`

describe('while a worker trains', () => {
  test('a hook that throws, trains, disposes, or does not wait, is told of or goes unnoticed', {
    timeout: 120_000,
  }, () => {
    const { status, signal, stdout, stderr } = run(PROGRAM)
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
    const wanted = Object.entries(HOOKS).flatMap(([name, [, inForward, inBackward = inForward]]) => [
      [`registerForwardHook: ${name}`, inForward],
      [`registerBackwardHook: ${name}`, inBackward],
    ])
    const workers = { 'registerForwardHook: the worker': 'the same', 'registerBackwardHook: the worker': 'the same' }
    expect(JSON.parse(stdout)).toEqual({ ...Object.fromEntries(wanted), ...workers })
  })
})

import { describe, expect, test } from 'vitest'
import { address, espalier, espalierTorch, run } from '../support/program.js'
import { model } from './support.js'

// What ends a process, or needs one of its own.

const small = JSON.stringify(model('small.script.pt'))

/** Training without end, with more jobs in the queue than run. */
const train = `
  import { call, crossEntropy, load, Tensor } from ${espalierTorch}
  async function train() {
    const network = (await load(${small})).train()
    const x = call('aten::randn', [[256, 3, 64, 64]])
    const target = Tensor.zeros([256], { dtype: 'int64' })
    for (;;) {
      const loss = await crossEntropy(await network.forward(x), target)
      await loss.backward()
    }
  }`

/** Source of a program that runs `source` in a worker and does `then` with `worker` at its first message. */
function inWorker(source: string, then: string): string {
  return `
    import { Worker } from 'node:worker_threads'
    const url = ${address(source)}
    const worker = new Worker(url)
    worker.on('error', (error) => console.error(error))
    ${then}`
}

const threeTrainings = `${train}
  import { parentPort } from 'node:worker_threads'
  for (let i = 0; i < 3; i++) train()
  setTimeout(() => parentPort?.postMessage('training'), 300)`

describe('while jobs run and wait', () => {
  test.each<[string, string, number]>([
    ['process.exit(7) ends with 7', 'process.exit(7)', 7],
    ["an uncaught error ends with Node's 1", "throw new Error('not caught')", 1],
    ['an unhandled rejection ends with 1', "Promise.reject(new Error('not caught'))", 1],
    [
      "process.exit in an 'exit' listener keeps its code",
      "process.on('exit', () => process.exit(4)); process.exit(7)",
      4,
    ],
  ])('%s', (_, ending, code) => {
    const { status, signal, stderr, seconds } = run(`${threeTrainings}; setTimeout(() => { ${ending} }, 600)`)
    expect({ status, signal }).toEqual({ status: code, signal: null })
    expect(stderr === '' || /not caught/.test(stderr)).toBe(true)
    expect(seconds).toBeLessThan(0.6 + 5)
  })

  test('work asked for in an exit listener is refused, not waited for', () => {
    const { status, signal } = run(`${threeTrainings}
      setTimeout(() => { process.on('exit', () => { train(); train() }); process.exit(7) }, 600)`)
    expect({ status, signal }).toEqual({ status: 7, signal: null })
  })

  test('worker.terminate() is prompt, and another worker and the main thread work on', () => {
    const after = `
      worker.once('message', async () => {
        const start = performance.now()
        console.log(await worker.terminate(), performance.now() - start < 5000)
        const { load, Tensor } = await import(${espalier})
        const output = await (await load(${small})).forward(Tensor.zeros([2, 3, 4, 4]))
        console.log(output.shape.join())
        const second = new Worker(url)
        second.once('message', async () => {
          await second.terminate()
          process.exitCode = 7
        })
      })`
    const { status, signal, stdout, stderr } = run(inWorker(threeTrainings, after))
    expect({ status, signal, stdout, stderr }).toEqual({ status: 7, signal: null, stdout: '1 true\n2,5\n', stderr: '' })
  })

  test('process.exit() of the main thread ends a worker too', () => {
    const { status, signal, stderr, seconds } = run(
      inWorker(threeTrainings, `worker.once('message', () => process.exit(7))`),
    )
    expect({ status, signal, stderr }).toEqual({ status: 7, signal: null, stderr: '' })
    expect(seconds).toBeLessThan(10)
  })

  test('a worker that ends itself takes its jobs with it', () => {
    const source = `${threeTrainings}; setTimeout(() => process.exit(5), 500)`
    const { status, signal, stdout, stderr } = run(
      inWorker(source, `worker.on('exit', (code) => console.log('worker ended with', code))`),
    )
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
    expect(stdout).toBe('worker ended with 5\n')
  })
})

test('a job that nobody awaits is done before the process ends by itself', () => {
  const { status, stdout, stderr } = run(`
    import { load, Tensor } from ${espalier}
    load(${small}).then((network) => network.forward(Tensor.zeros([2, 3, 4, 4]))).then((y) => console.log(String(y)))`)
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'Tensor([2, 5], float32, cpu)\n', stderr: '' })
})

test('when no work is left the process ends, whatever was created', () => {
  const { status, seconds, stderr } = run(`
    import { load } from ${espalier}
    globalThis.network = await load(${small})
    globalThis.parameters = network.parameters()`)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(seconds).toBeLessThan(10)
})

test('tensors and modules work in several workers and the main thread at the same time', () => {
  const source = `
    import { parentPort } from 'node:worker_threads'
    import { call, load, scope, Tensor } from ${espalierTorch}
    const network = await load(${small})
    let sum = 0
    for (let i = 0; i < 50; i++) {
      sum += await scope(async () => (await network.forward(Tensor.full([2, 3, 4, 4], 1))).data()[0])
    }
    parentPort?.postMessage(sum)
    if (parentPort === null) console.log(sum)`
  const { status, stdout, stderr } = run(`
    import { Worker } from 'node:worker_threads'
    const url = ${address(source)}
    for (let i = 0; i < 3; i++) new Worker(url).on('message', (sum) => console.log(sum))
    await import(url)`)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const sums = stdout.trim().split('\n')
  expect(sums).toHaveLength(4)
  expect(new Set(sums).size).toBe(1)
})

describe('workers one after another', () => {
  const source = `
    import { load, Tensor } from ${espalier}
    const network = (await load(${small})).train()
    await network.forward(Tensor.zeros([2, 3, 4, 4]))`
  const one = `
    const one = () => new Promise((ended) => new Worker(url).on('exit', ended))`

  test.each<[string, string]>([
    ['that alone load the package', `for (let k = 0; k < 6; k++) console.log(await one())`],
    [
      'before and after the main thread does',
      `for (let k = 0; k < 3; k++) console.log(await one())
       await import(url)
       for (let k = 0; k < 3; k++) console.log(await one())`,
    ],
    ['and side by side', `for (let k = 0; k < 3; k++) console.log((await Promise.all([one(), one()])).join('\\n'))`],
  ])('%s end well', (_, then) => {
    const { status, signal, stdout, stderr } = run(`
      import { Worker } from 'node:worker_threads'
      const url = ${address(source)}
      ${one}
      ${then}`)
    expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: '0\n'.repeat(6), stderr: '' })
  })
})

test('importing the package loads nothing native; the first tensor does', () => {
  const { status, stdout, stderr } = run(`
    import { readFileSync } from 'node:fs'
    import * as espalier from ${espalier}
    const native = () => /libtorch|espalier[^/]*\\.(node|so)$/m.test(readFileSync('/proc/self/maps', 'utf8'))
    console.log(typeof espalier.load, native())
    espalier.Tensor.zeros([1])
    console.log(native())`)
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'function false\ntrue\n', stderr: '' })
})

describe('memory', () => {
  /** MiB, where what is kept would be 3,000: the heap's own shape is worth 0 to 100 of them, from run to run. */
  const A_FEW = 200

  /** MiB by which the peak grows while \`body\` runs, after a warm-up in which the heap finds its shape. */
  function growth(body: string): number {
    const { status, stdout, stderr } = run(`
      import { call, crossEntropy, load, scope, Tensor } from ${espalierTorch}
      const peak = () => process.resourceUsage().maxRSS / 1024
      const work = async (rounds) => { ${body} }
      await work(100)
      const before = peak()
      await work(300)
      console.log(peak() - before)`)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    return Number(stdout)
  }

  test('of disposed tensors is free at once: 300 tensors of 10 MB in one loop need that of a few', () => {
    expect(
      growth(`for (let i = 0; i < rounds; i++) {
        const tensor = Tensor.zeros([2621440])
        call('aten::add_.Scalar', [tensor, 1]).dispose()
        tensor.dispose()
      }`),
    ).toBeLessThan(A_FEW)
  })

  test('of a scope is free at its end', () => {
    expect(
      growth(`for (let i = 0; i < rounds; i++) await scope(async () => {
        call('aten::add.Scalar', [Tensor.zeros([2621440]), 1])
        await null
      })`),
    ).toBeLessThan(A_FEW)
  })

  test('that nobody disposes of is given back by garbage collection between two turns of the event loop', () => {
    expect(
      growth(`for (let i = 0; i < rounds; i++) {
        Tensor.zeros([2621440])
        await new Promise((resolve) => setImmediate(resolve))
      }`),
    ).toBeLessThan(1500) // of 3000
  })

  test('of training steps does not pile up', () => {
    expect(
      growth(`
        const network = (await load(${small})).train()
        for (let i = 0; i < rounds; i++) await scope(async () => {
          const x = Tensor.zeros([32, 3, 32, 32])
          const loss = await crossEntropy(await network.forward(x), Tensor.zeros([32], { dtype: 'int64' }))
          await loss.backward()
        })
        network.dispose()`),
    ).toBeLessThan(60)
  })

  test('of modules that are loaded, copied and disposed of does not pile up', () => {
    expect(
      growth(`for (let i = 0; i < rounds; i++) {
        const network = await load(${small})
        const copy = await network.clone()
        copy.parameters()
        copy.dispose()
        network.dispose()
      }`),
    ).toBeLessThan(60)
  })
})

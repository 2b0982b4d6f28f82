import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  define,
  evaluate,
  inMemory,
  load,
  measureLatency,
  prune,
  type ScriptModule,
  sgd,
  Tensor,
  train,
} from 'espalier'
import { call } from 'espalier/torch'
import { describe, expect, test } from 'vitest'
import { PACKAGE_ROOT } from '../../lib/libtorch/index.js'
import { failure, model } from './support.js'

// A model is a program, and a program need not end.

const LOOP = `
def forward(self, x: Tensor):
    rounds = 0
    while x.dim() > 0:
        rounds += 1
    return x * self.weight * rounds
`
const endless = () => define(LOOP, { parameters: { weight: Tensor.full([2], 1, { requiresGrad: true }) } })
const x = Tensor.zeros([2, 2])
const data = inMemory({ data: new Float32Array(8), shape: [4, 2] }, { data: new Float32Array(8), shape: [4, 2] })

/** How long after the signal the call was rejected, in milliseconds. */
async function timeToAbort(start: (signal: AbortSignal) => Promise<unknown>): Promise<number> {
  const controller = new AbortController()
  let at = 0
  setTimeout(() => {
    at = performance.now()
    controller.abort()
  }, 150)
  const { code } = await failure(() => start(controller.signal))
  expect(code).toBe('ERR_ABORTED')
  expect(at).toBeGreaterThan(0)
  return performance.now() - at
}

describe('a signal ends a program that runs without end', () => {
  const calls: [string, (network: ScriptModule, signal: AbortSignal) => Promise<unknown>][] = [
    ['forward', (network, signal) => network.forwardWith([x], { signal })],
    ['forward with gradients', (network, signal) => network.forwardWith([x], { signal, grad: true })],
    ['record', (network, signal) => network.record([x], { signal })],
    ['record for real', (network, signal) => network.record([x], { signal, execute: true })],
    ['prune', (network, signal) => prune(network, { inputs: [x], ratio: 0.5, signal })],
    ['evaluate', (network, signal) => evaluate(network, data, { loss: 'mse', signal })],
    ['measureLatency', (network, signal) => measureLatency([network], [x], { signal })],
    [
      'train',
      async (network, signal) => {
        const options = { data: { train: data }, loss: 'mse', optimizer: sgd({ lr: 0.1 }), epochs: 1 } as const
        for await (const _ of train(network, { ...options, signal }));
      },
    ],
    [
      'forward with a hook',
      (network, signal) => {
        network.registerForwardHook('', () => {})
        return network.forwardWith([x], { signal })
      },
    ],
  ]
  test.each(calls)('in %s, and the model can be used and saved afterwards', async (_, start) => {
    const network = await endless()
    const before = await network.toBuffer()
    expect(await timeToAbort((signal) => start(network, signal))).toBeLessThan(900)
    expect(Buffer.compare(await network.toBuffer(), before)).toBe(0)
    const output = (await network.forward(Tensor.zeros([]))) as Tensor
    expect(output.shape).toEqual([2])
  })

  test('on a thread that the program forked', async () => {
    const network = await load(model('endless_fork.script.pt'))
    expect(await timeToAbort((signal) => network.forwardWith([x], { signal }))).toBeLessThan(900)
    expect(((await network.forward(Tensor.zeros([]))) as Tensor).shape).toEqual([2])
  })

  test('within a loop within a branch', async () => {
    const network = await define(
      `
def forward(self, x: Tensor):
    for i in range(10):
        if x.dim() > 0:
            j = 0
            while j <= i:
                j = j - 1
    return x * self.weight
`,
      { parameters: { weight: Tensor.full([2], 1) } },
    )
    expect(await timeToAbort((signal) => network.forwardWith([x], { signal }))).toBeLessThan(900)
  })
})

describe('what no one can ask to stop is left behind', () => {
  test('a program that runs while its file is read: the promise is rejected, and other work goes on', async () => {
    expect(await timeToAbort((signal) => load(model('endless_load.script.pt'), { signal }))).toBeLessThan(2000)
    const network = await load(model('small.script.pt'))
    expect(((await network.forward(Tensor.zeros([2, 3, 4, 4]))) as Tensor).shape).toEqual([2, 5])
    network.dispose()
  })

  test('one operator that takes long: its module says that it can not be used any more, until it ends', async () => {
    const network = await define('def forward(self, x: Tensor):\n    return torch.matmul(x, self.weight)', {
      parameters: { weight: Tensor.full([3000, 3000], 1) },
    })
    const large = call('aten::expand', [Tensor.full([1, 3000], 1), [30000, 3000], false]) as Tensor
    const running = timeToAbort((signal) => network.forwardWith([large], { signal }))
    const elapsed = await running
    expect(elapsed).toBeLessThan(2000)
    // A machine may well be fast enough to end within that second.
    if (elapsed < 1000) return
    const { code, message } = await failure(() => network.forward(large))
    expect([code, message]).toEqual([
      'ERR_ABORTED',
      'the module is still in the hands of work that was cancelled and did not end',
    ])
    expect((await failure(() => network.clone())).code).toBe('ERR_ABORTED')
  })
})

const espalier = JSON.stringify(pathToFileURL(join(PACKAGE_ROOT, 'dist/index.js')).href)

/** What runs without end, as source: `busy` is called once it runs. */
const RUNNING = {
  'a forward': `
    const network = await define(${JSON.stringify(LOOP)}, { parameters: { weight: Tensor.full([2], 1, { requiresGrad: true }) } })
    network.forward(Tensor.zeros([2]))
    setTimeout(busy, 200)`,
  'a forward that blocks': `
    const network = await define(${JSON.stringify(LOOP)}, { parameters: { weight: Tensor.full([2], 1, { requiresGrad: true }) } })
    busy()
    network.forwardSync(Tensor.zeros([2]))`,
  'a load': `
    load(${JSON.stringify(model('endless_load.script.pt'))})
    setTimeout(busy, 200)`,
  'a load that was given up': `
    load(${JSON.stringify(model('endless_load.script.pt'))}, { signal: AbortSignal.timeout(10) }).catch(busy)`,
} as const

function run(source: string) {
  const program = `import { define, load, Tensor } from ${espalier}\n${source}`
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    ...{ encoding: 'utf8', timeout: 30_000 },
  })
  return { status, signal, stdout, stderr }
}

/** A worker in which \`running\` runs; \`then\` is done when it does. */
function inWorker(running: string, then: string): string {
  const source = `
    import { parentPort } from 'node:worker_threads'
    import { define, load, Tensor } from ${espalier}
    const busy = () => parentPort.postMessage('busy')
    ${running}`
  return `
    import { Worker } from 'node:worker_threads'
    const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(source)})))
    worker.on('error', (error) => console.error(error))
    worker.once('message', async () => { ${then} })`
}

/** Two seconds, and as many for a busy machine. */
const SOON = 4000

describe('whatever runs without end', () => {
  const names = Object.keys(RUNNING) as (keyof typeof RUNNING)[]
  const asynchronous = names.filter((name) => name !== 'a forward that blocks')
  /** Exits, and says when: what a process prints to a pipe has left it before it goes on. */
  const exit = `setTimeout(() => { console.log(Date.now()); process.exit(7) }, 50)`
  const expectSoon = ({ status, signal, stdout, stderr }: ReturnType<typeof run>) => {
    expect({ status, signal, stderr }).toEqual({ status: 7, signal: null, stderr: '' })
    expect(Date.now() - Number(stdout)).toBeLessThan(SOON)
  }

  test.each(asynchronous)('%s: process.exit ends the process within 2 s, with its code', (name) => {
    expectSoon(run(`const busy = () => ${exit}; ${RUNNING[name]}`))
  })

  test.each(names)('%s in a worker: process.exit of the main thread ends both', (name) => {
    expectSoon(run(inWorker(RUNNING[name], exit)))
  })

  test.each(names)('%s: worker.terminate() is done within 2 s, and the main thread works on', (name) => {
    const then = `
      await new Promise((resolve) => setTimeout(resolve, 50))
      const start = performance.now()
      await worker.terminate()
      console.log(performance.now() - start < ${SOON})
      const network = await load(${JSON.stringify(model('small.script.pt'))})
      console.log((await network.forward(Tensor.zeros([2, 3, 4, 4]))).shape.join())`
    expect(run(inWorker(RUNNING[name], then))).toEqual({ status: 0, signal: null, stdout: 'true\n2,5\n', stderr: '' })
  })

  test('what was left behind does not keep a process that has nothing else to do', () => {
    const { status, signal, stdout, stderr } = run(`
      process.on('exit', () => console.log(Date.now()))
      const busy = () => {}
      ${RUNNING['a load that was given up']}`)
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
    expect(Date.now() - Number(stdout)).toBeLessThan(SOON)
  })
})

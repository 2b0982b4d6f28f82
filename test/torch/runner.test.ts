import { load, manualSeed, setThreads, Tensor } from 'espalier'
import { call, type OpCall, run, threads, torchVersion } from 'espalier/torch'
import { describe, expect, test } from 'vitest'
import { expectClose, expected, failure, model, numbers, smallInput } from './support.js'

/** A program of `calls` matrix products, a few milliseconds each. */
function work(calls: number): OpCall[] {
  const matrix = Tensor.full([384, 384], 1e-3)
  return Array.from({ length: calls }, () => ({ op: 'aten::mm', args: [matrix, matrix] }))
}

describe('jobs', () => {
  test('run in the order in which they were started', async () => {
    const x = Tensor.from([1], [1])
    const ended: number[] = []
    const jobs = [
      run([...work(10), { op: 'aten::add_.Scalar', args: [x, 1] }], { returns: [] }).then(() => ended.push(0)),
      run([{ op: 'aten::mul_.Scalar', args: [x, 10] }]).then(() => ended.push(1)),
    ]
    await Promise.all(jobs)
    expect(x.item()).toBe(20)
    expect(ended).toEqual([0, 1])
  })

  test('leave the event loop free', async () => {
    let ticks = 0
    const timer = setInterval(() => ticks++, 1)
    await run(work(40), { returns: [] })
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(3)
  })

  test('keep the tensors that they use, whatever is disposed of meanwhile', async () => {
    const x = Tensor.from([1, 2], [2])
    const waiting = run([...work(5), { op: 'aten::neg', args: [x] }], { returns: [5] })
    x.dispose()
    const [negative] = (await waiting) as [Tensor]
    expect(numbers(negative)).toEqual([-1, -2])
  })
})

describe('an AbortSignal', () => {
  test('that is aborted already starts nothing', async () => {
    const x = Tensor.from([1], [1])
    const reason = new Error('mine')
    const error = await failure(() =>
      run([{ op: 'aten::add_.Scalar', args: [x, 1] }], { signal: AbortSignal.abort(reason) }),
    )
    expect([error.code, error.cause]).toEqual(['ERR_ABORTED', reason])
    expect(x.item()).toBe(1)
  })

  test('drops a job that waits, at once', async () => {
    const x = Tensor.from([1], [1])
    const controller = new AbortController()
    let firstEnded = false
    const first = run(work(200), { returns: [] }).then(() => {
      firstEnded = true
    })
    const second = run([{ op: 'aten::add_.Scalar', args: [x, 1] }], { signal: controller.signal })
    controller.abort()
    expect((await failure(() => second)).code).toBe('ERR_ABORTED')
    expect(firstEnded).toBe(false)
    await first
    expect(x.item()).toBe(1)
  })

  test('stops a program between its calls', async () => {
    const x = Tensor.from([0], [1])
    const controller = new AbortController()
    const program = work(2000).flatMap((product): OpCall[] => [product, { op: 'aten::add_.Scalar', args: [x, 1] }])
    const running = run(program, { signal: controller.signal, returns: [] })
    const wait = setInterval(() => {
      if (x.item() > 0) controller.abort()
    }, 1)
    expect((await failure(() => running)).code).toBe('ERR_ABORTED')
    clearInterval(wait)
    expect(x.item()).toBeGreaterThan(0)
    expect(x.item()).toBeLessThan(2000)
  })

  test('stops loads, forwards and backwards that wait', async () => {
    const network = await load(model('small.script.pt'))
    const output = (await network.forwardWith([smallInput()], { grad: true })) as Tensor
    const controller = new AbortController()
    const { signal } = controller
    const busy = run(work(50), { returns: [] })
    const waiting = [
      load(model('small.script.pt'), { signal }),
      network.forwardWith([smallInput()], { signal }),
      output.backward({ gradient: Tensor.full([2, 5], 1), signal }),
    ]
    controller.abort()
    const outcomes = await Promise.allSettled(waiting)
    expect(outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.code)).toEqual([
      'ERR_ABORTED',
      'ERR_ABORTED',
      'ERR_ABORTED',
    ])
    expect(network.parameters().get('fc.bias')!.grad).toBeNull()
    await busy
    expectClose((await network.forward(smallInput())) as Tensor, expected.small.output)
  })

  test('that is aborted afterwards changes nothing', async () => {
    const controller = new AbortController()
    const [result] = (await run(work(1), { signal: controller.signal })) as [Tensor]
    controller.abort()
    expect(result.disposed).toBe(false)
  })
})

describe('settings', () => {
  test('one seed gives one sequence of random numbers', () => {
    const draw = () => numbers(call('aten::randn', [[4]]) as Tensor)
    manualSeed(3)
    const first = draw()
    expect(draw()).not.toEqual(first)
    manualSeed(3)
    expect(draw()).toEqual(first)
  })

  test.each([-1, 0.5, Number.NaN, 2 ** 53])('a seed of %s is refused', async (seed) => {
    expect((await failure(() => manualSeed(seed))).code).toBe('ERR_INVALID_ARGUMENT')
  })

  test('the number of threads can be set and read', async () => {
    const before = threads()
    setThreads(1)
    expect(threads()).toBe(1)
    await run(work(1))
    setThreads(before)
    expect(threads()).toBe(before)
    for (const wrong of [0, -1, 1.5, Number.NaN]) {
      expect((await failure(() => setThreads(wrong))).code).toBe('ERR_INVALID_ARGUMENT')
    }
  })

  test('the version is that of the LibTorch in use', () => {
    expect(torchVersion()).toMatch(/^2\.13\./)
  })
})

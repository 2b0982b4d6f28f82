import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { keep, Tensor } from 'espalier'
import { call } from 'espalier/torch'
import { describe, expect, it } from 'vitest'

const program = fileURLToPath(new URL('hooks-program.mjs', import.meta.url))
const leaf = () => Tensor.from([1, 2, 3], [3], { requiresGrad: true })
/** sum(x * x): the gradient is 2x. */
const square = (x: Tensor) => call('aten::sum', [call('aten::mul.Tensor', [x, x]) as Tensor]) as Tensor
const gradientOf = (x: Tensor) => Array.from(x.grad!.data() as Float32Array)

/** A backward pass on the native thread, or on this one. */
const WAYS = [
  ['backward', (loss: Tensor) => loss.backward()],
  ['backwardSync', async (loss: Tensor) => loss.backwardSync()],
] as const

describe.each(WAYS)('registerHook, with %s', (_way, backward) => {
  it('reads the gradient, once for every pass', async () => {
    const x = leaf()
    const seen: number[][] = []
    x.registerHook((gradient) => {
      seen.push(Array.from(gradient.data() as Float32Array))
    })
    await backward(square(x))
    await backward(square(x))
    expect(seen).toEqual([
      [2, 4, 6],
      [2, 4, 6],
    ])
    expect(gradientOf(x)).toEqual([4, 8, 12])
  })

  it('replaces the gradient, of results too; hooks are called in their order', async () => {
    const x = leaf()
    const doubled = call('aten::mul.Scalar', [x, 2]) as Tensor
    doubled.registerHook((gradient) => call('aten::add.Scalar', [gradient, 1]) as Tensor)
    doubled.registerHook((gradient) => call('aten::mul.Scalar', [gradient, 10]) as Tensor)
    await backward(call('aten::sum', [doubled]) as Tensor)
    // (1 + 1) * 10, times the 2 of the multiplication
    expect(gradientOf(x)).toEqual([40, 40, 40])
  })

  it('is not called once it is removed', async () => {
    const x = leaf()
    let calls = 0
    const hook = x.registerHook(() => {
      calls++
    })
    await backward(square(x))
    hook.remove()
    hook.remove()
    await backward(square(x))
    expect(calls).toBe(1)
  })

  it('a hook may remove itself, and make another', async () => {
    const x = leaf()
    const calls: string[] = []
    const first = x.registerHook(() => {
      calls.push('first')
      first.remove()
      x.registerHook(() => void calls.push('second'))
    })
    for (let k = 0; k < 3; k++) await backward(square(x))
    expect(calls).toEqual(['first', 'second', 'second'])
  })

  it('what the hook throws is what the caller gets, and the next pass is as any other', async () => {
    const x = leaf()
    const own = new TypeError('not today')
    const hook = x.registerHook(() => {
      throw own
    })
    expect(await backward(square(x)).catch((error) => error)).toBe(own)
    hook.remove()
    x.registerHook(() => {
      throw 'a text'
    })
    expect(await backward(square(x)).catch((error) => error)).toBe('a text')
    const other = leaf()
    await backward(square(other))
    expect(gradientOf(other)).toEqual([2, 4, 6])
  })

  it.each<[string, (gradient: Tensor) => unknown, string]>([
    ['of another shape', () => Tensor.zeros([2]), 'ERR_INVALID_ARGUMENT'],
    ['of another dtype', () => Tensor.zeros([3], { dtype: 'float64' }), 'ERR_INVALID_ARGUMENT'],
    ['a number', () => 7, 'ERR_INVALID_ARGUMENT'],
    ['a promise', async () => undefined, 'ERR_INVALID_ARGUMENT'],
    [
      'disposed of',
      (gradient) => {
        gradient.dispose()
        return gradient
      },
      'ERR_DISPOSED',
    ],
  ])('a result that is %s is refused', async (_what, hook, code) => {
    const x = leaf()
    x.registerHook(hook as (gradient: Tensor) => Tensor)
    await expect(backward(square(x))).rejects.toMatchObject({ code })
  })

  it('tensors may be disposed of in it, the one that it is on, too', async () => {
    const x = leaf()
    const loss = square(x)
    let kept: Tensor | undefined
    let lost: Tensor | undefined
    x.registerHook((gradient) => {
      kept = keep(call('aten::clone', [gradient]) as Tensor)
      lost = call('aten::clone', [gradient]) as Tensor
      gradient.dispose()
      x.dispose()
      loss.dispose()
    })
    await backward(loss)
    expect(Array.from(kept!.data() as Float32Array)).toEqual([2, 4, 6])
    expect(lost!.disposed).toBe(true)
  })
})

describe('a hook', () => {
  it('needs a tensor that requires grad', () => {
    const plain = Tensor.from([1], [1])
    expect(() => plain.registerHook(() => undefined)).toThrow(/requires grad/)
  })

  it('that is made while work runs is called by the work that is started after it', async () => {
    const [x, y] = [leaf(), leaf()]
    const before = square(x).backward()
    let calls = 0
    y.registerHook(() => {
      calls++
    })
    const after = square(y).backward()
    await Promise.all([before, after])
    expect(calls).toBe(1)
  })

  it('leaves the event loop to others while the pass waits for it', async () => {
    const x = leaf()
    const order: string[] = []
    x.registerHook(() => {
      order.push('hook')
    })
    const pass = square(x).backward()
    setImmediate(() => order.push('immediate'))
    await pass
    await new Promise((resolve) => setImmediate(resolve))
    expect(order.sort()).toEqual(['hook', 'immediate'])
  })
})

it('hooks end with the tensors, graphs and modules that call them: nothing holds their functions', () => {
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', program, 'held'], { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(stdout.trim()).toBe('0')
})

describe('while a pass waits in a hook', () => {
  const run = (ending: string) => {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program, ending], {
      ...{ encoding: 'utf8', timeout: 40_000 },
    })
    return { status, signal, stdout, stderr }
  }

  it('process.exit() in the hook ends the process with its code', () => {
    expect(run('exit')).toEqual({ status: 3, signal: null, stdout: '', stderr: '' })
  })

  it('terminate() ends the worker, and the process goes on to its own end', () => {
    expect(run('terminate')).toEqual({ status: 0, signal: null, stdout: 'terminated\n', stderr: '' })
  })
})

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { define, keep, load, type ModuleOutput, type ScriptModule, scope, Tensor } from 'espalier'
import { call } from 'espalier/torch'
import { beforeEach, describe, expect, it } from 'vitest'
import { expectClose, failure, model, numbers } from './support.js'

const program = fileURLToPath(new URL('hooks-program.mjs', import.meta.url))
const digits = (form: string) => fileURLToPath(new URL(`../../examples/data/resnet8.${form}.pt`, import.meta.url))
const x = Tensor.from(
  Float32Array.from({ length: 2 * 64 }, (_, i) => Math.sin(i)),
  [2, 1, 8, 8],
)
const op = (name: string, ...args: Parameters<typeof call>[1]) => call(`aten::${name}`, args) as Tensor

/** Every path that has parameters, and the paths above it. */
const pathsOf = (network: ScriptModule): string[] => [
  ...new Set(
    [...network.parameters().keys()].flatMap((name) =>
      [...name.matchAll(/\./g)].map(({ index }) => name.slice(0, index)),
    ),
  ),
]

/** What the modules at the paths give in one run, by path, in order. */
async function activations(network: ScriptModule, paths: readonly string[]): Promise<Map<string, number[][]>> {
  const seen = new Map<string, number[][]>(paths.map((path) => [path, []]))
  const hooks = paths.map((path) =>
    network.registerForwardHook(path, (output) => void seen.get(path)!.push(numbers(output as Tensor))),
  )
  await network.forward(x)
  for (const hook of hooks) hook.remove()
  return seen
}

/** On the native thread, and on this one. */
const WAYS = [
  [
    'forward and backward',
    (network: ScriptModule) => network.forwardWith([x], { grad: true }),
    (y: Tensor) => y.backward(),
  ],
  [
    'forwardSync and backwardSync',
    async (network: ScriptModule) => network.train().forwardSync(x),
    async (y: Tensor) => y.backwardSync(),
  ],
] as const

describe.each(['script', 'trace'])('hooks on submodules of a %s', (form) => {
  let network: ScriptModule
  beforeEach(async () => {
    network = (await load(digits(form))).eval()
  })

  it('are called with output and inputs of each call, children before their parents', async () => {
    const order: string[] = []
    let fc: { output: number[]; input: Tensor } | undefined
    for (const path of ['', 'layer1', 'layer1.0', 'layer1.0.conv2', 'conv1']) {
      network.registerForwardHook(path, () => void order.push(path))
    }
    network.registerForwardHook('fc', (output, [input]) => {
      fc = { output: numbers(output as Tensor), input: keep(input as Tensor) }
    })
    const output = (await network.forward(x)) as Tensor
    expect(order).toEqual(['conv1', 'layer1.0.conv2', 'layer1.0', 'layer1', ''])
    expect(fc!.output).toEqual(numbers(output))
    const parameters = network.parameters()
    expectClose(op('linear', fc!.input, parameters.get('fc.weight')!, parameters.get('fc.bias')!), fc!.output)
  })

  it('see the same in a model that was cut, which is flat in its file', async () => {
    const recording = await network.record([x])
    const flat = await network.cut(recording, {})
    const paths = pathsOf(network)
    const [wanted, seen] = [await activations(network, paths), await activations(flat.eval(), paths)]
    expect(paths.length).toBe(27)
    expect([...wanted.values()].every((calls) => calls.length === 1)).toBe(true)
    for (const path of paths) expect(seen.get(path), path).toEqual(wanted.get(path))
  })

  it('put another value in the place of the output; the run goes on with it', async () => {
    const zero = network.registerForwardHook('fc', (output) => op('zeros_like', output as Tensor))
    network.registerForwardHook('fc', (output) => op('add.Scalar', output as Tensor, 3))
    expect(numbers((await network.forward(x)) as Tensor)).toEqual(Array(20).fill(3))
    zero.remove()
    zero.remove()
    const plain = (await (await load(digits(form))).eval().forward(x)) as Tensor
    expectClose(
      (await network.forward(x)) as Tensor,
      numbers(plain).map((value) => value + 3),
    )
  })

  it('change nothing where they only look, in train mode too', async () => {
    const other = await load(digits(form))
    for (const path of pathsOf(network)) network.registerForwardHook(path, () => undefined)
    for (const mode of [true, false]) {
      const [a, b] = [await network.train(mode).forward(x), await other.train(mode).forward(x)] as [Tensor, Tensor]
      expect(numbers(a)).toEqual(numbers(b))
    }
    expect(numbers(network.buffers().get('bn1.running_mean')!)).toEqual(
      numbers(other.buffers().get('bn1.running_mean')!),
    )
  })

  it.each(WAYS)('backward: read and replace the gradient of the output, in %s', async (_way, forward, backward) => {
    const order: string[] = []
    let atFc: number[] = []
    for (const path of ['conv1', 'layer2']) network.registerBackwardHook(path, () => void order.push(path))
    network.registerBackwardHook('fc', (gradient) => {
      atFc = numbers(gradient)
      return op('mul.Scalar', gradient, 2)
    })
    const { sum, gradient } = await scope(async () => {
      const y = (await forward(network)) as Tensor
      await backward(op('sum', y))
      return { sum: y.shape, gradient: numbers(network.parameters().get('fc.bias')!.grad!) }
    })
    expect(sum).toEqual([2, 10])
    expect(atFc).toEqual(Array(20).fill(1))
    expect(gradient).toEqual(Array(10).fill(4)) // two examples, each doubled
    expect(order).toEqual(['layer2', 'conv1'])
  })

  it('are those that were there when the run was asked for', async () => {
    const calls: string[] = []
    const first = network.registerForwardHook('fc', () => void calls.push('first'))
    const runs = [network.forward(x)]
    network.registerForwardHook('conv1', () => void calls.push('second'))
    runs.push(network.forward(x))
    await Promise.all(runs)
    first.remove()
    await network.forward(x)
    expect(calls).toEqual(['first', 'second', 'first', 'second'])
  })

  it('are not copied', async () => {
    let calls = 0
    network.registerForwardHook('fc', () => void calls++)
    await (await network.clone()).forward(x)
    await (await network.to('float64')).forward(Tensor.from(x.data(), x.shape, { dtype: 'float64' }))
    expect(calls).toBe(0)
  })
})

describe('a hook on a module', () => {
  it('gets a tensor for each of several outputs, and its number', async () => {
    const network = await load(model('outputs.script.pt'))
    const seen: unknown[] = []
    const shapes = (value: ModuleOutput): unknown =>
      value instanceof Tensor
        ? value.shape
        : Array.isArray(value)
          ? value.map(shapes)
          : typeof value === 'object' && value !== null
            ? Object.keys(value)
            : value
    network.registerForwardHook('', (output) => void seen.push(shapes(output)))
    const plain = await load(model('outputs.script.pt'))
    const input = Tensor.from([1, 2, 3, 4], [2, 2])
    expect(shapes(await network.forward(input))).toEqual(shapes(await plain.forward(input)))
    expect(seen).toEqual([shapes(await plain.forward(input))])
  })

  it('what it throws is what the caller gets, and the next run is as any other', async () => {
    const network = (await load(digits('trace'))).eval()
    const own = new TypeError('not today')
    const hook = network.registerForwardHook('layer1.0.conv1', () => {
      throw own
    })
    expect(await network.forward(x).catch((error) => error)).toBe(own)
    expect(() => network.forwardSync(x)).toThrow(own)
    hook.remove()
    expect(((await network.forward(x)) as Tensor).shape).toEqual([2, 10])
  })

  it('throwing backward rejects the pass with its own error', async () => {
    const network = (await load(digits('trace'))).train()
    const own = new RangeError('nor now')
    network.registerBackwardHook('layer1.0.conv1', () => {
      throw own
    })
    const loss = op('sum', (await network.forward(x)) as Tensor)
    expect(await loss.backward().catch((error) => error)).toBe(own)
  })

  it.each<[string, unknown]>([
    ['a number', 7],
    ['a text', 'abc'],
    ['nothing', null],
    ['two tensors', [x, x]],
    ['a promise', Promise.resolve()],
  ])('that gives %s for a tensor is refused', async (_what, given) => {
    const network = (await load(digits('script'))).eval()
    network.registerForwardHook('fc', () => given as Tensor)
    const error = await failure(() => network.forward(x))
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
    expect(error.message).toMatch(/what a hook gives/)
  })

  it('on a name that is none is refused, with those that there are', async () => {
    const network = await load(digits('script'))
    const error = await failure(() => network.registerForwardHook('layer2.0.conv7', () => undefined))
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
    expect(error.message).toBe("there is no submodule 'layer2.0.conv7'")
    expect(error.hint).toBe("'layer2.0' has: conv1, bn1, conv2, bn2, relu, shortcut")
    expect((await failure(() => network.registerBackwardHook('fc', 7 as never))).code).toBe('ERR_INVALID_ARGUMENT')
  })

  it.each(['layer1.', '.layer1', 'layer1..0', '.', 'fc.weight'])('on the name %s is refused at once', async (name) => {
    const network = await load(digits('script'))
    const error = await failure(() => network.registerForwardHook(name, () => undefined))
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
    expect(error.message).toBe(`there is no submodule '${name}'`)
  })

  it('on a module that is never called is refused when the model runs', async () => {
    const source = 'def forward(self, x):\n    return x * self.scale.weight\n'
    const network = await define(source, { parameters: { 'scale.weight': Tensor.full([1], 2) } })
    const hook = network.registerForwardHook('scale', () => undefined)
    const error = await failure(() => network.forward(x))
    expect(error.code).toBe('ERR_UNSUPPORTED')
    expect(error.message).toBe("a hook on 'scale': `forward` never calls that module")
    hook.remove()
    expect(((await network.forward(x)) as Tensor).shape).toEqual(x.shape)
  })

  it('may use other modules, and dispose of all that is in its reach', async () => {
    const [network, other] = [(await load(digits('trace'))).eval(), (await load(digits('script'))).eval()]
    let kept: Tensor | undefined
    let lost: Tensor | undefined
    network.registerForwardHook('layer1', (output, [input]) => {
      const activation = output as Tensor
      kept = keep(op('clone', activation))
      lost = op('clone', activation)
      other.forwardSync(x)
      activation.dispose()
      ;(input as Tensor).dispose()
      network.dispose()
    })
    const output = (await network.forward(x)) as Tensor
    expect(output.shape).toEqual([2, 10])
    expect(kept!.shape).toEqual([2, 16, 8, 8])
    expect(lost!.disposed).toBe(true)
  })

  it.each([
    ['forward', (network: ScriptModule) => network.forward(x)],
    ['forwardSync', async (network: ScriptModule) => network.forwardSync(x)],
  ])('can not run its own module, in %s: nothing hangs', async (_way, forward) => {
    const network = (await load(digits('trace'))).eval()
    network.registerForwardHook('fc', () => void network.forwardSync(x))
    expect(await failure(() => forward(network))).toMatchObject({
      ...{ code: 'ERR_UNSUPPORTED', message: "a hook can't use the module that waits for it" },
    })
  })

  it('is answered while a call that blocks waits for the module', async () => {
    const network = (await load(digits('trace'))).eval()
    let calls = 0
    network.registerForwardHook('fc', () => void calls++)
    const running = network.forward(x)
    expect((await network.clone()).parameters().size).toBe(network.parameters().size)
    network.forwardSync(x)
    await running
    expect(calls).toBe(2)
  })
})

describe.each(['script', 'trace'])(
  'a %s whose submodules are called twice in a row and give several tensors',
  (form) => {
    const image = Tensor.from(
      Float32Array.from({ length: 2 * 48 }, (_, i) => Math.sin(i)),
      [2, 3, 4, 4],
    )
    const paths = ['conv', 'unit', 'pair.conv', 'pair', 'last']
    const flat = (value: ModuleOutput): number[] =>
      value instanceof Tensor ? numbers(value) : (value as ModuleOutput[]).flatMap(flat)

    /** What each call gave, in the order of the calls. */
    async function calls(network: ScriptModule) {
      const seen: [string, number[][]][] = []
      const hooks = paths.map((path) =>
        network.registerForwardHook(path, (output) => {
          seen.push([path, Array.isArray(output) ? output.map(flat) : [flat(output)]])
        }),
      )
      await network.forward(image)
      for (const hook of hooks) hook.remove()
      return seen
    }

    it('has a call of the hook for each, with all that it gives', async () => {
      const seen = await calls((await load(model(`calls.${form}.pt`))).eval())
      const order = ['conv', 'unit', 'unit', 'pair.conv', 'pair', 'pair.conv', 'pair', 'last']
      expect(seen.map(([path]) => path)).toEqual(order)
      const sizes = { conv: [128], unit: [128], 'pair.conv': [128], pair: [128, 1], last: [64] }
      for (const [path, values] of seen) {
        expect(
          values.map((each) => each.length),
          path,
        ).toEqual(sizes[path as keyof typeof sizes])
      }
    })

    it('has the same when it was cut, now, from its file, and cut again', async () => {
      const network = (await load(model(`calls.${form}.pt`))).eval()
      const wanted = await calls(network)
      const cut = async (each: ScriptModule) => {
        const empty = {}
        return (await each.cut(await each.record([image]), empty)).eval()
      }
      const small = await cut(network)
      const loaded = (await load(await small.toBuffer())).eval()
      const again = (await load(await (await cut(loaded)).toBuffer())).eval()
      for (const each of [small, loaded, again]) expect(await calls(each)).toEqual(wanted)
    })

    it('takes what the hook gives for several tensors', async () => {
      const network = (await load(model(`calls.${form}.pt`))).eval()
      const recording = await network.record([image])
      const small = await network.cut(recording, {})
      const outputs: number[][] = []
      for (const each of [network, await load(await small.eval().toBuffer())]) {
        each.eval().registerForwardHook('pair', (output) => {
          const [image, mean] = output as [Tensor, Tensor]
          return [op('mul.Scalar', image, 2), op('add.Scalar', mean, 1)]
        })
        outputs.push(numbers((await each.forward(image)) as Tensor))
      }
      expect(outputs[0]).toEqual(outputs[1])
      expect(outputs[0]).not.toEqual(numbers((await small.forward(image)) as Tensor))
    })
  },
)

describe.each(['script', 'trace'])('a %s whose attention is one operator, taken apart by a cut', (form) => {
  it.each(['encoder', 'encoder.layers.0', 'attention', 'head'])('gives the hook on %s what it gave', async (path) => {
    const network = (await load(model(`encoder.${form}.pt`))).eval()
    const tokens = Tensor.from(
      Float32Array.from({ length: 80 }, (_, i) => Math.sin(1.7 * i)),
      [2, 5, 8],
    )
    const empty = {}
    const small = (await network.cut(await network.record([tokens]), empty)).eval()
    const given: number[][] = []
    for (const each of [network, small, (await load(await small.toBuffer())).eval()]) {
      each.registerForwardHook(path, (output) => {
        given.push(numbers((Array.isArray(output) ? output[0] : output) as Tensor))
      })
      await each.forward(tokens)
    }
    expect(given.map((values) => values.length)).toEqual(given.map(() => (path === 'head' ? 6 : 80)))
    expect(given).toHaveLength(3)
    for (const values of given) {
      const worst = Math.max(...values.map((value, i) => Math.abs(value - given[0]![i]!)))
      expect(worst).toBeLessThan(1e-5)
    }
  })
})

describe('while a run waits in a hook', () => {
  const run = (ending: string) => {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program, ending, 'module'], {
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

import { existsSync } from 'node:fs'
import { load, type ModuleInput, type ScriptModule, Tensor } from 'espalier'
import { call, run } from 'espalier/torch'
import { beforeAll, describe, expect, test } from 'vitest'
import { expectClose, expected, failure, model, numbers, smallInput } from './support.js'

const vector = (...values: number[]) => Tensor.from(values, [values.length])

describe('parameters and buffers', () => {
  test('have the names and the order of the state_dict', async () => {
    const network = await load(model('small.script.pt'))
    expect([...network.parameters()].map(([name, tensor]) => [name, tensor.shape])).toEqual([
      ['conv.weight', [4, 3, 3, 3]],
      ['conv.bias', [4]],
      ['bn.weight', [4]],
      ['bn.bias', [4]],
      ['fc.weight', [5, 4]],
      ['fc.bias', [5]],
    ])
    expect([...network.buffers()].map(([name, tensor]) => [name, tensor.dtype])).toEqual([
      ['bn.running_mean', 'float32'],
      ['bn.running_var', 'float32'],
      ['bn.num_batches_tracked', 'int64'],
    ])
  })

  test('are the same objects at every call, and one object for all names of a tied one', async () => {
    const tied = await load(model('tied.script.pt'))
    const parameters = tied.parameters()
    expect([...parameters.keys()]).toEqual(['embedding.weight', 'head.weight'])
    expect(parameters.get('head.weight')).toBe(parameters.get('embedding.weight'))
    expect(tied.parameters().get('head.weight')).toBe(parameters.get('head.weight'))
    expect(tied.buffers().get('scale')).toBe(tied.buffers().get('scale'))
  })

  test('come back when they were disposed of, as the module keeps them', async () => {
    const network = await load(model('small.script.pt'))
    const bias = network.parameters().get('fc.bias')!
    const values = numbers(bias)
    bias.dispose()
    expect(numbers(network.parameters().get('fc.bias')!)).toEqual(values)
  })

  test('are those that forward uses', async () => {
    const network = await load(model('small.script.pt'))
    for (const name of ['fc.weight', 'fc.bias'])
      call('aten::zero_', [network.parameters().get(name)!], { noGrad: true })
    expect(numbers((await network.forward(smallInput())) as Tensor)).toEqual(new Array(10).fill(0))
  })
})

describe('forward', () => {
  test.each(['small.script.pt', 'small.trace.pt'])('gives what PyTorch gives: %s', async (file) => {
    const network = await load(model(file))
    expectClose((await network.forward(smallInput())) as Tensor, expected.small.output)
    expectClose(network.forwardSync(smallInput()) as Tensor, expected.small.output)
  })

  test('gives what PyTorch gives with tied weights and integer inputs', async () => {
    const tied = await load(model('tied.script.pt'))
    const tokens = Tensor.from(expected.tied.tokens, [2, 2], { dtype: 'int64' })
    expectClose((await tied.forward(tokens)) as Tensor, expected.tied.output)
  })

  test('is recorded by autograd in training mode, and otherwise on request', async () => {
    const network = await load(model('small.trace.pt'))
    const requiresGrad = async (...args: Parameters<ScriptModule['forwardWith']>) =>
      ((await network.forwardWith(...args)) as Tensor).requiresGrad
    network.eval()
    expect(await requiresGrad([smallInput()])).toBe(false)
    expect(await requiresGrad([smallInput()], { grad: true })).toBe(true)
    expect((network.forwardSync(smallInput()) as Tensor).requiresGrad).toBe(false)
    network.train()
    expect(await requiresGrad([smallInput()])).toBe(true)
    expect(await requiresGrad([smallInput()], { grad: false })).toBe(false)
    expect((network.forwardSync(smallInput()) as Tensor).requiresGrad).toBe(true)
  })

  describe('takes every kind of input', () => {
    let signature: ScriptModule
    beforeAll(async () => {
      signature = await load(model('signature.script.pt'))
    })
    const total = async (...inputs: ModuleInput[]) => {
      const { total, first } = (await signature.forward(...inputs)) as { total: Tensor; first: Tensor }
      expect(numbers(first)).toEqual([1, 2])
      return numbers(total)
    }
    const x = () => vector(1, 2)

    // total = x * 1 * scale + pair[0] * pair[1] + sum(items) + sum(value * length of key) - shift + number of names
    test('a tuple, a list, a dict and defaults', async () => {
      const dict = { ab: vector(100, 100), c: vector(1000, 1000) }
      const inputs = [x(), [vector(10, 20), 3], [vector(0.5, 0.5), vector(0.25, 0.25)]] as const
      expect(await total(...inputs, dict)).toEqual([1232.75, 1264.75])
      expect(await total(...inputs, new Map(Object.entries(dict)))).toEqual([1232.75, 1264.75])
    })

    test('empty lists and dicts, an int for a float, optionals given and left out', async () => {
      const inputs = [x(), [vector(0, 0), 0], [], {}] as const
      expect(await total(...inputs)).toEqual([2, 4])
      expect(await total(...inputs, 10)).toEqual([10, 20])
      expect(await total(...inputs, 10, vector(1, 1))).toEqual([9, 19])
      expect(await total(...inputs, 10, null, ['a', 'b', 'c'])).toEqual([13, 23])
    })

    test.each<[string, ModuleInput[], RegExp]>([
      ['a missing input', [], /forward needs an input 'x' of type Tensor; 0 inputs were given/],
      ['too many inputs', new Array(9).fill(1), /forward takes at most 7 inputs, not 9/],
      ['a number for a tensor', [1], /input 0 \(x\): expected Tensor, not 1/],
      ['a tuple of wrong length', [vector(1), [vector(1)]], /input 1 \(pair\): expected Tuple\[Tensor, int\]/],
      ['a wrong item of a tuple', [vector(1), [vector(1), 0.5]], /input 1 \(pair\)\[1\]: expected int, not 0\.5/],
      ['a tensor for a list', [vector(1), [vector(1), 1], vector(1)], /input 2 \(items\): expected .*, not a tensor/],
      [
        'a wrong item of a list',
        [vector(1), [vector(1), 1], ['a']],
        /input 2 \(items\)\[0\]: expected Tensor, not "a"/,
      ],
      ['a list for a dict', [vector(1), [vector(1), 1], [], []], /input 3 \(table\): expected .*, not an array of 0/],
      [
        'a wrong value of a dict',
        [vector(1), [vector(1), 1], [], { k: 1 }],
        /input 3 \(table\)\["k"\]: expected Tensor/,
      ],
    ])('and refuses %s', async (_, inputs, message) => {
      for (const action of [() => signature.forward(...inputs), () => signature.forwardSync(...inputs)]) {
        const error = await failure(action)
        expect(error.code).toBe('ERR_INVALID_ARGUMENT')
        expect(error.message).toMatch(message)
      }
    })
  })

  test('gives nested outputs: tuples and lists as arrays, None as null, a dict with int keys as a Map', async () => {
    const outputs = await load(model('outputs.script.pt'))
    const [y, list, tuple, none, dict] = (await outputs.forward(vector(1, 2))) as [
      Tensor,
      Tensor[],
      unknown[],
      null,
      Map<number, Tensor>,
    ]
    expect(numbers(y)).toEqual([1, 2])
    expect(list.map(numbers)).toEqual([
      [1, 2],
      [2, 3],
    ])
    expect(tuple).toEqual([3, 0.5, true, 'text'])
    expect(none).toBeNull()
    expect([...dict].map(([key, value]) => [key, numbers(value)])).toEqual([[7, [3, 4]]])
  })

  test.each<[string, () => Tensor, RegExp]>([
    ['shape', () => Tensor.zeros([2, 4, 4, 4]), /expected input\[2, 4, 4, 4\] to have 3 channels, but got 4/],
    ['dtype', () => Tensor.zeros([2, 3, 4, 4], { dtype: 'float64' }), /double|Double/],
  ])(
    'of an input of a wrong %s is ERR_TORCH with the line that matters, and the traceback in detail',
    async (_, input, message) => {
      const network = await load(model('small.script.pt'))
      for (const action of [() => network.forward(input()), () => network.forwardSync(input())]) {
        const error = await failure(action)
        expect(error.code).toBe('ERR_TORCH')
        expect(error.message).toMatch(message)
        expect(error.message).not.toContain('\n')
        expect(error.detail).toContain('Traceback of TorchScript')
      }
      expectClose((await network.forward(smallInput())) as Tensor, expected.small.output)
    },
  )

  test("passes on the model's own exceptions", async () => {
    const network = await load(model('raises.script.pt'))
    const error = await failure(() => network.forward(Tensor.zeros([1, 2])))
    expect([error.code, error.message]).toEqual(['ERR_TORCH', 'only vectors'])
  })
})

describe('train and eval', () => {
  test('switch what the model does, and say which', async () => {
    const network = await load(model('small.script.pt'))
    expect(network.training).toBe(false)
    expect(network.train()).toBe(network)
    expect(network.training).toBe(true)
    const batches = network.buffers().get('bn.num_batches_tracked')!
    await network.forward(smallInput())
    expect(batches.item()).toBe(1)
    expect(network.eval().training).toBe(false)
    await network.forward(smallInput())
    expect(batches.item()).toBe(1)
  })

  test('hold for work that is asked for later, not for work that waits', async () => {
    const network = await load(model('small.script.pt'))
    const batches = network.buffers().get('bn.num_batches_tracked')!
    const work = [
      network.train().forward(smallInput()),
      network.eval().forward(smallInput()),
      network.train().forward(smallInput()),
    ]
    network.eval()
    await Promise.all(work)
    expect(batches.item()).toBe(2)
  })
})

describe('copies', () => {
  test('of clone share nothing', async () => {
    const original = await load(model('small.script.pt'))
    const copy = await original.clone()
    for (const [name, tensor] of copy.parameters()) {
      expect(tensor.isSame(original.parameters().get(name)!)).toBe(false)
      expect(tensor.requiresGrad).toBe(true)
      call('aten::zero_', [tensor], { noGrad: true })
    }
    copy.train()
    expect(original.training).toBe(false)
    expectClose((await original.forward(smallInput())) as Tensor, expected.small.output)
    original.dispose()
    expect(numbers((await copy.eval().forward(smallInput())) as Tensor)).toEqual(new Array(10).fill(0))
  })

  test('keep tied parameters tied', async () => {
    const tied = await load(model('tied.script.pt'))
    for (const copy of [await tied.clone(), await tied.to('float64'), await load(await tied.toBuffer())]) {
      const parameters = copy.parameters()
      expect(parameters.get('head.weight')).toBe(parameters.get('embedding.weight'))
    }
  })

  test('of another dtype convert what is floating point and leave the original alone', async () => {
    const original = await load(model('small.script.pt'))
    const double = await original.to('float64')
    const dtypes = [...double.parameters().values(), ...double.buffers().values()].map((tensor) => tensor.dtype)
    expect(dtypes).toEqual([...new Array(8).fill('float64'), 'int64'])
    const x = call('aten::to.dtype', [smallInput(), 'float64']) as Tensor
    expectClose((await double.forward(x)) as Tensor, expected.small.double, 1e-12)
    expectClose((await original.forward(smallInput())) as Tensor, expected.small.output)
  })

  test('on the same device are copies too', async () => {
    const original = await load(model('small.script.pt'))
    const copy = await original.to('cpu')
    expect(copy.parameters().get('fc.bias')!.isSame(original.parameters().get('fc.bias')!)).toBe(false)
  })

  test('that can not be are refused', async () => {
    const network = await load(model('small.script.pt'))
    expect((await failure(() => network.to('int32'))).code).toBe('ERR_INVALID_ARGUMENT')
    expect((await failure(() => network.to('toaster' as 'cpu'))).code).toBe('ERR_INVALID_ARGUMENT')
    // The LibTorch of the tests has no CUDA, or this device does not exist.
    expect((await failure(() => network.to('cuda:77'))).code).toBe('ERR_TORCH')
    expect((await failure(() => load(model('small.script.pt'), { device: 'cuda:77' }))).code).toBe('ERR_TORCH')
  })
})

describe('after dispose', () => {
  test.each<[string, (network: ScriptModule) => unknown]>([
    ['parameters', (network) => network.parameters()],
    ['buffers', (network) => network.buffers()],
    ['training', (network) => network.training],
    ['train', (network) => network.train()],
    ['forward', (network) => network.forward(smallInput())],
    ['forwardSync', (network) => network.forwardSync(smallInput())],
    ['clone', (network) => network.clone()],
    ['to', (network) => network.to('cpu')],
    ['save', (network) => network.save('never.pt')],
    ['toBuffer', (network) => network.toBuffer()],
  ])('%s is ERR_DISPOSED', async (_, use) => {
    const network = await load(model('small.script.pt'))
    network.dispose()
    network.dispose()
    expect([network.disposed, String(network)]).toEqual([true, 'ScriptModule(disposed)'])
    expect((await failure(() => use(network))).code).toBe('ERR_DISPOSED')
    expect(existsSync('never.pt')).toBe(false)
  })

  test('its tensors are disposed of, and work in progress still ends well', async () => {
    const network = await load(model('small.script.pt'))
    const bias = network.parameters().get('fc.bias')!
    const x = smallInput()
    const output = network.forward(x)
    const squared = run([{ op: 'aten::square', args: [bias] }])
    network.dispose()
    x.dispose()
    expect(bias.disposed).toBe(true)
    expectClose((await output) as Tensor, expected.small.output)
    expect(((await squared) as [Tensor])[0].shape).toEqual([5])
  })
})

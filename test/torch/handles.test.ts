import { beforeAll, describe, expect, test } from 'vitest'
import type {
  CancelHandle,
  HookHandle,
  ModuleHandle,
  NativeBinding,
  PenaltyHookHandle,
  RecordingHandle,
  TensorHandle,
} from '../../lib/libtorch/binding.js'
import { binding } from '../../lib/libtorch/index.js'
import { failure, model } from './support.js'

// The raw binding, with handles that TypeScript would not let through.
let native: NativeBinding
let tensor: TensorHandle
let network: ModuleHandle
let cancel: CancelHandle
beforeAll(async () => {
  native = binding()
  tensor = native.tensorFrom(Float32Array.of(1), [1], 'float32', 'cpu', false)
  network = await native.moduleLoad(model('small.script.pt'), 'small', null, {})
  cancel = native.createCancel()
})

describe('a wrong handle is refused and corrupts nothing', () => {
  const takers: [string, (handle: never) => unknown][] = [
    ['a tensor', (handle: TensorHandle) => native.tensorShape(handle)],
    ['a tensor to dispose of', (handle: TensorHandle) => native.tensorDispose(handle)],
    ['a tensor as an argument', (handle: TensorHandle) => native.call('aten::neg', [handle], true)],
    ['a module', (handle: ModuleHandle) => native.moduleParameters(handle)],
    ['a module to dispose of', (handle: ModuleHandle) => native.moduleDispose(handle)],
    ['a recording', (handle: RecordingHandle) => native.recordingDispose(handle)],
    ['a cancel handle', (handle: CancelHandle) => native.cancel(handle)],
    ['a hook', (handle: HookHandle) => native.hookRemove(handle)],
    ['a penalty hook', (handle: PenaltyHookHandle) => native.penaltyHookReset(handle)],
  ]
  const impostors: [string, () => unknown, RegExp | undefined][] = [
    ['a tensor', () => tensor, /tensor/],
    ['a module', () => network, /module/],
    ['a cancel handle', () => cancel, /cancel handle/],
    ['an object that inherits from a tensor', () => Object.create(tensor), undefined],
    ['a Proxy of a module', () => new Proxy(network, {}), undefined],
    ['a plain object', () => ({}), undefined],
    ['an array', () => [], undefined],
    ['a function', () => () => {}, undefined],
    ['null', () => null, undefined],
    ['undefined', () => undefined, undefined],
    ['a number', () => 42, undefined],
    ['a string', () => 'tensor', undefined],
  ]
  for (const [wanted, take] of takers) {
    for (const [given, make, own] of impostors) {
      if (own?.test(wanted)) continue
      test(`${given} for ${wanted}`, async () => {
        const error = await failure(() => take(make() as never))
        expect(error.code).toBe('ERR_INVALID_ARGUMENT')
        expect(native.tensorShape(tensor)).toEqual([1])
        expect(native.moduleParameters(network)).toHaveLength(6)
      })
    }
  }
})

test('functions called with nothing at all throw', async () => {
  const noise = Object.entries(native as unknown as Record<string, (...args: unknown[]) => unknown>).filter(
    ([name]) => !['torchVersion', 'threads', 'createCancel', 'randomState', 'init'].includes(name),
  )
  expect(noise.length).toBeGreaterThan(25)
  for (const [name, call] of noise) {
    for (const args of [[], [undefined], [null, null, null, null], [{}, {}, {}, {}], [1, 2, 3, 4]]) {
      if (name.endsWith('hreads') && args[0] === 1) continue
      // These take a number.
      if (['manualSeed', 'setMemoryLimit', 'enterSandbox'].includes(name) && args[0] === 1) continue
      const error = await failure(() => call(...args))
      expect([name, error.code]).toEqual([name, 'ERR_INVALID_ARGUMENT'])
    }
  }
})

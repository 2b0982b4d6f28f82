import { EspalierError } from '../base/errors.js'
import { dictionary, maybe, object, signature, text } from '../base/schema/index.js'
import { binding } from '../libtorch/index.js'
import { type ScriptModule, wrapModule } from './module.js'
import { handleOf, TENSOR, type Tensor } from './tensor.js'

/** Tensors of a module by qualified name: `conv1.weight` is `self.conv1.weight` in its source. */
export interface ModuleTensors {
  parameters?: Readonly<Record<string, Tensor>> | undefined
  /** Tensors that are not trained: running statistics, tables, indices. */
  buffers?: Readonly<Record<string, Tensor>> | undefined
}

const TENSORS = dictionary(TENSOR, 'an object of Tensors by qualified name')

/** @internal */
export const DEFINE = signature(
  'define',
  ['source', text('TorchScript source')],
  ['tensors', object<ModuleTensors>({ parameters: maybe(TENSORS), buffers: maybe(TENSORS) })],
)

/**
 * Makes a module from TorchScript source, as `torch.jit.Module.define` does. It is in eval mode, and holds the tensors that
 * it is given themselves, not copies: one tensor under two names is tied.
 *
 * @param source methods of the module, `forward` among them
 * @throws EspalierError ERR_INVALID_ARGUMENT when the source is no TorchScript (the compiler's words in `detail`) or a
 *   name is not usable; ERR_DISPOSED
 * @example
 * ```ts
 * import { define, Tensor } from 'espalier'
 *
 * const source = 'def forward(self, x: Tensor) -> Tensor:\n  return torch.linear(x, self.fc.weight)'
 * const model = await define(source, { parameters: { 'fc.weight': Tensor.zeros([10, 64]) } })
 * console.log(await model.forward(Tensor.zeros([1, 64]))) // Tensor([1, 10], float32, cpu)
 * ```
 */
export async function define(source: string, tensors: ModuleTensors = {}): Promise<ScriptModule> {
  DEFINE.check(source, tensors)
  const named = (of: Readonly<Record<string, Tensor>> = {}) =>
    Object.entries(of).map(([name, tensor]) => [name, handleOf(tensor)] as const)
  // The compiler wants the last line ended.
  const made = binding().moduleDefine(`${source}\n`, named(tensors.parameters), named(tensors.buffers))
  return wrapModule(await made.catch(refuse))
}

/** What the compiler can't even parse comes as an error of LibTorch's. */
function refuse(error: unknown): never {
  const { code, message, detail } = error as EspalierError
  if (code !== 'ERR_TORCH') throw error
  throw new EspalierError('ERR_INVALID_ARGUMENT', 'source: this is no TorchScript', {
    detail: detail ?? message,
    cause: error,
  })
}

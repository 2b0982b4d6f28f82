import type { Device } from '../libtorch/binding.js'
import type { ModuleInput } from './module-calls.js'
import { Tensor } from './tensor.js'

/** The inputs with `change` of each tensor in its place. */
export function mapTensors(
  inputs: readonly ModuleInput[],
  change: (tensor: Tensor, index: number) => Tensor,
): ModuleInput[] {
  let next = 0
  const visit = (input: ModuleInput): ModuleInput => {
    if (input instanceof Tensor) return change(input, next++)
    if (Array.isArray(input)) return input.map(visit)
    if (input instanceof Map) return new Map([...input].map(([key, each]) => [key, visit(each)]))
    if (typeof input !== 'object' || input === null) return input
    return Object.fromEntries(Object.entries(input).map(([key, each]) => [key, visit(each as ModuleInput)]))
  }
  return inputs.map(visit)
}

/** @internal The tensors where `device` is. */
export function onDevice(inputs: readonly ModuleInput[], device: Device): ModuleInput[] {
  return mapTensors(inputs, (tensor) => (tensor.device === device ? tensor : tensor.to(device)))
}

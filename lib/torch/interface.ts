import { type Entries, either, flag, list, maybe, object, text, thing } from '../base/schema/index.js'
import type { InterfaceOptions, InterfaceReport } from '../record/cut-request.js'
import type { ModuleInput } from './module-calls.js'

/**
 * Example inputs of other methods than `forward`, by name (`encode`, `decoder.reset`), in the order in which they are to run.
 * The defaults of arguments may be left out.
 */
export type MethodInputs = Readonly<Record<string, readonly ModuleInput[]>>

/** Which methods are cut along with `forward`. */
export interface MethodOptions {
  /**
   * Other methods than `forward` that the graph is recorded on as well, after it and on the state that it leaves: they are cut
   * and verified as `forward` is, which then runs once more, so that they take and give what they did. MACs are those of `forward`
   * alone. None by default.
   * Methods that are not named here are cut along where their code allows it; see {@link InterfaceOptions.dropMethods}.
   */
  methods?: MethodInputs | undefined
}

/** @internal The inputs of all that a recording runs, as one list: those of `forward`, then those of the other methods. */
export function withMethods(inputs: readonly ModuleInput[], methods: MethodInputs): readonly ModuleInput[] {
  return [...inputs, ...Object.values(methods).flat()]
}

/** @internal The inverse of {@link withMethods}. */
export function splitInputs(
  all: readonly ModuleInput[],
  methods: MethodInputs,
): { inputs: readonly ModuleInput[]; methods: MethodInputs } {
  const counts = methodCounts(methods)
  const rest = [...all]
  const others: [string, ModuleInput[]][] = []
  for (const [name, count] of counts.reverse()) others.unshift([name, rest.splice(rest.length - count)])
  return { inputs: rest, methods: Object.fromEntries(others) }
}

/** @internal Names and numbers of inputs, as the native side takes them. */
export const methodCounts = (methods: MethodInputs) =>
  Object.entries(methods).map(([name, inputs]) => [name, inputs.length] as const)

const NAMES = list(text(), 'a list of names')

/** @internal */
export const INTERFACE_REPORT = object<InterfaceReport>({
  methods: object<InterfaceReport['methods']>({ kept: NAMES, cut: NAMES, dropped: NAMES }),
  closed: list(
    object<InterfaceReport['closed'][number]>({ method: text(), reason: text(), whole: flag }),
    'a list of branches',
  ),
  unreached: list(
    object<InterfaceReport['unreached'][number]>({ name: text(), usedBy: NAMES, dropped: flag }),
    'a list of tensors',
  ),
})

/** @internal */
export const INTERFACE_ENTRIES: Entries<InterfaceOptions> = {
  dropMethods: maybe(
    either(
      'true or a list of names of methods',
      NAMES,
      thing<true>('true', (value) => value === true),
    ),
  ),
  dropUnreached: maybe(flag),
}

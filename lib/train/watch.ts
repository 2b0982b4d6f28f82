import { type HookRegistration, keep, type ModuleOutput, type ScriptModule, Tensor } from '../torch/index.js'

/** What named submodules of a module gave in its last forward pass, with the graph behind it. */
export class Watch {
  readonly #hooks: HookRegistration[]
  #given = new Map<string, Tensor>()

  /** @throws ERR_INVALID_ARGUMENT for a name that is no submodule */
  constructor(model: ScriptModule, names: readonly string[]) {
    this.#hooks = names.map((name) =>
      model.registerForwardHook(name, (output: ModuleOutput) => {
        // Of a module that is called more than once the last counts.
        this.#given.get(name)?.dispose()
        if (output instanceof Tensor && output.dtype.includes('float')) this.#given.set(name, keep(output))
      }),
    )
  }

  /** Hands over what was given since the last time; the caller disposes it. */
  take(): Map<string, Tensor> {
    const given = this.#given
    this.#given = new Map()
    return given
  }

  remove(): void {
    for (const hook of this.#hooks) hook.remove()
    for (const tensor of this.take().values()) tensor.dispose()
  }
}

import type { Arg, OpEntry, OpRecord, RecordValue, ValueId } from '../../lib/groups/index.js'

/** Writes an op record by hand, with just enough shape inference for small networks. */
export class RecordBuilder {
  private readonly values: RecordValue[] = []
  private readonly ops: OpEntry[] = []
  private readonly inputs: ValueId[] = []

  input(...shape: number[]): ValueId {
    const id = this.add({ kind: 'tensor', dtype: 'float32', shape, role: 'input' })
    this.inputs.push(id)
    return id
  }

  parameter(name: string, ...shape: number[]): ValueId {
    return this.add({ kind: 'tensor', dtype: 'float32', shape, role: 'parameter', names: [name] })
  }

  buffer(name: string, ...shape: number[]): ValueId {
    return this.add({ kind: 'tensor', dtype: 'float32', shape, role: 'buffer', names: [name] })
  }

  constant(...shape: number[]): ValueId {
    return this.add({ kind: 'tensor', dtype: 'float32', shape, role: 'constant' })
  }

  int(value: number): ValueId {
    return this.add({ kind: 'int', value })
  }

  ints(...values: number[]): Arg {
    return values.map((v) => this.int(v))
  }

  flag(value: boolean): ValueId {
    return this.add({ kind: 'bool', value })
  }

  none(): ValueId {
    return this.add({ kind: 'none', value: null })
  }

  shape(id: ValueId): readonly number[] {
    const value = this.values[id]
    return value?.kind === 'tensor' ? value.shape : []
  }

  /** Adds an operator with one tensor output, or several when several shapes are given. */
  op(name: string, args: Record<string, Arg>, shapes: readonly (readonly number[])[], scope = ''): ValueId[] {
    const outputs = shapes.map((shape) => this.add({ kind: 'tensor', dtype: 'float32', shape: [...shape] }))
    this.push(name, args, shapes.length === 1 ? outputs : [outputs], scope)
    return outputs
  }

  /** Adds an operator that computes one int. */
  scalar(name: string, args: Record<string, Arg>, value: number): ValueId {
    const output = this.int(value)
    this.push(name, args, [output], '')
    return output
  }

  conv(
    name: string,
    x: ValueId,
    out: number,
    options: { groups?: number; kernel?: number; bias?: boolean } = {},
  ): ValueId {
    const { groups = 1, kernel = 1, bias = false } = options
    const [n, c, h, w] = this.shape(x) as [number, number, number, number]
    const weight = this.parameter(`${name}.weight`, out, c / groups, kernel, kernel)
    const args = {
      input: x,
      weight,
      bias: bias ? this.parameter(`${name}.bias`, out) : this.none(),
      groups: this.int(groups),
    }
    return this.only(this.op('aten::conv2d', args, [[n, out, h, w]], name))
  }

  norm(name: string, x: ValueId): ValueId {
    const c = this.shape(x)[1] as number
    const args = {
      input: x,
      weight: this.parameter(`${name}.weight`, c),
      bias: this.parameter(`${name}.bias`, c),
      running_mean: this.buffer(`${name}.running_mean`, c),
      running_var: this.buffer(`${name}.running_var`, c),
    }
    return this.only(this.op('aten::batch_norm', args, [this.shape(x)], name))
  }

  linear(name: string, x: ValueId, out: number): ValueId {
    const shape = this.shape(x)
    const weight = this.parameter(`${name}.weight`, out, shape.at(-1) as number)
    const args = { input: x, weight, bias: this.parameter(`${name}.bias`, out) }
    return this.only(this.op('aten::linear', args, [[...shape.slice(0, -1), out]], name))
  }

  unary(name: string, x: ValueId): ValueId {
    return this.only(this.op(`aten::${name}`, { self: x }, [this.shape(x)]))
  }

  binary(name: string, a: ValueId, b: ValueId): ValueId {
    const [x, y] = [this.shape(a), this.shape(b)]
    const [long, short] = x.length >= y.length ? [x, y] : [y, x]
    const shape = long.map((n, d) => Math.max(n, short[d - (long.length - short.length)] ?? 1))
    return this.only(this.op(`aten::${name}`, { self: a, other: b }, [shape]))
  }

  view(x: ValueId, ...sizes: number[]): ValueId {
    return this.only(this.op('aten::view', { self: x, size: this.ints(...sizes) }, [sizes]))
  }

  transpose(x: ValueId, a: number, b: number): ValueId {
    const shape = [...this.shape(x)]
    ;[shape[a], shape[b]] = [shape[b] as number, shape[a] as number]
    return this.only(this.op('aten::transpose', { self: x, dim0: this.int(a), dim1: this.int(b) }, [shape]))
  }

  cat(tensors: readonly ValueId[], dim = 1): ValueId {
    const shape = [...this.shape(tensors[0] as ValueId)]
    shape[dim] = tensors.reduce((n, t) => n + (this.shape(t)[dim] as number), 0)
    return this.only(this.op('aten::cat', { tensors: [...tensors], dim: this.int(dim) }, [shape]))
  }

  split(x: ValueId, sizes: readonly number[], dim = 1): ValueId[] {
    const shapes = sizes.map((size) => this.shape(x).map((n, d) => (d === dim ? size : n)))
    return this.op('aten::split_with_sizes', { self: x, split_sizes: this.ints(...sizes), dim: this.int(dim) }, shapes)
  }

  pool(x: ValueId): ValueId {
    const [n, c] = this.shape(x) as [number, number]
    return this.only(this.op('aten::adaptive_avg_pool2d', { self: x, output_size: this.ints(1, 1) }, [[n, c, 1, 1]]))
  }

  flatten(x: ValueId): ValueId {
    const [n, ...rest] = this.shape(x) as [number, ...number[]]
    return this.only(
      this.op('aten::flatten', { self: x, start_dim: this.int(1) }, [[n, rest.reduce((a, b) => a * b, 1)]]),
    )
  }

  record(...outputs: ValueId[]): OpRecord {
    return { values: this.values, ops: this.ops, skipped: [], inputs: this.inputs, output: outputs, executed: true }
  }

  private push(name: string, args: Record<string, Arg>, outputs: Arg[], scope: string): void {
    this.ops.push({
      name,
      overload: '',
      argNames: Object.keys(args),
      inputs: Object.values(args),
      outputs,
      scope,
      node: this.ops.length,
      mutates: false,
      speculative: false,
    })
  }

  private add(value: RecordValue): ValueId {
    return this.values.push(value) - 1
  }

  private only(ids: readonly ValueId[]): ValueId {
    return ids[0] as ValueId
  }
}

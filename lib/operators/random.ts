import { filledLengths } from './create.js'
import { sameLengths } from './lengths.js'
import type { Op } from './op.js'
import { type Family, operators, type Relate } from './operator.js'

const REASON = 'random numbers'

/**
 * Random numbers: as many are drawn as before, and in the same order, or those that are left would be others, here and in all
 * that is drawn later.
 */
const random: Relate = (op) => {
  fixInputs(op)
  op.allOutputs().forEach((_, k) => {
    const shape = op.outputShape(k)
    op.output(
      shape.map((size) => op.pinned(size, REASON)),
      shape.map(() => false),
      k,
    )
  })
}

/** An operator that draws random numbers where a flag of it is set, or a probability is above 0. */
export function drawing(argument: string, rule: Relate): Relate {
  return (op) => {
    rule(op)
    if (op.flag(argument) || (op.number(argument) ?? 0) > 0) fixInputs(op)
  }
}

function fixInputs(op: Op): void {
  for (const t of op.allInputs()) for (const axis of t.axes) op.fix(axis, REASON)
}

const DRAWN = 'nothing: as many are drawn as before'

export const draws: Family = [
  ...operators('rand randn', DRAWN, { relate: random, lengths: filledLengths }),
  ...operators('rand_like randn_like bernoulli uniform normal random', DRAWN, { relate: random, lengths: sameLengths }),
  ...operators('randint randperm randint_like exponential log_normal', DRAWN, { relate: random }),
]

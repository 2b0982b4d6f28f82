// What `npm run bench:regularizers` compares, as a table.

import { greg1, greg2, groupL1, groupLasso, growing, lr } from 'espalier'
import { GREG1_PUBLISHED } from 'espalier/analysis'

/**
 * How a method spends its training:
 * - `one-shot`: cut, fine-tune
 * - `equal`: cut, then the epochs of both phases as one fine-tuning
 * - `mask`: cut (the same as masking from the start), the regularized phase's training, fine-tune
 * - `recalibrate`: cut, new batch norm statistics, fine-tune
 * - `regularized`: train under the regularizer, cut, fine-tune
 *
 * @typedef {{ spends: 'one-shot' | 'equal' | 'mask' | 'recalibrate' | 'regularized',
 *   importance?: import('espalier').Importance,
 *   regularizer?: () => import('espalier').RegularizerFactory,
 *   schedule?: import('espalier').LrSchedule, epochs?: number, budgets?: number[] }} Method
 */

/** The schedule that we recommend. */
export const RECOMMENDED = 'growing, target: plan'

/** Learning rate: held while the penalty grows, or as long, then down. */
const annealed = lr.cosine({ hold: 0.6, floor: 0.05 })

/** As published up to the point where all groups are done; then not held for 10,000 iterations, but 200. */
const PUBLISHED_GROWTH = { ...GREG1_PUBLISHED, stabilize: 200 }

/** @type {Record<string, Method>} */
export const METHODS = {
  'L1, one shot': { spends: 'one-shot', importance: groupL1() },
  'L2, one shot': { spends: 'one-shot' },
  'L2, equal budget': { spends: 'equal' },
  'L2, masked from the start': { spends: 'mask' },
  'L2, one shot, batch norm recalibrated': { spends: 'recalibrate' },
  'group lasso': { spends: 'regularized', regularizer: () => groupLasso() },
  growing: { spends: 'regularized', regularizer: () => growing({ reg: 0, deltaReg: 0.02, updateEvery: 5 }) },
  // Slower, so that the units that stay are penalised less: whether its rule can keep accuracy at any speed.
  'growing, deltaReg 0.001': {
    spends: 'regularized',
    regularizer: () => growing({ reg: 0, deltaReg: 1e-3, updateEvery: 5 }),
  },
  'growing, deltaReg 0.0003': {
    spends: 'regularized',
    regularizer: () => growing({ reg: 0, deltaReg: 3e-4, updateEvery: 5 }),
  },
  [RECOMMENDED]: {
    spends: 'regularized',
    regularizer: () => growing({ reg: 0, deltaReg: 0.3, updateEvery: 5, target: 'plan' }),
    schedule: annealed,
  },
  'greg-1': { spends: 'regularized', regularizer: () => greg1({ ceiling: 1, updateEvery: 5, growFraction: 0.6 }) },
  'greg-1, lr falls while held': {
    spends: 'regularized',
    regularizer: () => greg1({ ceiling: 1, updateEvery: 5, growFraction: 0.6 }),
    schedule: annealed,
  },
  'greg-1, lr falls while held, 100 epochs': {
    spends: 'regularized',
    regularizer: () => greg1({ ceiling: 1, updateEvery: 5, growFraction: 0.6 }),
    schedule: annealed,
    epochs: 100,
    budgets: [2, 4],
  },
  'greg-1, published preset': {
    spends: 'regularized',
    regularizer: () => greg1(GREG1_PUBLISHED),
    epochs: 4000,
    budgets: [2, 4],
  },
  // What growth in a closed loop saves: both end by themselves.
  'greg-1, published growth': {
    spends: 'regularized',
    regularizer: () => greg1(PUBLISHED_GROWTH),
    epochs: 4000,
    budgets: [2, 4],
  },
  'greg-1, published growth, closed loop': {
    spends: 'regularized',
    regularizer: () => greg1({ ...PUBLISHED_GROWTH, closedLoop: {} }),
    epochs: 4000,
    budgets: [2, 4],
  },
  'greg-2': {
    spends: 'regularized',
    regularizer: () =>
      greg2({ updateEvery: 5, pickGranularity: 2e-3, pickCeiling: 3e-2, granularity: 0.05, ceiling: 1 }),
    schedule: annealed,
  },
}

/** What the recommended schedule must reach: the mean accuracy right after the cut, by factor, in percent. */
export const AIMS = { 2: 98.0, 4: 97.5, 8: 95.5 }
/** And no seed may lose more at the cut, in points. */
export const LARGEST_DROP = 0.5

/**
 * The protocols: seeds, factors by which the MACs shrink, and the methods.
 * @typedef {{ seeds: number[], budgets: number[], methods: string[], base: number, sparse: number, finetune: number }} Protocol
 */

/** @type {Record<string, Protocol>} */
export const PROTOCOLS = {
  digits: { seeds: [1, 2, 3], budgets: [2, 4, 8], methods: Object.keys(METHODS), base: 60, sparse: 15, finetune: 12 },
  mnist: {
    seeds: [1, 2, 3],
    budgets: [4, 8],
    methods: ['L2, one shot', 'L2, equal budget', 'growing', 'greg-1, lr falls while held', RECOMMENDED],
    base: 8,
    sparse: 8,
    finetune: 5,
  },
}

import type { Stage } from '../run/index.js'

/** Where a run measures, as people are told. */
export const STAGES: Readonly<Record<Stage, string>> = {
  before: 'before',
  regularized: 'before the cut',
  cut: 'at the cut',
  compensated: 'compensated',
  finetuned: 'fine-tuned',
}

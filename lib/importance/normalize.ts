/** Makes the scores of a group comparable with those of others. */
export type Normalizer = (scores: Float64Array) => Float64Array

/** How the scores of a group are put on one scale. */
export type NormalizerName = 'mean' | 'sum' | 'max' | 'standardize' | 'none'

/** Scores that have nothing to be divided by, such as zeros, stay as they are. */
const dividedBy = (scores: Float64Array, by: number): Float64Array =>
  by === 0 ? scores : scores.map((score) => score / by)

const sumOf = (scores: Float64Array): number => scores.reduce((sum, score) => sum + score, 0)

export const NORMALIZERS: Readonly<Record<NormalizerName, Normalizer>> = {
  /** The mean is 1 then. */
  mean: (scores) => dividedBy(scores, sumOf(scores) / scores.length),
  sum: (scores) => dividedBy(scores, sumOf(scores)),
  max: (scores) =>
    dividedBy(
      scores,
      scores.reduce((most, score) => Math.max(most, score), 0),
    ),
  /** A mean of 0 and a standard deviation (over the group's units) of 1; zeros where all are alike. */
  standardize(scores) {
    // The mean of equal numbers need not be that number.
    if (scores.every((score) => score === scores[0])) return new Float64Array(scores.length)
    const mean = sumOf(scores) / scores.length
    const centred = scores.map((score) => score - mean)
    return dividedBy(centred, Math.sqrt(centred.reduce((sum, x) => sum + x * x, 0) / scores.length))
  },
  none: (scores) => scores,
}

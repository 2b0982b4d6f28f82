/** Makes the scores of a group comparable with those of others. */
export type Normaliser = (scores: Float64Array) => Float64Array

/** Divides by their mean, which is 1 then; scores that are all zero stay so. */
export const byMean: Normaliser = (scores) => {
  const average = scores.reduce((sum, score) => sum + score, 0) / scores.length
  return average === 0 ? scores : scores.map((score) => score / average)
}

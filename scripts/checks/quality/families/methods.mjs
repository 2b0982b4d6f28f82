/** What each network is pruned by, in the order of the tables. */
export const METHODS = /** @type {const} */ ([
  'default',
  'default, no labels',
  'growing, strength 2',
  'one shot, equal budget',
  'masked from the start',
  'greg-1, published',
])

/** @typedef {typeof METHODS[number]} Method */

/** Those that make do without what the default finds. @type {ReadonlySet<Method>} */
export const ON_THEIR_OWN = new Set(['default, no labels'])

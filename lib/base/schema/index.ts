/**
 * What public calls take, and files hold. To add an option: give it a line in the interface of the options, with its range and
 * default, and a line in the schema beside it (`maybe(…)` when it may be left out); the compiler asks for the second, and the
 * walk over all public calls (test/schema/calls.test.ts) tries wrong values for it. A new public call gets a `signature(…)` beside it,
 * begins with its `check`, and has a line in test/schema/calls.ts.
 */
export { checked, faultOf, type Parameter, type Signature, shown, signature } from './check.js'
export {
  array,
  count,
  dictionary,
  type Entries,
  either,
  flag,
  func,
  like,
  list,
  type Misfit,
  maybe,
  number,
  object,
  oneOf,
  pair,
  path,
  refined,
  type Schema,
  signal,
  text,
  thing,
  walked,
} from './kinds.js'

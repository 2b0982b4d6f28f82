import { ELEMENTWISE } from './elementwise.js'
import { LAYERS } from './layers.js'
import { LAYOUT } from './layout.js'
import { REDUCE } from './reduce.js'
import type { Specimen } from './specimen.js'

export const CATALOGUE: ReadonlyMap<string, Specimen> = new Map([...LAYERS, ...ELEMENTWISE, ...LAYOUT, ...REDUCE])

/** Rules whose operators can't be run here, and why. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  cuda: 'there may be no such device',
  imag: 'only complex tensors have one',
  adjoint: 'the compiler has it for complex tensors only',
  empty: 'its contents are whatever the memory held',
  empty_like: 'its contents are whatever the memory held',
  new_empty: 'its contents are whatever the memory held',
}

/** Spellings that LibTorch replaces by another when it reads a program; a trace may hold them. */
export const ALIASES: Readonly<Record<string, string>> = {
  absolute: 'abs',
  negative: 'neg',
  arctan: 'atan',
  fix: 'trunc',
  arcsin: 'asin',
  arccos: 'acos',
  arcsinh: 'asinh',
  arctanh: 'atanh',
  arccosh: 'acosh',
  not_equal: 'ne',
  less: 'lt',
  less_equal: 'le',
  greater: 'gt',
  greater_equal: 'ge',
  subtract: 'sub',
  rsub: 'sub',
  multiply: 'mul',
  true_divide: 'div',
  divide: 'div',
  clip: 'clamp',
  swapaxes: 'transpose',
  swapdims: 'transpose',
  moveaxis: 'movedim',
  concat: 'cat',
  concatenate: 'cat',
  softmin: 'softmax',
  float: 'to',
  double: 'to',
  half: 'to',
}

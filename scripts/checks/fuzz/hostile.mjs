// Pickles and programs that are made to break their readers.

/** @param {...(string | number[])} parts text as latin1, or bytes */
const pickle =
  (...parts) =>
  () =>
    Buffer.concat([Buffer.from([0x80, 2]), ...parts.map((part) => Buffer.from(/** @type {string} */ (part), 'latin1'))])

/** @type {readonly (() => Buffer)[]} */
export const hostilePickles = [
  pickle('cos\nsystem\nX', [4, 0, 0, 0], 'true', [0x85], 'R.'),
  pickle('cbuiltins\neval\nX', [3, 0, 0, 0], '1+1', [0x85], 'R.'),
  pickle(),
  () => Buffer.alloc(0),
  pickle('.'),
  pickle('N.'),
  pickle('R.'),
  pickle('}K', [1], 's.'),
  pickle('h', [5], '.'),
  pickle('j', [255, 255, 255, 255], '.'),
  pickle('Nr', [255, 255, 255, 255], '.'),
  pickle('X', [255, 255, 255, 127], 'abc.'),
  pickle([0x8a, 255], 'x'.repeat(20), '.'),
  pickle(']q', [0], 'h', [0], 'a.'),
  pickle(']q', [0], '(h', [0], 'e.'),
  pickle('((te.'),
  pickle('(((lu.'),
  pickle('(', '('.repeat(200_000), 't'.repeat(200_000), '.'),
  pickle(')', '\x85'.repeat(500_000), '.'),
  // Each tuple holds the one before it twice: small, and 2^60 values to whoever walks it.
  pickle(
    ')q',
    [0],
    ...Array.from({ length: 60 }, () => /** @type {const} */ ('h\x00\x86q\x00')).map((part) => `h\x00${part}`),
    '.',
  ),
  pickle('ctorch._utils\n_rebuild_tensor_v2\n(N', 'K\x00K\x00)', ')', '\x89', 'N', 'tR.'),
]

/** After the first `return`, or at the end. @param {string} source @param {string} statement */
function beforeReturn(source, statement) {
  return source.includes('    return ')
    ? source.replace('    return ', `    ${statement}\n    return `)
    : source + statement
}

/** @param {number} length @param {(k: number, next: string) => string} link @param {string} end */
const chain = (length, link, end) =>
  Array.from({ length }, (_, k) => link(k, k + 1 === length ? end : `${k + 1}`)).join('')

/** Definitions in front of the program, and a method of its own that takes the first of them. */
const withTypes = (/** @type {string} */ source, /** @type {string} */ types) =>
  `${types}${source}  def q9(self: __torch__.Small, x: __torch__.C0) -> int:\n    return 1\n`

/** Definitions that lean on one another, each on the next. @type {Readonly<Record<string, (source: string, length: number) => string>>} */
export const chains = {
  functions: (source, length) =>
    chain(
      length,
      (k, next) =>
        `def f${k}(x: Tensor) -> Tensor:\n  return ${next === '' ? 'torch.relu' : `__torch__.f${next}`}(x, )\n`,
      '',
    ) + source.replace('torch.relu(', '__torch__.f0('),
  methods: (source, length) =>
    source.replace('torch.relu(', '(self).m0(') +
    chain(
      length,
      (k, next) =>
        `  def m${k}(self: __torch__.Small, x: Tensor) -> Tensor:\n    return ${next === '' ? 'torch.relu' : `(self).m${next}`}(x, )\n`,
      '',
    ),
  classes: (source, length) =>
    withTypes(
      source,
      chain(length, (k, next) => `class C${k}:\n  a : ${next && '__torch__ . C'}${next || 'int'}\n`, ''),
    ),
  'named tuples': (source, length) =>
    withTypes(
      source,
      chain(length, (k, next) => `class C${k}(NamedTuple):\n  a : ${next && '__torch__.C'}${next || 'int'}\n`, ''),
    ),
}

/** @type {readonly ((source: string) => string)[]} */
export const deepPrograms = [
  ...Object.values(chains).map((deepen) => (/** @type {string} */ source) => deepen(source, 3000)),
  () => '',
  () => '('.repeat(500_000),
  (source) => beforeReturn(source, `x9 = ${'('.repeat(100_000)}`),
  (source) => beforeReturn(source, `x9 = ${'-'.repeat(300_000)}1`),
  (source) => beforeReturn(source, `x9 = ${'- '.repeat(100_000)}1`),
  (source) => beforeReturn(source, `x9 = ${'not '.repeat(100_000)}True`),
  (source) => beforeReturn(source, `x9 = ${'['.repeat(100_000)}1${']'.repeat(100_000)}`),
  (source) => beforeReturn(source, `x9 = ${'1 + '.repeat(100_000)}1`),
  (source) => beforeReturn(source, `x9 = ${'1 if True else '.repeat(50_000)}1`),
  (source) => beforeReturn(source, `x9 = x${'.a'.repeat(100_000)}`),
  (source) => beforeReturn(source, `x9 = x${'[0]'.repeat(100_000)}`),
  (source) => beforeReturn(source, Array.from({ length: 2_000 }, (_, i) => `${' '.repeat(i)}if True:`).join('\n    ')),
  (source) => beforeReturn(source, `if True:\n      pass\n${'    elif True:\n      pass\n'.repeat(50_000)}`),
  (source) => source.replace('-> Tensor', `-> ${'List['.repeat(100_000)}Tensor${']'.repeat(100_000)}`),
  (source) => source.replace('  training : bool', `  training : ${'List['.repeat(50_000)}bool${']'.repeat(50_000)}`),
  (source) => `${source}\xff\xfe\x80`,
  (source) => `\xff\xfe${source}`,
  (source) => source.replace('forward', 'forw\xc0\xafard'),
  (source) => source.replaceAll('\n', '\0\n'),
  (source) => `import __torch__.nothing\n${source}`,
]

/** Coefficients by monomial: the symbols of each, sorted and joined by `*`; the constant term has none. */
type Terms = ReadonlyMap<string, number>

const MOST_TERMS = 24
const HIGHEST_DEGREE = 16

/**
 * A whole number that may depend on sizes known only when the model runs: a polynomial over symbols. Two numbers are the
 * same for every input when their keys are equal.
 */
export class Polynomial {
  private readonly terms: Terms
  private text: string | undefined

  private constructor(terms: Terms) {
    this.terms = terms
  }

  /** Text that tells polynomials apart. */
  get key(): string {
    this.text ??= [...this.terms]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([monomial, n]) => `${n}·${monomial}`)
      .join(' + ')
    return this.text
  }

  static of(terms: Iterable<readonly [string, number]>): Polynomial {
    const sum = new Map<string, number>()
    for (const [monomial, n] of terms) sum.set(monomial, (sum.get(monomial) ?? 0) + n)
    for (const [monomial, n] of sum) if (n === 0) sum.delete(monomial)
    return new Polynomial(sum)
  }

  static constant(n: number): Polynomial {
    return new Polynomial(n === 0 ? new Map() : new Map([['', n]]))
  }

  static symbol(name: string): Polynomial {
    return new Polynomial(new Map([[name, 1]]))
  }

  /** The number, when it is the same for every input. */
  get value(): number | undefined {
    if (this.terms.size === 0) return 0
    return this.terms.size === 1 ? this.terms.get('') : undefined
  }

  /** How many terms there are. */
  get size(): number {
    return this.terms.size
  }

  /** Whether it is exact, and small enough to be computed with. */
  get isSimple(): boolean {
    if (this.terms.size > MOST_TERMS) return false
    for (const [monomial, n] of this.terms) {
      if (Math.abs(n) > Number.MAX_SAFE_INTEGER || monomial.split('*').length > HIGHEST_DEGREE) return false
    }
    return true
  }

  /** A whole number that divides it for every input: the greatest common divisor of its coefficients. */
  get content(): number {
    return [...this.terms.values()].reduce(gcd, 0)
  }

  /** Whether both are equal for every input. */
  same(other: Polynomial): boolean {
    return this === other || (this.size === other.size && this.value === other.value && this.key === other.key)
  }

  /** Their sum, with `sign` times the other. */
  plus(other: Polynomial, sign = 1): Polynomial {
    return Polynomial.of([...this.terms, ...[...other.terms].map(([m, n]) => [m, sign * n] as const)])
  }

  /** Their product. */
  times(other: Polynomial): Polynomial {
    return Polynomial.of(
      [...this.terms].flatMap(([a, n]) => [...other.terms].map(([b, k]) => [product(a, b), n * k] as const)),
    )
  }

  /** `this * multiply / divide`; undefined when that is no whole number for every input. */
  scaled(multiply: number, divide: number): Polynomial | undefined {
    if (divide === 0) return undefined
    const terms = [...this.terms].map(([m, n]) => [m, (n * multiply) / divide] as const)
    return terms.every(([, n]) => Number.isInteger(n)) ? Polynomial.of(terms) : undefined
  }

  /** The exact quotient by a constant, a single term or a multiple of itself; undefined where there is none. */
  over(divisor: Polynomial): Polynomial | undefined {
    const [first, ...more] = divisor.terms
    if (!first) return undefined
    if (more.length === 0) {
      const [monomial, n] = first
      const terms = [...this.terms].map(([m, k]) => [without(m, monomial), k / n] as const)
      if (terms.some(([m, k]) => m === undefined || !Number.isInteger(k))) return undefined
      return Polynomial.of(terms as [string, number][])
    }
    const times = (this.terms.get(first[0]) ?? 0) / first[1]
    const whole = Number.isInteger(times) && divisor.scaled(times, 1)?.same(this)
    return whole ? Polynomial.constant(times) : undefined
  }
}

export const ONE = Polynomial.constant(1)

function product(a: string, b: string): string {
  if (a === '' || b === '') return a + b
  return [...a.split('*'), ...b.split('*')].sort().join('*')
}

/** A monomial without the symbols of another; undefined when it lacks some. */
function without(monomial: string, divisor: string): string | undefined {
  if (divisor === '') return monomial
  const left = monomial.split('*')
  for (const symbol of divisor.split('*')) {
    const at = left.indexOf(symbol)
    if (at < 0) return undefined
    left.splice(at, 1)
  }
  return left.join('*')
}

function gcd(a: number, b: number): number {
  return b === 0 ? Math.abs(a) : gcd(b, a % b)
}

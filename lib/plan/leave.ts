import { EspalierError } from '../base/errors.js'
import { shown } from '../base/schema/index.js'
import { nearest } from '../base/schema/nearest.js'
import type { Analysis, ChannelGroup } from '../groups/index.js'

/** Parts of a model that a plan leaves alone. */
export interface LeaveOptions {
  /**
   * Modules or parameters that stay exactly as they are, by name: their groups are left alone. `*` stands for a part of a name up to
   * the next dot, `**` for any part, `?` for a letter: `['head', 'layer3.*', '**.qkv']`. None by default.
   */
  keep?: readonly string[] | undefined
  /** Modules or parameters that keep what they give, by name as in `keep`; their inputs may become fewer. None by default. */
  ignore?: readonly string[] | undefined
}

/**
 * The ids of the groups that these leave alone.
 *
 * @throws ERR_INVALID_ARGUMENT for a name that nothing of the model has
 */
export function leftAlone(analysis: Analysis, { keep = [], ignore = [] }: LeaveOptions): ReadonlySet<number> {
  const known = namesOf(analysis)
  const [kept, ignored] = [matcher('keep', keep, known), matcher('ignore', ignore, known)]
  const isLeft = ({ members }: ChannelGroup): boolean =>
    members.some(({ name, use }) => kept(name) || (use !== 'input' && ignored(name)))
  return new Set(analysis.groups.filter(isLeft).map(({ id }) => id))
}

/** Of parameters, buffers, and the modules that they are in. */
function namesOf({ record }: Analysis): ReadonlySet<string> {
  const names = record.values.flatMap((value) => (value.kind === 'tensor' ? (value.names ?? []) : []))
  return new Set(names.flatMap(withScopes))
}

/** `a.b.weight` is in `a.b`, which is in `a`. */
function withScopes(name: string): string[] {
  const parts = name.split('.')
  return parts.map((_, k) => parts.slice(0, k + 1).join('.'))
}

function matcher(option: string, globs: readonly string[], known: ReadonlySet<string>): (name: string) => boolean {
  const patterns = globs.map((glob) => {
    const pattern = glob.match(/\*{2,}|./gsu) ?? []
    if ([...known].some((name) => fits(pattern, name))) return pattern
    const meant = nearest(glob, [...known])
    const words = `'${option}': nothing of the model is called ${shown(glob)}`
    throw new EspalierError(
      'ERR_INVALID_ARGUMENT',
      meant === undefined ? words : `${words}: did you mean '${meant}'?`,
      {
        hint: 'espalier inspect lists the names.',
      },
    )
  })
  return (name) => withScopes(name).some((scope) => patterns.some((pattern) => fits(pattern, scope)))
}

/** All places of the pattern that the letters so far can lead to: as many steps as both have letters, whatever the pattern. */
function fits(pattern: readonly string[], name: string): boolean {
  let places = withSkipped(pattern, new Set([0]))
  for (const letter of name) {
    const next = new Set<number>()
    for (const place of places) {
      const part = pattern[place]
      const stays = part?.startsWith('**') || (part === '*' && letter !== '.')
      if (stays) next.add(place)
      else if (part === letter || (part === '?' && letter !== '.')) next.add(place + 1)
    }
    places = withSkipped(pattern, next)
  }
  return places.has(pattern.length)
}

/** What may stand for nothing is passed over. */
function withSkipped(pattern: readonly string[], places: Set<number>): Set<number> {
  for (const place of places) if (pattern[place]?.startsWith('*')) places.add(place + 1)
  return places
}

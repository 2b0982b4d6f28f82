import type { Random } from '../../../../base/random.js'

/** What the values of bytes are: `(byte / 255 - mean) / std`. */
export const NORMALIZATIONS = {
  /** Of the photographs of ImageNet, by channel. */
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  /** 0 to 1. */
  unit: { mean: [0, 0, 0], std: [1, 1, 1] },
  /** 0 to 255. */
  none: { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] },
} as const satisfies Readonly<Record<string, { mean: readonly number[]; std: readonly number[] }>>

/** For each channel, the value of each byte. */
export function valueTables(mean: readonly number[], std: readonly number[]): Float32Array[] {
  // A whole number of 255ths: `none` gives the bytes themselves.
  return mean.map((m, c) => Float32Array.from({ length: 256 }, (_, byte) => (byte - 255 * m) / (255 * std[c]!)))
}

/** Writes bytes by row, column and channel as values by channel, row and column; mirrored left to right, if wanted. */
export function writeValues(
  bytes: Uint8Array | Uint8ClampedArray,
  width: number,
  tables: readonly Float32Array[],
  out: Float32Array,
  mirrored: boolean,
): void {
  const channels = tables.length
  const image = bytes.length / channels
  tables.forEach((table, c) => {
    for (let to = 0; to < image; to++) {
      const from = mirrored ? to - 2 * (to % width) + width - 1 : to
      out[c * image + to] = table[bytes[from * channels + c]!]!
    }
  })
}

/** Parts of red, green and blue in what is seen as brightness (ITU-R BT.601). */
const [RED, GREEN, BLUE] = [0.299, 0.587, 0.114]

/** Brightness, contrast and, of colors, saturation, each times a factor from `1 - strength` to `1 + strength`. */
export function jittered(bytes: Uint8Array, channels: 1 | 3, strength: number, random: Random): Uint8ClampedArray {
  const factor = () => Math.max(0, 1 + strength * (2 * random.uniform() - 1))
  const [brightness, contrast, saturation] = [factor(), factor(), factor()]
  const grayAt = (at: number) =>
    channels === 1 ? bytes[at]! : RED * bytes[at]! + GREEN * bytes[at + 1]! + BLUE * bytes[at + 2]!
  let sum = 0
  for (let at = 0; at < bytes.length; at += channels) sum += grayAt(at)
  const mean = (sum / (bytes.length / channels)) * brightness
  const out = new Uint8ClampedArray(bytes.length)
  for (let at = 0; at < bytes.length; at += channels) {
    const gray = grayAt(at)
    for (let c = 0; c < channels; c++) {
      const colored = gray + (bytes[at + c]! - gray) * saturation
      out[at + c] = mean + (colored * brightness - mean) * contrast
    }
  }
  return out
}

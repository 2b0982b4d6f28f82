import type { EspalierError } from '../errors.js'

/** What libespalier_core exports. Only lib/torch uses it. */
export interface NativeBinding {
  init(classes: { EspalierError: typeof EspalierError }): void
  torchVersion(): string
}

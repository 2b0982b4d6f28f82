import { Command, Option } from 'commander'
import { installLibtorch, VARIANTS, type Variant } from '../../libtorch/install/index.js'
import { LIBTORCH_VERSION } from '../../libtorch/version.js'
import { showProgress } from '../progress.js'

export function installLibtorchCommand(): Command {
  return new Command('install-libtorch')
    .description(`fetch LibTorch ${LIBTORCH_VERSION} into the cache, where every project finds it`)
    .addOption(new Option('--variant <variant>', 'which build').choices(VARIANTS).default('cpu'))
    .option('--from <file>', 'a torch wheel or an official LibTorch zip on disk, instead of a download')
    .option('--trust', 'install files whose SHA-256 is not known, too')
    .action(async (options: { variant: Variant; from?: string; trust?: boolean }) => {
      const progress = showProgress()
      try {
        await installLibtorch({ variant: options.variant, from: options.from, trust: options.trust, progress })
      } finally {
        progress.end()
      }
    })
}

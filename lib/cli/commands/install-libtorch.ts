import { Command, Option } from 'commander'
import { EspalierError } from '../../base/errors.js'
import { installLibtorch, sizeOf, VARIANTS, type Variant, VERSIONS } from '../../libtorch/install/index.js'
import { canAsk } from '../../libtorch/terminal.js'
import { saysYes } from '../ask.js'
import { EXIT } from '../exit.js'
import { showProgress } from '../progress.js'

interface InstallCommandOptions {
  variant: Variant
  from?: string
  index?: string
  trust?: boolean
  ask?: boolean
}

const EXAMPLES = `
Examples:
  npx espalier install-libtorch
  npx espalier install-libtorch --variant cu130
  npx espalier install-libtorch --index https://mirror.example.org/simple
  npx espalier install-libtorch --from torch-${VERSIONS.cpu}+cpu-cp311-cp311-manylinux_2_28_x86_64.whl

cpu is LibTorch ${VERSIONS.cpu} (${sizeOf('cpu')} to fetch), cu130 is ${VERSIONS.cu130} with CUDA 13.0 (${sizeOf('cu130')}). The SHA-256 of
their files is known; any other file needs --trust. Without --index the publisher is asked, then the index that pip is configured
with (PIP_INDEX_URL, pip.conf), then pip. HTTPS_PROXY, HTTP_PROXY and NO_PROXY count. A download that was broken off goes on
where it was.`

export function installLibtorchCommand(): Command {
  return new Command('install-libtorch')
    .description('fetch LibTorch into the cache, where every project finds it')
    .addOption(new Option('--variant <variant>', 'which build').choices(VARIANTS).default('cpu'))
    .option('--from <file>', 'a torch wheel or an official LibTorch zip, on disk or by its https address')
    .option('--index <url>', 'a mirror: the root of a simple index; ESPALIER_INDEX unless given')
    .option('--trust', 'install files whose SHA-256 is not known, too')
    .option('--ask', 'ask first, and do nothing without a yes within a minute')
    .addHelpText('after', EXAMPLES)
    .action(install)
}

async function install(options: InstallCommandOptions): Promise<void> {
  if (options.ask === true && !(await isWanted(options.variant))) {
    process.exitCode = EXIT.setup.status
    return
  }
  const progress = showProgress()
  const interrupt = new AbortController()
  // Once: who interrupts a second time does not want to wait.
  const stop = () => interrupt.abort()
  process.once('SIGINT', stop)
  try {
    await installLibtorch({ ...options, progress, signal: interrupt.signal })
  } catch (error) {
    if (!interrupt.signal.aborted) throw error
    throw new EspalierError('ERR_ABORTED', 'the installation was cancelled', {
      hint: 'Run it again: the download goes on where it was.',
      cause: error,
    })
  } finally {
    process.off('SIGINT', stop)
    progress.end()
  }
}

/** Only a person at a terminal can say yes. @throws EspalierError ERR_INSTALL without one */
async function isWanted(variant: Variant): Promise<boolean> {
  if (!canAsk()) {
    throw new EspalierError('ERR_INSTALL', 'there is no terminal to ask at: nothing was fetched', {
      hint: 'Leave out --ask to fetch LibTorch without a question.',
    })
  }
  const question = `LibTorch is not here. Fetch LibTorch ${VERSIONS[variant]} (${sizeOf(variant)}) into the cache?`
  return await saysYes(question, { input: process.stdin, output: process.stderr })
}

import type { Host } from '../../lib/libtorch/host.js'

export interface FakeMachine {
  env?: Record<string, string>
  /** Path -> text of every file; their folders exist too. */
  files?: Record<string, string>
  /** Command -> what it prints; a command that isn't here can't be run. */
  commands?: Record<string, string>
}

/** A made-up machine, with a record of the commands that were run on it. */
export function fakeHost({ env = {}, files = {}, commands = {} }: FakeMachine): Host & { ran: string[] } {
  const paths = Object.keys(files)
  const ran: string[] = []
  return {
    ran,
    env,
    home: '/home/user',
    exists: (path) => paths.some((file) => file === path || file.startsWith(`${path}/`)),
    list: (path) => [
      ...new Set(
        paths.filter((file) => file.startsWith(`${path}/`)).map((file) => file.slice(path.length + 1).split('/')[0]!),
      ),
    ],
    read: (path) => files[path],
    exec: (command) => {
      ran.push(command)
      return commands[command]
    },
  }
}

/** The files of a LibTorch in a folder. */
export function libtorchFiles(root: string, version: string, libraries: string[] = []): Record<string, string> {
  const names = ['libtorch.so', 'libtorch_cpu.so', 'libc10.so', ...libraries]
  const files: Record<string, string> = { [`${root}/version.py`]: `__version__ = '${version}'\ndebug = False\n` }
  for (const name of names) files[`${root}/lib/${name}`] = ''
  return files
}

import type { Reporter, TestModule } from 'vitest/node'

const INTERVAL = 4000

/** Without a terminal vitest says nothing until a file is done; this says which files are running. */
export default class Heartbeat implements Reporter {
  private readonly running = new Map<string, number>()
  private timer: NodeJS.Timeout | undefined

  onTestRunStart(): void {
    this.timer = setInterval(() => this.beat(), INTERVAL)
  }

  onTestModuleStart(module: TestModule): void {
    this.running.set(module.relativeModuleId, Date.now())
  }

  onTestModuleEnd(module: TestModule): void {
    this.running.delete(module.relativeModuleId)
  }

  onTestRunEnd(): void {
    clearInterval(this.timer)
  }

  private beat(): void {
    const files = [...this.running].map(([name, start]) => `${name} ${Math.round((Date.now() - start) / 1000)} s`)
    process.stdout.write(`   … ${files.join(', ') || 'starting'}\n`)
  }
}

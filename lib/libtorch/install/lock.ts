import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { abortIf } from '../../base/abort.js'
import { EspalierError } from '../../base/errors.js'
import type { Progress } from './progress.js'

interface Owner {
  readonly pid: number
  readonly host: string
}

export interface LockOptions {
  readonly progress: Progress
  /** How long to wait for a living owner, ms. */
  readonly patience: number
  /** A lock whose owner hasn't touched it for so long is abandoned, ms. */
  readonly staleAfter?: number
  /** Ends the wait, with ERR_ABORTED; none by default. */
  readonly signal?: AbortSignal | undefined
}

const HEARTBEAT = 5_000
const STALE_AFTER = 120_000

/**
 * Runs `work` while holding a lock file. A lock of a dead process on this machine is taken over at once; one that nobody
 * has touched for two minutes too (its pid may belong to another process or machine by now).
 *
 * @throws EspalierError ERR_LOCKED when the owner is alive and `patience` is over; ERR_ABORTED
 */
export async function withLock<T>(file: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true })
  const start = Date.now()
  while (!tryCreate(file)) {
    abortIf(options.signal)
    const owner = readOwner(file)
    if (isAbandoned(file, owner, options.staleAfter ?? STALE_AFTER)) {
      takeOver(file, owner)
      continue
    }
    if (Date.now() - start >= options.patience) {
      throw new EspalierError('ERR_LOCKED', `Process ${owner?.pid ?? 'unknown'} holds ${file}`, {
        hint: 'Wait until it is done, or end it.',
      })
    }
    options.progress.status(`waiting for process ${owner?.pid ?? '?'}, which is at the same work`)
    await sleep(Math.min(1000, options.patience))
  }
  const heartbeat = setInterval(() => touch(file), HEARTBEAT)
  heartbeat.unref()
  try {
    return await work()
  } finally {
    clearInterval(heartbeat)
    rmSync(file, { force: true })
  }
}

function tryCreate(file: string): boolean {
  try {
    writeFileSync(file, JSON.stringify({ pid: process.pid, host: hostname() } satisfies Owner), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    // On a full disk it is made, and can't be filled.
    rmSync(file, { force: true })
    throw error
  }
}

function readOwner(file: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Owner
  } catch {
    return undefined
  }
}

function isAbandoned(file: string, owner: Owner | undefined, staleAfter: number): boolean {
  const age = ageOf(file)
  if (age === undefined) return false
  if (age > staleAfter) return true
  // Without an owner it may be in the middle of being written.
  if (owner === undefined) return age > HEARTBEAT
  return owner.host === hostname() && !isAlive(owner.pid)
}

function ageOf(file: string): number | undefined {
  try {
    return Date.now() - statSync(file).mtimeMs
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

// Of two processes that see the same abandoned lock only one may remove it: the other would remove the first one's new
// lock. So removing needs a lock of its own, and the owner is looked at again under it.
function takeOver(file: string, abandoned: Owner | undefined): void {
  const gate = `${file}.takeover`
  const age = ageOf(gate)
  if (age !== undefined && age > 10_000) rmSync(gate, { force: true })
  if (!tryCreate(gate)) return
  try {
    if (readOwner(file)?.pid === abandoned?.pid) rmSync(file, { force: true })
  } finally {
    rmSync(gate, { force: true })
  }
}

function touch(file: string): void {
  try {
    const now = new Date()
    utimesSync(file, now, now)
  } catch {
    // Someone removed the lock by hand; the work goes on, its last step is an atomic rename.
  }
}

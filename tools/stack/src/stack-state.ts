/**
 * What the supervisor tells the world: `.backplane/stack.json`, rewritten at every change, readable by its owner only.
 *
 * It is the one place where other programs of this user (the `backplane` command, tests) learn ports and the operator's password.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

export type StackPhase = "starting" | "ready" | "stopping"

/** waiting: for a lower level · starting: runs, does not answer yet · backing-off: died, starts again soon · failed: given up · off, paused: by the power switch. */
export type ProcessPhase = "waiting" | "starting" | "ready" | "backing-off" | "failed" | "off" | "paused" | "stopped"

export interface ProcessState {
  readonly name: string
  readonly services: readonly string[]
  readonly phase: ProcessPhase
  readonly pid: number | null
  readonly restarts: number
  /** Why it last ended: "exit code 1", "SIGKILL"; null while it never did. */
  readonly lastExit: string | null
  /** Partitioned from all others by the power switch: it runs, and nobody hears it. */
  readonly cutOff: boolean
  /** The command that runs in the service's stead (`--replace`), or null. */
  readonly replacedBy: string | null
  /** Of the present phase, milliseconds since 1970. */
  readonly since: number
  readonly log: string
}

export interface StackState {
  readonly version: 1
  readonly pid: number
  readonly startedAt: number
  readonly phase: StackPhase
  readonly home: string
  readonly nats: {
    readonly url: string
    readonly monitorUrl: string | null
    readonly user: string | null
    readonly password: string | null
    /** As whom a scheduler service that is attached later speaks (`backplane sched attach`). */
    readonly scheduler: { readonly user: string; readonly password: string } | null
  }
  /** The gateway: console, API and collector. The token acts as the operator; null where it was set from outside. */
  readonly http: { readonly url: string; readonly token: string | null }
  readonly scenario: string | null
  readonly processes: readonly ProcessState[]
}

const FILE = "stack.json"

export function writeStackState(home: string, state: StackState): void {
  const temporary = join(home, `${FILE}.${process.pid}`)
  writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
  // Readers see the old or the new text, never half of one.
  renameSync(temporary, join(home, FILE))
}

export function removeStackState(home: string): void {
  rmSync(join(home, FILE), { force: true })
}

/** The state of a stack that is running now, or null. A file left by a killed one does not count. */
export function readLiveState(home: string): StackState | null {
  const state = readStateFile(home)
  return state !== null && isAlive(state.pid) ? state : null
}

export function readStateFile(home: string): StackState | null {
  const path = join(home, FILE)
  if (!existsSync(path)) return null
  try {
    const value = JSON.parse(readFileSync(path, "utf8")) as StackState
    return value.version === 1 && Number.isSafeInteger(value.pid) && Array.isArray(value.processes) ? value : null
  } catch {
    return null
  }
}

/** True while a process with this number runs. One that has ended but was not waited for (a container's first process may not) does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
  return !isZombie(pid)
}

/** Only Linux tells; elsewhere the first process always waits. */
function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}

export function prepareHome(home: string): void {
  mkdirSync(join(home, "logs"), { recursive: true })
  mkdirSync(join(home, "data"), { recursive: true })
  chmodSync(home, 0o700)
}

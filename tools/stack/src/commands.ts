/** `stack:down`, `stack:status`, `stack:logs`, `stack:kill`: about a stack that runs, by its state file. */
import { spawnSync } from "node:child_process"
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs"
import { basename, join } from "node:path"
import { lastLines } from "./log-file.ts"
import { signalGroup } from "./managed-process.ts"
import { UsageError } from "./options.ts"
import { isAlive, readLiveState, removeStackState, type StackState } from "./stack-state.ts"
import { tableOf, whereToLook } from "./view.ts"

const DOWN_DEADLINE_MS = 5_000
const POLL_MS = 50
const TAIL_LINES = 20

/** Stops the running stack; nothing to stop is no error. */
export async function down(home: string): Promise<number> {
  const state = readLiveState(home)
  if (state === null) return (removeStackState(home), console.log("no stack is running"), 0)
  if (!isSupervisor(state.pid)) {
    // The number was given to another program after a crash of ours.
    removeStackState(home)
    return (console.log("no stack is running (removed the state of one that was killed)"), 0)
  }
  process.kill(state.pid, "SIGTERM")
  for (let waited = 0; waited < DOWN_DEADLINE_MS; waited += POLL_MS) {
    if (!isAlive(state.pid)) return (console.log("stopped"), 0)
    await pause(POLL_MS)
  }
  // The watchdog ends the supervisor's processes when it is gone.
  process.kill(state.pid, "SIGKILL")
  removeStackState(home)
  console.error(`the supervisor (pid ${state.pid}) did not stop within ${DOWN_DEADLINE_MS / 1000} s and was killed`)
  return 1
}

/** Exit code 0: ready; 3: not running; 4: runs, but not every service is ready. */
export function status(home: string, json: boolean): number {
  const state = readLiveState(home)
  if (json) console.log(JSON.stringify(state === null ? { phase: "down" } : withoutPassword(state), null, 2))
  if (state === null) return (json || console.log("no stack is running: start one with npx nx run stack:up"), 3)
  const sound = state.phase === "ready" && state.processes.every((each) => each.phase === "ready")
  if (!json) console.log([...tableOf(state.processes), "", ...whereToLook(state, true).slice(sound ? 0 : 1)].join("\n"))
  return sound ? 0 : 4
}

/** Powers off one process: no warning, no clean-up, as a host that lost its current. The supervisor starts it again. */
export function kill(home: string, target: string): number {
  const state = readLiveState(home)
  // Without its supervisor the numbers in the state file may be other programs' by now.
  if (state === null || !isSupervisor(state.pid)) return (console.error("no stack is running: start one with npx nx run stack:up"), 3)
  const found = state.processes.find((each) => each.name === target)
  if (found === undefined)
    throw new UsageError(`"${target}" is no process: there are ${state.processes.map((each) => each.name).join(", ")}`)
  if (found.pid === null) return (console.error(`${target} is not running (${found.phase})`), 1)
  signalGroup(found.pid, "SIGKILL")
  console.log(`${target} (pid ${found.pid}) killed`)
  return 0
}

/** The last lines of all logs, or of those whose name begins with `target`; with `follow`, what comes after as well. */
export async function logs(home: string, target: string | null, follow: boolean): Promise<number> {
  const folder = join(home, "logs")
  const all = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".log")) : []
  const files = all.filter((name) => target === null || name === `${target}.log` || name.startsWith(`${target}-`)).sort()
  if (files.length === 0) {
    const known = all.map((name) => basename(name, ".log")).join(", ")
    throw new UsageError(
      target === null ? `there are no logs in ${folder}: start a stack first` : `no log of "${target}": there are ${known}`,
    )
  }
  const paths = files.map((name) => join(folder, name))
  for (const path of paths) for (const line of lastLines(path, TAIL_LINES)) printLine(path, line, paths.length)
  return follow ? await followFiles(paths) : 0
}

async function followFiles(paths: readonly string[]): Promise<number> {
  const offsets = new Map(paths.map((path) => [path, statSync(path).size]))
  const ended = new AbortController()
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ended.abort())
  while (!ended.signal.aborted) {
    for (const path of paths) offsets.set(path, printFrom(path, offsets.get(path) ?? 0, paths.length))
    await pause(200)
  }
  return 0
}

/** Prints what was written since `offset`; returns the new offset. A file that shrank was rotated: from its start then. */
function printFrom(path: string, offset: number, filesCount: number): number {
  const file = openSync(path, "r")
  try {
    const { size } = fstatSync(file)
    const from = size < offset ? 0 : offset
    const bytes = Buffer.alloc(size - from)
    readSync(file, bytes, 0, bytes.length, from)
    const text = bytes.toString("utf8")
    const end = text.lastIndexOf("\n") + 1
    for (const line of text.slice(0, end).split("\n").slice(0, -1)) printLine(path, line, filesCount)
    return from + Buffer.byteLength(text.slice(0, end))
  } finally {
    closeSync(file)
  }
}

function printLine(path: string, line: string, filesCount: number): void {
  console.log(filesCount === 1 ? line : `${basename(path, ".log")} | ${line}`)
}

/** True when the process is our supervisor and not one that got its number later. */
function isSupervisor(pid: number): boolean {
  if (process.platform === "win32") return true
  const run = spawnSync("ps", ["-ww", "-o", "args=", "-p", String(pid)], { encoding: "utf8" })
  // Without ps there is no way to tell: trust the state file.
  return run.error !== undefined || run.stdout.includes("supervise.ts")
}

function withoutPassword(state: StackState): StackState {
  return { ...state, nats: { ...state.nats, password: null, scheduler: null }, http: { ...state.http, token: null } }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms))
}

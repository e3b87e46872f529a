/** Programs that a bench starts and ends: found, given free ports, waited for, killed with their folder. */
import { spawn, type ChildProcess } from "node:child_process"
import { accessSync, constants as fileConstants } from "node:fs"
import { constants } from "node:os"
import { delimiter, join } from "node:path"

const BESIDE_PATH = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"]
const STOP_MS = 3_000

export function findProgram(name: string): string | null {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...BESIDE_PATH]
  return folders.map((folder) => join(folder, name)).find(isProgram) ?? null
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, fileConstants.X_OK)
    return true
  } catch {
    return false
  }
}

export interface Program {
  readonly pid: number
  stop(): Promise<void>
}

export function launch(command: readonly string[], environment: Readonly<Record<string, string | undefined>> = {}): Program {
  const [program = "", ...args] = command
  const child: ChildProcess = spawn(program, args, { stdio: "ignore", env: { ...process.env, ...environment } })
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve())
    child.once("error", () => resolve())
  })
  endOnSignals()
  const atExit = (): void => void child.kill("SIGKILL")
  process.once("exit", atExit)
  return {
    pid: child.pid ?? 0,
    stop: async () => {
      child.kill("SIGTERM")
      const hard = setTimeout(() => child.kill("SIGKILL"), STOP_MS)
      await ended
      clearTimeout(hard)
      process.removeListener("exit", atExit)
    },
  }
}

let isEnding = false

/** A signal's default action would skip what is done at the exit, and leave the programs behind. Only once there are any: till then it ends at once. */
function endOnSignals(): void {
  if (isEnding) return
  isEnding = true
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(128 + constants.signals[signal]))
}

/** Tries until it succeeds; throws the last reason at the deadline. */
export async function until<T>(what: string, attempt: () => Promise<T>, deadlineMs = 20_000): Promise<T> {
  const began = performance.now()
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() - began > deadlineMs)
        throw new Error(`${what} is not ready after ${deadlineMs / 1000} s: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        })
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

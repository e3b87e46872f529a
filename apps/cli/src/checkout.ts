/** Where things are in the checkout, and programs of it that run as their own process. */
import { spawn, type ChildProcess } from "node:child_process"
import { constants } from "node:os"
import { join } from "node:path"
import { CommandFailure } from "./failure.ts"

export const ROOT = join(import.meta.dirname, "../../..")

export interface ProgramResult {
  readonly code: number
  readonly stdout: string
}

/** Runs a program of the checkout to its end; what it says on standard error goes straight through. */
export function runProgram(
  path: string,
  args: readonly string[],
  input?: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...environment }
    const child = spawn(process.execPath, [join(ROOT, path), ...args], { stdio: ["pipe", "pipe", "inherit"], env })
    let stdout = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
    child.on("error", (error) => reject(new CommandFailure("program", `${path} cannot be started: ${error.message}`)))
    child.on("close", (code) => resolve({ code: code ?? 1, stdout }))
    child.stdin.on("error", () => undefined) // it ended without reading all
    child.stdin.end(input ?? "")
  })
}

/** Runs a program with this terminal as its own, and ends when it has ended: a signal does not leave it behind. */
export function passThrough(path: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(ROOT, path), ...args], { stdio: "inherit" })
    const forget = handOn(child)
    child.on("close", (code, signal) => {
      forget()
      resolve(code ?? (signal === null ? 1 : 128 + constants.signals[signal]))
    })
  })
}

/** Ctrl-C reaches the whole foreground group, so the program has it already; what `kill` and `timeout` send reaches us alone. */
function handOn(child: ChildProcess): () => void {
  const wait = (): void => undefined
  const tell = (signal: NodeJS.Signals): void => void child.kill(signal)
  process.on("SIGINT", wait)
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, tell)
  return () => {
    process.removeListener("SIGINT", wait)
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.removeListener(signal, tell)
  }
}

/** One process of the stack: its own process group, its output in a bounded log, a stop with a deadline. Knows nothing of readiness. */
import { spawn, type ChildProcess } from "node:child_process"
import { performance } from "node:perf_hooks"
import type { LogFile } from "./log-file.ts"
import { wholePackagesFlags } from "./whole-packages.ts"

export interface Launch {
  readonly command: readonly string[]
  readonly shell: boolean
  readonly folder: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly log: LogFile
}

export interface Exit {
  /** "exit code 1", "SIGKILL", "could not be started: …". */
  readonly reason: string
  readonly ranMs: number
}

export class ManagedProcess {
  readonly #child: ChildProcess
  readonly #startedMs = performance.now()
  /** Settles when the process is gone; never rejects. */
  readonly ended: Promise<Exit>
  #exit: Exit | null = null

  constructor(launch: Launch) {
    const [program = "", ...args] = launch.command
    const asNode = [process.execPath, [...wholePackagesFlags(), ...args]] as const
    const [file, fileArgs] = launch.shell ? (["sh", ["-c", `exec ${program}`]] as const) : program === "node" ? asNode : [program, args]
    this.#child = spawn(file, fileArgs, {
      cwd: launch.folder,
      env: { ...launch.environment },
      // A group of its own: a Ctrl-C in the terminal must not reach it before we decide the order.
      detached: process.platform !== "win32",
      stdio: ["ignore", "pipe", "pipe"],
      windowsHide: true,
    })
    this.#child.stdout?.on("data", (chunk: Buffer) => launch.log.write(chunk))
    this.#child.stderr?.on("data", (chunk: Buffer) => launch.log.write(chunk))
    this.ended = new Promise((done) => {
      const end = (reason: string): void => {
        this.#exit ??= { reason, ranMs: performance.now() - this.#startedMs }
        done(this.#exit)
      }
      this.#child.once("error", (error) => end(`could not be started: ${error.message}`))
      this.#child.once("exit", (code, signal) => {
        // What the leader left of its group would hold ports and files.
        this.#signal("SIGKILL")
        end(signal ?? `exit code ${code ?? "unknown"}`)
      })
    })
  }

  get pid(): number | null {
    return this.#exit === null ? (this.#child.pid ?? null) : null
  }

  /** Asks it to end, then makes it. Settles when it is gone. */
  async stop(deadlineMs: number): Promise<void> {
    if (this.#exit !== null) return
    this.#signal("SIGTERM")
    const hard = setTimeout(() => this.#signal("SIGKILL"), Math.max(0, deadlineMs))
    await this.ended
    clearTimeout(hard)
  }

  kill(): void {
    this.#signal("SIGKILL")
  }

  /** To the whole group. */
  signal(signal: NodeJS.Signals): void {
    this.#signal(signal)
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child
    if (pid !== undefined) signalGroup(pid, signal)
  }
}

/** Signals a process group; a group that is gone is no error. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(process.platform === "win32" ? pid : -pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
  }
}

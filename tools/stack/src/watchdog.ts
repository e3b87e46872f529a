/** The supervisor's side of watchdog.sh: tells it which process groups are ours, at every change. */
import { spawn, type ChildProcess } from "node:child_process"
import { join } from "node:path"

const SCRIPT = join(import.meta.dirname, "../watchdog.sh")

export class Watchdog {
  readonly #groups = new Set<number>()
  #child: ChildProcess | null = null
  #closed = false

  start(): void {
    // Windows has no process groups; there the services' own watch of BACKPLANE_PARENT_PID must do.
    if (process.platform === "win32") return
    const child = spawn("sh", [SCRIPT], { detached: true, stdio: ["pipe", "ignore", "ignore"] })
    child.stdin?.on("error", () => {})
    child.once("error", () => {})
    child.once("exit", () => {
      if (this.#child === child) this.#child = null
      if (!this.#closed) setTimeout(() => this.#closed || this.start(), 200).unref()
    })
    child.unref()
    this.#child = child
    this.#tell()
  }

  add(group: number): void {
    this.#groups.add(group)
    this.#tell()
  }

  remove(group: number): void {
    this.#groups.delete(group)
    this.#tell()
  }

  /** The orderly end: everything was stopped, nothing is to be killed. */
  close(): void {
    this.#closed = true
    this.#child?.stdin?.end("\n")
  }

  #tell(): void {
    this.#child?.stdin?.write(`${[...this.#groups].join(" ")}\n`)
  }
}

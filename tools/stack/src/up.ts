/**
 * `stack:up` as the user sees it: starts the supervisor, shows what it says, hands Ctrl-C over, waits for the orderly end.
 *
 * The supervisor is no child of this process (a shell in between has ended): nx stops a task by signalling the leaves of its process tree
 * first, which would take the bus away before the services.
 */
import { spawn } from "node:child_process"
import { openSync } from "node:fs"
import type { Socket } from "node:net"
import { join } from "node:path"
import { startGrafana } from "./grafana.ts"
import { listen, send, type ToFront, type ToSupervisor } from "./link.ts"
import type { Invocation } from "./options.ts"
import { checkUp, homeOf, ROOT } from "./stack-layout.ts"
import { isAlive, prepareHome, readLiveState, type StackState } from "./stack-state.ts"
import { createView, type View } from "./view.ts"

const PARENT_POLL_MS = 500

export async function up(invocation: Invocation, args: readonly string[]): Promise<number> {
  const home = homeOf(invocation)
  const running = readLiveState(home)
  if (running !== null) {
    console.error(
      `a stack is running already (pid ${running.pid}): stop it with npx nx run stack:down, or give this one its own --home FOLDER`,
    )
    return 1
  }
  await checkUp(invocation.up)
  prepareHome(home)
  if (invocation.up.grafana) {
    const problem = startGrafana(ROOT)
    if (problem !== null) return (console.error(problem), 1)
  }
  const link = startSupervisor(home, args)
  return await new Front(link, invocation.up.detach).ended
}

function startSupervisor(home: string, args: readonly string[]): Socket {
  const log = openSync(join(home, "logs/supervisor.log"), "a", 0o600)
  const command = [process.execPath, join(import.meta.dirname, "supervise.ts"), ...args]
  const options = { cwd: process.cwd(), detached: true, stdio: ["ignore", log, log, "pipe"] as const, windowsHide: true }
  const child =
    process.platform === "win32"
      ? spawn(process.execPath, command.slice(1), { ...options, stdio: [...options.stdio] })
      : spawn("sh", ["-c", '"$@" &', "sh", ...command], { ...options, stdio: [...options.stdio] })
  child.unref()
  return child.stdio[3] as Socket
}

class Front {
  readonly #link: Socket
  readonly #detach: boolean
  readonly #view: View = createView(process.stdout)
  readonly ended: Promise<number>
  #finish: (code: number) => void = () => {}
  #state: StackState | null = null
  #failed = false
  #stopped = false
  #finished = false
  #code = 0

  constructor(link: Socket, detach: boolean) {
    this.#link = link
    this.#detach = detach
    this.ended = new Promise((done) => (this.#finish = done))
    listen<ToFront>(link, { record: (record) => this.#onRecord(record), end: () => this.#onEnd() })
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => this.#tell({ kind: "stop" }))
    this.#watchParent()
  }

  #tell(record: ToSupervisor): void {
    send(this.#link, record)
  }

  #onRecord(record: ToFront): void {
    switch (record.kind) {
      case "line":
        return this.#view.line(record.text)
      case "state":
        this.#state = record.state
        return this.#view.state(record.state)
      case "ready":
        return this.#onReady()
      case "failed":
        this.#failed = true
        this.#code = record.usage ? 2 : 1
        return this.#view.fail(record.reason)
      case "stopped":
        // The end of the link follows when the supervisor itself is gone.
        this.#stopped = true
    }
  }

  #onReady(): void {
    if (this.#state !== null) this.#view.ready(this.#state, this.#detach)
    if (!this.#detach) return
    this.#tell({ kind: "detach" })
    // The end of the link, right after, is no "stop" any more.
    this.#link.end()
    this.#done(0)
  }

  /** The supervisor is gone without a word. */
  #onEnd(): void {
    if (this.#finished) return
    if (this.#failed || this.#stopped) return this.#done(this.#code)
    const home = this.#state?.home
    this.#view.fail(`the supervisor has ended unexpectedly${home === undefined ? "" : `; see ${join(home, "logs/supervisor.log")}`}`)
    this.#done(1)
  }

  #done(code: number): void {
    this.#finished = true
    this.#view.close()
    this.#finish(code)
  }

  /** Whoever started us is gone (`kill -9` of nx or npm): nobody is left to look, so stop. */
  #watchParent(): void {
    const parent = process.ppid
    const timer = setInterval(() => {
      if (process.ppid !== parent || !isAlive(parent)) this.#tell({ kind: "stop" })
    }, PARENT_POLL_MS)
    void this.ended.then(() => clearInterval(timer))
  }
}

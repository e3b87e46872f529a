/** A real stack of fake services in a folder of its own, started by the real command line. For tests. */
import { spawn, type ChildProcess } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "@backplane/foundation-process/free-ports"
import { inboxPrefix } from "@backplane/nats/permissions"
import { connect } from "@nats-io/transport-node"
import { POWER_SUBJECT } from "../power-switch.ts"
import { isAlive, readLiveState, type StackState } from "../stack-state.ts"

const MAIN = join(import.meta.dirname, "../main.ts")
const MANIFEST = join(import.meta.dirname, "manifest.ts")
const POLL_MS = 20

export interface Finished {
  readonly code: number
  readonly output: string
}

export class StackUnderTest {
  readonly home: string = mkdtempSync(join(tmpdir(), "backplane-stack-"))
  readonly #environment: NodeJS.ProcessEnv
  readonly #children: ChildProcess[] = []
  /** Every process that the stack ever told of. */
  readonly #pids = new Set<number>()

  constructor(moods: Readonly<Record<string, string>> = {}, environment: Readonly<Record<string, string>> = {}) {
    const { NATS_URL: _, ...inherited } = process.env
    this.#environment = { ...inherited, FAKE_MOODS: JSON.stringify(moods), ...environment }
  }

  /** Runs a command of the stack to its end. */
  async run(command: string, ...args: readonly string[]): Promise<Finished> {
    const child = this.#spawn([command, "--home", this.home, ...args])
    return await finished(child)
  }

  async up(...args: readonly string[]): Promise<Finished> {
    return await this.#upDetached([...(await this.upArguments()), ...args])
  }

  /** The built-in table instead of the fake services. */
  async upReal(...args: readonly string[]): Promise<Finished> {
    return await this.#upDetached([...(await this.#portArguments()), ...args])
  }

  async #upDetached(args: readonly string[]): Promise<Finished> {
    const result = await this.run("up", "--detach", ...args)
    this.state()
    return result
  }

  /** `up` without `--detach`: the process is returned once the stack is ready. */
  async upInFront(): Promise<ChildProcess> {
    const child = this.#spawn(["up", "--home", this.home, ...(await this.upArguments())])
    await until(() => this.state()?.phase === "ready")
    return child
  }

  async upArguments(): Promise<readonly string[]> {
    return ["--manifest", MANIFEST, ...(await this.#portArguments())]
  }

  async #portArguments(): Promise<readonly string[]> {
    return [`--nats-port=${await freePort()}`, `--http-port=${await freePort()}`]
  }

  state(): StackState | null {
    const state = readLiveState(this.home)
    for (const pid of [state?.pid, ...(state?.processes ?? []).map((each) => each.pid)]) if (typeof pid === "number") this.#pids.add(pid)
    return state
  }

  pidOf(name: string): number {
    const pid = this.state()?.processes.find((each) => each.name === name)?.pid
    if (typeof pid !== "number") throw new Error(`${name} has no process`)
    return pid
  }

  /** What the fake services noted, in order. */
  journal(): readonly string[] {
    const path = join(this.home, "journal.txt")
    return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : []
  }

  /** Asks the power switch over the bus, as the operator. */
  async askPower(request: object): Promise<unknown> {
    const { nats } = this.state() ?? { nats: { url: "", user: null, password: null } }
    const credentials = { user: nats.user ?? "", pass: nats.password ?? "", inboxPrefix: inboxPrefix("operator") }
    const connection = await connect({ servers: nats.url, ...credentials })
    try {
      return (await connection.request(POWER_SUBJECT, JSON.stringify(request), { timeout: 5_000 })).json()
    } finally {
      await connection.close()
    }
  }

  survivors(): readonly number[] {
    return [...this.#pids].filter(isAlive)
  }

  async dispose(): Promise<void> {
    const state = readLiveState(this.home)
    if (state !== null) {
      process.kill(state.pid, "SIGTERM")
      await until(() => !isAlive(state.pid))
    }
    for (const child of this.#children) child.kill("SIGKILL")
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 })
  }

  #spawn(args: readonly string[]): ChildProcess {
    const child = spawn(process.execPath, [MAIN, ...args], { env: this.#environment, stdio: ["ignore", "pipe", "pipe"] })
    this.#children.push(child)
    return child
  }
}

export async function finished(child: ChildProcess): Promise<Finished> {
  const chunks: string[] = []
  child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk.toString("utf8")))
  child.stderr?.on("data", (chunk: Buffer) => chunks.push(chunk.toString("utf8")))
  return await new Promise((done) =>
    child.once("close", (code, signal) => done({ code: code ?? (signal === null ? 1 : 128), output: chunks.join("") })),
  )
}

/** Waits for a condition that will come; bounded, so that a mistake is a failure and not a hang. */
export async function until(condition: () => boolean, triesMax = 1_000): Promise<void> {
  for (let tries = 0; tries < triesMax; tries++) {
    if (condition()) return
    await new Promise((done) => setTimeout(done, POLL_MS))
  }
  throw new Error(`waited in vain: ${condition.toString()}`)
}

/**
 * One process of the plan over its whole life: started, awaited, started again after a death, given up, stopped.
 *
 * Not the order between processes: that is the supervisor's.
 */
import { performance } from "node:perf_hooks"
import { answersHttp } from "./http-probe.ts"
import { LogFile } from "./log-file.ts"
import { ManagedProcess, type Exit } from "./managed-process.ts"
import type { HostedService, ProcessPlan } from "./process-plan.ts"
import { RestartPolicy, type RestartLimits } from "./restart-policy.ts"
import type { ProcessPhase, ProcessState } from "./stack-state.ts"
import type { Watchdog } from "./watchdog.ts"

export interface UnitContext {
  readonly folder: string
  readonly watchdog: Watchdog
  readonly httpUrl: string
  readonly limits: RestartLimits
  readonly logPath: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Something about the unit changed. `text` is worth telling, null is not. */
  readonly changed: (unit: Unit, text: string | null) => void
}

export class Unit {
  readonly plan: ProcessPlan
  readonly #context: UnitContext
  readonly #policy: RestartPolicy
  readonly #log: LogFile
  #process: ManagedProcess | null = null
  #phase: ProcessPhase = "waiting"
  #since = Date.now()
  #launchedMs = 0
  #restarts = 0
  #cutOff = false
  #lastExit: string | null = null
  #retry: NodeJS.Timeout | null = null
  /** Hosted services that have not answered since the last launch. */
  #awaited: readonly HostedService[]

  constructor(plan: ProcessPlan, context: UnitContext) {
    this.plan = plan
    this.#context = context
    this.#policy = new RestartPolicy(context.limits)
    this.#log = new LogFile(context.logPath)
    this.#awaited = plan.hosted
  }

  get phase(): ProcessPhase {
    return this.#phase
  }

  get lastExit(): string | null {
    return this.#lastExit
  }

  get logPath(): string {
    return this.#log.path
  }

  /** Services of this process that were started and have not answered yet. */
  get awaited(): readonly HostedService[] {
    return this.#phase === "starting" && this.plan.readiness.kind === "bus" ? this.#awaited : []
  }

  launch(): void {
    this.#retry = null
    this.#awaited = this.plan.hosted
    // A new process knows of no partition.
    this.#cutOff = false
    this.#launchedMs = performance.now()
    const { environment, folder, watchdog } = this.#context
    const { command, shell, name } = this.plan
    this.#log.write(`--- ${new Date().toISOString()} ${name} starts: ${command.join(" ")}\n`)
    const started = new ManagedProcess({ command, shell, folder, environment, log: this.#log })
    this.#process = started
    const { pid } = started
    if (pid !== null) watchdog.add(pid)
    void started.ended.then((exit) => {
      if (pid !== null) watchdog.remove(pid)
      this.#onExit(exit)
    })
    this.#enter("starting", null)
    void this.#askHttp(started)
  }

  async #askHttp(started: ManagedProcess): Promise<void> {
    const { readiness } = this.plan
    if (readiness.kind !== "http") return
    const wanted = (): boolean => this.#process === started && this.#phase === "starting"
    if (await answersHttp(`${this.#context.httpUrl}${readiness.path}`, wanted)) this.becomeReady()
  }

  /** A hosted service answered; the unit is ready when all have. */
  answered(service: HostedService): void {
    if (this.#phase !== "starting") return
    this.#awaited = this.#awaited.filter((each) => each !== service)
    if (this.#awaited.length === 0) this.becomeReady()
  }

  becomeReady(): void {
    if (this.#phase !== "starting") return
    const seconds = (performance.now() - this.#launchedMs) / 1000
    this.#enter("ready", `${this.plan.name} ready after ${seconds.toFixed(2)} s`)
  }

  async stop(deadlineMs: number): Promise<void> {
    if (this.#retry !== null) clearTimeout(this.#retry)
    // First the phase: the exit that follows is wanted.
    if (this.#phase !== "failed") this.#enter("stopped", null)
    await this.#process?.stop(deadlineMs)
  }

  /** As from outside: a kill is a crash, after which the restart policy decides; a pause is a host that hangs. */
  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    if (this.#process === null || this.#process.pid === null) return
    if (signal === "SIGSTOP" && this.#phase === "ready") this.#enter("paused", `${this.plan.name} was paused`)
    if (signal === "SIGCONT" && this.#phase === "paused") this.#enter("ready", `${this.plan.name} goes on`)
    this.#process.signal(signal)
  }

  /** Told by whoever partitioned it, or healed that. */
  setCutOff(cutOff: boolean): void {
    if (this.#cutOff === cutOff) return
    this.#cutOff = cutOff
    this.#context.changed(this, cutOff ? `${this.plan.name} is cut off from all others` : `${this.plan.name} is reached again`)
  }

  /** Off: killed at once and kept down. Settles when the process is gone. */
  async powerOff(): Promise<void> {
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#retry = null
    this.#enter("off", `${this.plan.name} was switched off`)
    this.#process?.kill()
    await this.#process?.ended
  }

  /** On: started with a clean slate, unless it runs. */
  powerOn(): void {
    if (this.#phase !== "off" && this.#phase !== "failed") return
    this.#policy.forgive()
    this.launch()
  }

  closeLog(): void {
    this.#log.close()
  }

  state(): ProcessState {
    return {
      name: this.plan.name,
      services: this.plan.hosted.map((each) => each.instance),
      phase: this.#phase,
      pid: this.#process?.pid ?? null,
      restarts: this.#restarts,
      lastExit: this.#lastExit,
      cutOff: this.#cutOff,
      replacedBy: this.plan.shell ? (this.plan.command[0] ?? null) : null,
      since: this.#since,
      log: this.#log.path,
    }
  }

  #onExit(exit: Exit): void {
    this.#lastExit = exit.reason
    this.#log.write(`--- ${new Date().toISOString()} ${this.plan.name} ended: ${exit.reason}\n`)
    if (this.#phase === "stopped" || this.#phase === "failed" || this.#phase === "off") return this.#context.changed(this, null)
    const verdict = this.#policy.onDeath(exit.ranMs)
    const { name } = this.plan
    if (verdict.kind === "give-up") {
      return this.#enter(
        "failed",
        `${name} ended ${verdict.deaths} times (${exit.reason}): crash loop, not started again; see ${this.#log.path}`,
      )
    }
    this.#restarts++
    this.#retry = setTimeout(() => this.launch(), verdict.delayMs)
    this.#enter("backing-off", `${name} ended (${exit.reason}): starts again in ${verdict.delayMs} ms`)
  }

  #enter(phase: ProcessPhase, text: string | null): void {
    this.#phase = phase
    this.#since = Date.now()
    this.#context.changed(this, text)
  }
}

/**
 * Starts the processes of a stack level by level, starts again what dies, stops all in order with the bus last.
 *
 * Knows processes and readiness, not what the services do. Everything it tells goes through `report`; it prints nothing.
 */
import type { NatsConnection } from "@nats-io/nats-core"
import { performance } from "node:perf_hooks"
import { lastLines } from "./log-file.ts"
import { connectToBus, matchPing, Presence, type BusAccess, type Ping } from "./presence.ts"
import { cutOff } from "./partition.ts"
import { servePower, type PowerAction } from "./power-switch.ts"
import type { ProcessPlan } from "./process-plan.ts"
import type { RestartLimits } from "./restart-policy.ts"
import type { ProcessState, StackPhase } from "./stack-state.ts"
import { Unit } from "./unit.ts"
import { Watchdog } from "./watchdog.ts"

export interface Deadlines {
  /** For the bus to take a connection. */
  readonly busMs: number
  /** For all services of one level to answer. */
  readonly levelMs: number
  /** For all services to end, together. */
  readonly stopMs: number
  /** By which a level that is slow to end is ahead of the next lower one. */
  readonly headStartMs: number
  /** For those that stop last. */
  readonly stopLastMs: number
  /** For the bus to end, after them. */
  readonly stopBusMs: number
}

export const DEADLINES: Deadlines = { busMs: 10_000, levelMs: 30_000, stopMs: 1_800, headStartMs: 250, stopLastMs: 400, stopBusMs: 400 }

const SIGNALS = { kill: "SIGKILL", pause: "SIGSTOP", resume: "SIGCONT" } as const

export interface SupervisorSettings {
  readonly folder: string
  readonly plans: readonly ProcessPlan[]
  /** The bus as a process, or null where somebody else runs it. */
  readonly bus: ProcessPlan | null
  readonly access: BusAccess
  /** Where a service with readiness by HTTP is asked. */
  readonly httpUrl: string
  readonly environmentOf: (plan: ProcessPlan) => Readonly<Record<string, string | undefined>>
  readonly logPathOf: (plan: ProcessPlan) => string
  readonly limits: RestartLimits
  readonly deadlines: Deadlines
  /** The plan of a process that is not there yet but may be; null where there is none of the name. */
  readonly planAnother?: (name: string) => ProcessPlan | null
  /** Something changed; `text` is a line for people, or null. */
  readonly report: (text: string | null) => void
}

export type StartResult = { readonly ok: true } | { readonly ok: false; readonly reason: string }

const WHY_LINES = 5

export class Supervisor {
  readonly #settings: SupervisorSettings
  readonly #watchdog = new Watchdog()
  readonly #bus: Unit | null
  readonly #units: Unit[]
  readonly #unitOf: (plan: ProcessPlan) => Unit
  readonly #stopping = new AbortController()
  #phase: StackPhase = "starting"
  #presence: Presence | null = null
  #connection: NatsConnection | null = null
  /** Called at every change of a unit: what start() waits on. */
  #wake: () => void = () => {}
  #stopped: Promise<void> | null = null

  constructor(settings: SupervisorSettings) {
    this.#settings = settings
    const unitOf = (plan: ProcessPlan): Unit =>
      new Unit(plan, {
        folder: settings.folder,
        watchdog: this.#watchdog,
        httpUrl: settings.httpUrl,
        limits: settings.limits,
        logPath: settings.logPathOf(plan),
        environment: settings.environmentOf(plan),
        changed: (_, text) => this.#changed(text),
      })
    this.#unitOf = unitOf
    this.#bus = settings.bus === null ? null : unitOf(settings.bus)
    this.#units = settings.plans.map(unitOf)
  }

  get phase(): StackPhase {
    return this.#phase
  }

  /** Of all processes, the bus first. */
  states(): readonly ProcessState[] {
    return [...(this.#bus === null ? [] : [this.#bus]), ...this.#units].map((unit) => unit.state())
  }

  /** Settles when every service is ready, or with the reason why not. The caller then stops the rest. */
  async start(): Promise<StartResult> {
    this.#watchdog.start()
    const connection = await this.#startBus()
    if (typeof connection === "string") return { ok: false, reason: connection }
    this.#connection = connection
    this.#presence = new Presence(connection, this.#settings.access.inboxPrefix, {
      awaited: () => this.#units.filter((unit) => unit.awaited.length > 0).length,
      onPing: (ping) => this.#onPing(ping),
    })
    servePower(connection, this)
    const levels = [...new Set(this.#units.map((unit) => unit.plan.level))].sort((a, b) => a - b)
    for (const level of levels) {
      const units = this.#units.filter((unit) => unit.plan.level === level)
      for (const unit of units) unit.launch()
      const reason = await this.#allReady(units, this.#settings.deadlines.levelMs)
      if (reason !== null) return { ok: false, reason }
    }
    this.#phase = "ready"
    this.#settings.report(null)
    return { ok: true }
  }

  /** The power switch. The bus has none: nobody could ask to switch it on again. */
  async power(name: string, action: PowerAction): Promise<string | null> {
    const unit = this.#units.find((each) => each.plan.name === name)
    if (this.#phase === "stopping") return "the stack is stopping"
    if (unit === undefined) {
      if (action === "on") this.#another(name)
      return action === "on" ? null : "the bus has no power switch"
    }
    switch (action) {
      case "kill":
      case "pause":
      case "resume":
        unit.signal(SIGNALS[action])
        return null
      case "partition":
      case "heal":
        return this.#cut(unit, action === "partition")
      case "off":
        await unit.powerOff()
        return null
      case "cycle":
        await unit.powerOff()
        break
      case "on":
        break
    }
    if (!this.#stopping.signal.aborted) unit.powerOn()
    return null
  }

  async #cut(unit: Unit, isCut: boolean): Promise<string | null> {
    if (this.#connection === null || unit.phase !== "ready") return `${unit.plan.name} is ${unit.phase}`
    const instances = unit.plan.hosted.map(({ instance }) => instance)
    const refused = await cutOff(this.#connection, instances, isCut)
    if (refused === null) unit.setCutOff(isCut)
    return refused
  }

  /** Whether a process of this name could be switched on. */
  mayStart(name: string): boolean {
    return (this.#settings.planAnother?.(name) ?? null) !== null
  }

  #another(name: string): void {
    const plan = this.#settings.planAnother?.(name) ?? null
    if (plan === null) return
    const unit = this.#unitOf(plan)
    this.#units.push(unit)
    unit.launch()
  }

  /** Orderly and bounded: the last level first, the bus last; what does not go by its deadline is killed. May be called again. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    const { stopMs, headStartMs, stopLastMs, stopBusMs } = this.#settings.deadlines
    this.#phase = "stopping"
    this.#stopping.abort()
    this.#wake()
    const until = performance.now() + stopMs
    const ending: Promise<void>[] = []
    for (const units of this.#stopOrder()) {
      const group = Promise.all(units.map((unit) => unit.stop(until - performance.now())))
      ending.push(group.then(() => {}))
      // A slow group must not eat the time of those after it: it has a head start, and the deadline is for all.
      await Promise.race([group, new Promise((done) => setTimeout(done, headStartMs).unref())])
    }
    await Promise.all(ending)
    await Promise.all(this.#units.map((unit) => unit.stop(stopLastMs)))
    await this.#presence?.close()
    await this.#bus?.stop(stopBusMs)
    this.#watchdog.close()
    for (const unit of [...this.#units, ...(this.#bus === null ? [] : [this.#bus])]) unit.closeLog()
    this.#settings.report(null)
  }

  /** The highest level first, without those that stop last. */
  #stopOrder(): readonly (readonly Unit[])[] {
    const units = this.#units.filter((unit) => !unit.plan.stopsLast)
    const levels = [...new Set(units.map((unit) => unit.plan.level))].sort((a, b) => b - a)
    return levels.map((level) => units.filter((unit) => unit.plan.level === level))
  }

  async #startBus(): Promise<NatsConnection | string> {
    const { access, deadlines } = this.#settings
    this.#bus?.launch()
    const wanted = (): boolean => !this.#stopping.signal.aborted && this.#bus?.phase !== "failed"
    const connection = await connectToBus(access, deadlines.busMs, wanted)
    if (typeof connection === "string") return `the bus at ${access.url} cannot be reached: ${connection}${why(this.#bus)}`
    this.#bus?.becomeReady()
    void this.#watchConnection(connection)
    return connection
  }

  /** The connection comes back after a restart of the bus: that is the bus's readiness then. */
  async #watchConnection(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === "reconnect") this.#bus?.becomeReady()
      if (status.type === "error") this.#settings.report(`bus: ${String(status.error)}`)
    }
  }

  #onPing(ping: Ping): void {
    const awaited = this.#units.flatMap((unit) => unit.awaited.map((service) => ({ unit, service })))
    const service = matchPing(
      ping,
      awaited.map((each) => each.service),
    )
    if (service !== null) awaited.find((each) => each.service === service)?.unit.answered(service)
  }

  /** Null when all are ready; else the reason. */
  async #allReady(units: readonly Unit[], deadlineMs: number): Promise<string | null> {
    let late = false
    const timer = setTimeout(() => {
      late = true
      this.#wake()
    }, deadlineMs)
    try {
      while (!this.#stopping.signal.aborted) {
        const failed = units.find((unit) => unit.phase === "failed")
        if (failed !== undefined) return `${failed.plan.name} does not stay up (${failed.lastExit ?? "unknown"})${why(failed)}`
        const waited = units.filter((unit) => unit.phase !== "ready")
        const first = waited[0]
        if (first === undefined) return null
        if (late) {
          const names = waited.map((unit) => unit.plan.name).join(", ")
          return `${names}: no answer to $SRV.PING within ${deadlineMs / 1000} s${why(first)}`
        }
        await new Promise<void>((done) => (this.#wake = done))
      }
      return "stopped while starting"
    } finally {
      clearTimeout(timer)
    }
  }

  #changed(text: string | null): void {
    // Somebody has just been started: do not wait for the calm rhythm.
    if (this.#units.some((unit) => unit.awaited.length > 0)) this.#presence?.hurry()
    this.#settings.report(text)
    this.#wake()
  }
}

/** The last words of a process, for a reason that people can act on. */
function why(unit: Unit | null): string {
  if (unit === null) return ""
  const words = lastLines(unit.logPath, WHY_LINES).filter((line) => !line.startsWith("--- "))
  return `\n  log: ${unit.logPath}${words.map((line) => `\n  | ${line}`).join("")}`
}

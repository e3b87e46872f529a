/**
 * Makes the record of a run from the events that its actors tell (live or in simulation), in the order of time.
 *
 * An event that does not fit what is known of a task (its CPU was lost with a node, a life began anew) ends the stay that was open and
 * begins what it says. Names of events: telemetry's registry.
 */
import type { Attributes } from "@backplane/foundation-actor/trace-context"
import type { Offline, RecordedCpu, RecordedTask, RunRecord, Stay, WaitReason } from "./run-record.ts"

export interface RecorderOptions {
  readonly cpus: readonly RecordedCpu[]
  readonly sliceTicks: number
  readonly tickCycles: number
  /** Of the machine's clock: what makes watts joules. */
  readonly cyclesPerSecond: number
  /** Tick in which a time of the machine lies; −1 before the first. */
  readonly tickAt: (cycles: number) => number
  /** What is known beforehand. A task that is not named counts as one of weight 100 that may run anywhere. */
  readonly tasks: readonly { readonly name: string; readonly weight: number; readonly affinity: readonly number[] }[]
}

interface OpenTask {
  readonly name: string
  readonly weight: number
  readonly affinity: readonly number[]
  home: number
  readonly stays: Stay[]
  finishTick: number | null
  /** The stay in progress. */
  open:
    | { readonly state: "waiting"; readonly from: number; readonly why: WaitReason }
    | { readonly state: "running"; readonly from: number; readonly cpu: number }
    | { readonly state: "blocked"; readonly from: number }
    | null
  /** Cycle at which it became free to run. */
  readyAt: number
}

const WAIT_REASONS: ReadonlySet<string> = new Set(["new", "wake", "slice", "yield"])
const WEIGHT_DEFAULT = 100
/** Kinds of message that scheduling takes. */
const SCHEDULING = /^(Scheduler|Steal|Offer|NodeUp)/

export class RunRecorder {
  readonly #options: RecorderOptions
  readonly #tasks = new Map<string, OpenTask>()
  readonly #decisionCycles: number[] = []
  readonly #refusals = new Map<string, number>()
  /** Cycle at which each CPU became free. */
  readonly #freeAt = new Map<number, number>()
  #bypasses = 0
  #messages = 0
  /** Per CPU: what it draws, since which cycle. */
  readonly #power = new Map<number, { readonly watts: number; readonly since: number }>()
  #joules = 0
  readonly #offline: Offline[] = []
  /** Since which tick a CPU is off line. */
  readonly #offSince = new Map<number, number>()

  constructor(options: RecorderOptions) {
    this.#options = options
    for (const { name, weight, affinity } of options.tasks) this.#tasks.set(name, newTask(name, weight, affinity))
  }

  onMessage(kind: string): void {
    if (SCHEDULING.test(kind)) this.#messages++
  }

  /** `at`: cycles. */
  onEvent(at: number, name: string, fields: Attributes): void {
    const tick = Math.max(0, this.#options.tickAt(at))
    const told = new Told(fields)
    switch (name) {
      case "task-new":
        return this.#onNew(at, tick, told)
      case "preempt":
        return this.#onPreempt(told)
      case "task-blocked":
        return this.#begin(this.#task(told.text("task")), { at, tick }, { state: "blocked", from: tick })
      case "task-woken":
        return this.#begin(this.#task(told.text("task")), { at, tick }, { state: "waiting", from: tick, why: "wake" })
      case "dispatch":
        return this.#onDispatch(at, tick, told)
      case "slice":
        return this.#onSlice(at, tick, told)
      case "task-finished":
        return void (this.#task(told.text("task")).open = null)
      case "scheduler-bypassed":
        return void this.#bypasses++
      case "verdict-refused":
        return this.#onRefused(told.text("verdict"))
      case "cpu-offline":
        return void this.#offSince.set(told.number("cpu"), tick)
      case "cpu-online":
        return this.#onOnline(tick, told.number("cpu"))
      case "power":
        return this.#onPower(at, told.number("cpu"), told.number("watts"))
    }
  }

  #onOnline(tick: number, cpu: number): void {
    const from = this.#offSince.get(cpu)
    this.#offSince.delete(cpu)
    if (from !== undefined && from < tick) this.#offline.push({ cpu, from, to: tick })
  }

  #onPower(at: number, cpu: number, watts: number): void {
    this.#joules += this.#spentBy(at, cpu)
    this.#power.set(cpu, { watts, since: at })
  }

  #spentBy(at: number, cpu: number): number {
    const { watts, since } = this.#power.get(cpu) ?? { watts: 0, since: at }
    return (watts * Math.max(0, at - since)) / this.#options.cyclesPerSecond
  }

  #task(name: string): OpenTask {
    const known = this.#tasks.get(name)
    if (known !== undefined) return known
    const task = newTask(name, WEIGHT_DEFAULT, [])
    this.#tasks.set(name, task)
    return task
  }

  #onNew(at: number, tick: number, told: Told): void {
    const task = this.#task(told.text("task"))
    task.home = told.number("node")
    this.#begin(task, { at, tick }, { state: "waiting", from: tick, why: "new" })
  }

  #begin(task: OpenTask, when: { readonly at: number; readonly tick: number }, next: NonNullable<OpenTask["open"]>): void {
    this.#close(task, when.tick, 0)
    task.open = next
    if (next.state === "waiting") task.readyAt = when.at
  }

  /** Ends the stay in progress. One of no length is not kept. */
  #close(task: OpenTask, tick: number, warmTicks: number): void {
    const { open } = task
    task.open = null
    if (open === null || tick <= open.from) return
    if (open.state === "running") task.stays.push({ ...open, to: tick, warmTicks })
    else task.stays.push({ ...open, to: tick })
  }

  #onDispatch(at: number, tick: number, told: Told): void {
    const task = this.#task(told.text("task"))
    const cpu = told.number("cpu")
    this.#decisionCycles.push(Math.max(0, at - Math.max(this.#freeAt.get(cpu) ?? 0, task.readyAt)))
    // A CPU that has to wake first lets the task wait a little longer.
    const from = tick + told.number("waking")
    this.#close(task, from, 0)
    task.open = { state: "running", from, cpu }
  }

  /** A run ended; what the task does from here on an event of the same moment may say. */
  #onSlice(at: number, tick: number, told: Told): void {
    const task = this.#task(told.text("task"))
    this.#freeAt.set(told.number("cpu"), at)
    const from = task.open?.state === "running" ? task.open.from : tick
    const end = from + told.number("ran")
    this.#close(task, end, told.number("warm"))
    task.finishTick = end
    task.open = { state: "waiting", from: end, why: "slice" }
    task.readyAt = at
  }

  /** Why it waits since its run ended: its slice was over, it gave way, or another was preferred. */
  #onPreempt(told: Told): void {
    const task = this.#task(told.text("task"))
    if (task.open?.state === "waiting") task.open = { ...task.open, why: reasonOf(told.text("reason")) }
  }

  #onRefused(verdict: string): void {
    this.#refusals.set(verdict, (this.#refusals.get(verdict) ?? 0) + 1)
  }

  /** Joules from the last word of each CPU to the first cycle of a tick. */
  #restTo(endTick: number): number {
    const end = (endTick + 1) * this.#options.tickCycles
    return [...this.#power.keys()].reduce((sum, cpu) => sum + this.#spentBy(end, cpu), 0)
  }

  /** The record up to `endTick`: stays in progress are cut off there. Tasks that are still open have not finished. */
  record(endTick: number): RunRecord {
    const { cpus, sliceTicks } = this.#options
    const tasks = [...this.#tasks.values()].map((task): RecordedTask => {
      const { name, weight, affinity, home, open } = task
      const cut: Stay[] =
        open === null || open.from >= endTick
          ? []
          : [open.state === "running" ? { ...open, to: endTick, warmTicks: 0 } : { ...open, to: endTick }]
      return { name, weight, affinity, home, stays: [...task.stays, ...cut], finishTick: open === null ? task.finishTick : null }
    })
    const stillOff = [...this.#offSince].map(([cpu, from]): Offline => ({ cpu, from, to: endTick }))
    const offline = [...this.#offline, ...stillOff].filter(({ from, to }) => from < Math.min(to, endTick))
    return {
      cpus,
      sliceTicks,
      endTick,
      tasks,
      decisionCycles: this.#decisionCycles,
      refusals: Object.fromEntries([...this.#refusals].sort(([a], [b]) => (a < b ? -1 : 1))),
      bypasses: this.#bypasses,
      messages: this.#messages,
      energy: this.#power.size === 0 ? null : this.#joules + this.#restTo(endTick),
      ...(offline.length > 0 && { offline }),
    }
  }
}

/** Fields of an event, under their plain or their span names. */
class Told {
  readonly #fields: Attributes

  constructor(fields: Attributes) {
    this.#fields = fields
  }

  text(name: string): string {
    return String(this.#fields[`backplane.${name}`] ?? this.#fields[name] ?? "")
  }

  number(name: string): number {
    return Number(this.#fields[`backplane.${name}`] ?? this.#fields[name] ?? 0)
  }
}

function reasonOf(reason: string): WaitReason {
  return WAIT_REASONS.has(reason) ? (reason as WaitReason) : "other"
}

function newTask(name: string, weight: number, affinity: readonly number[]): OpenTask {
  return { name, weight, affinity, home: 0, stays: [], finishTick: null, open: null, readyAt: 0 }
}

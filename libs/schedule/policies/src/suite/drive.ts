/**
 * Runs a workload on a policy, tick by tick, and says what the policy did wrong.
 *
 * It stands in for nodes and scheduler actor: keeps the truth about every task itself, asks the policy, and believes nothing.
 * Order of a tick: slices that ended, arrivals and wake-ups; thefts; idle CPUs pick, in order of number; all run.
 */
import type { TaskView } from "@backplane/schedule-contract/task-view"
import { Fingerprint } from "@backplane/foundation-base/fingerprint"
import { mayRun } from "../policy.ts"
import type { ChargeReason, EnqueueReason, QueuePolicy } from "../queue-policy.ts"
import type { TaskPlan, Workload } from "./workload.ts"

export interface TaskFate {
  readonly plan: TaskPlan
  view: TaskView
  state: "absent" | "waiting" | "running" | "sleeping" | "elsewhere" | "dead"
  ranTicks: number
  waitMostTicks: number
  /** When it was put on a CPU last. */
  startTick: number
  finishTick: number
  burst: number
  burstLeft: number
  waitingSince: number
  dueTick: number
  dueReason: EnqueueReason
  isRefused: boolean
}

interface DriveCpu {
  readonly cpu: number
  task: TaskFate | null
  ranTicks: number
  sliceLeft: number
  isRefused: boolean
}

export interface DriveOptions {
  /** No more ticks than this; then what is left is reported, unless it was asked for. */
  readonly ticks?: number
  /** Called when the CPUs of a tick have been given work. */
  readonly onTick?: (tick: number, fates: readonly TaskFate[]) => void
}

export interface DriveResult {
  /** Empty: nothing was wrong. At most a few. */
  readonly violations: readonly string[]
  readonly fates: readonly TaskFate[]
  readonly ticks: number
  /** Ticks of CPUs that stayed idle beside work that they could have done. */
  readonly idleBesideWork: number
  /** Of all decisions, in order. */
  readonly fingerprint: string
  readonly decisions: readonly string[]
}

const VIOLATIONS_MAX = 5

export function drive(policy: QueuePolicy, workload: Workload, options: DriveOptions = {}): DriveResult {
  return new Drive(policy, workload, options).run()
}

/** With no CPU idle beside work, all is done by then, however many CPUs may do it. */
function ticksMost({ tasks, thefts }: Workload): number {
  const work = tasks
    .flatMap(({ bursts }) => bursts.map(({ runTicks, sleepTicks }) => runTicks + sleepTicks))
    .reduce((sum, some) => sum + some, 0)
  const away = thefts.reduce((sum, { backAfterTicks }) => sum + backAfterTicks + 1, 0)
  return 1 + work + away + Math.max(0, ...tasks.map(({ arrivalTick }) => arrivalTick))
}

class Drive {
  readonly #policy: QueuePolicy
  readonly #workload: Workload
  readonly #options: DriveOptions
  readonly #fates: readonly TaskFate[]
  readonly #byName: ReadonlyMap<string, TaskFate>
  readonly #cpus: readonly DriveCpu[]
  readonly #violations: string[] = []
  readonly #decisions: string[] = []
  #tick = 0
  #picks = 0
  #idleBesideWork = 0

  constructor(policy: QueuePolicy, workload: Workload, options: DriveOptions) {
    this.#policy = policy
    this.#workload = workload
    this.#options = options
    this.#fates = workload.tasks.map((plan, ordinal) => newFate(plan, ordinal))
    this.#byName = new Map(this.#fates.map((fate) => [fate.plan.name, fate]))
    this.#cpus = Array.from({ length: workload.cpus }, (_, cpu) => ({ cpu, task: null, ranTicks: 0, sliceLeft: 0, isRefused: false }))
  }

  run(): DriveResult {
    const ticks = this.#options.ticks ?? ticksMost(this.#workload) * (this.#workload.refuseEvery > 0 ? 2 : 1)
    while (this.#tick < ticks && this.#violations.length < VIOLATIONS_MAX && this.#fates.some((fate) => fate.state !== "dead")) {
      const woken = this.#wakeDue()
      this.#steal()
      this.#assign()
      for (const fate of woken) this.#preemptFor(fate)
      this.#options.onTick?.(this.#tick, this.#fates)
      this.#runCpus()
    }
    if (this.#options.ticks === undefined)
      for (const fate of this.#fates) if (fate.state !== "dead") this.#wrong(`${fate.plan.name} is not done: it is ${fate.state}`)
    const print = new Fingerprint()
    for (const decision of this.#decisions) print.add(decision)
    return {
      violations: this.#violations,
      fates: this.#fates,
      ticks: this.#tick,
      idleBesideWork: this.#idleBesideWork,
      fingerprint: print.hex(),
      decisions: this.#decisions,
    }
  }

  #wrong(what: string): void {
    if (this.#violations.length < VIOLATIONS_MAX) this.#violations.push(`tick ${this.#tick}: ${what}`)
  }

  /** Returns those that slept. */
  #wakeDue(): readonly TaskFate[] {
    const woken: TaskFate[] = []
    for (const fate of this.#fates) {
      const isAway = fate.state === "absent" || fate.state === "sleeping" || fate.state === "elsewhere"
      if (!isAway || fate.dueTick > this.#tick) continue
      if (fate.state === "sleeping") woken.push(fate)
      this.#wait(fate, fate.dueReason)
    }
    return woken
  }

  /** A task woke and found no CPU idle: the policy may name a busy one. */
  #preemptFor(woken: TaskFate): void {
    const index = woken.state === "waiting" ? this.#policy.preempts?.(woken.view.task, this.#tick) : undefined
    if (index === undefined) return
    const cpu = this.#cpus[index]
    const running = cpu?.task
    if (cpu === undefined || running === null || running === undefined) return this.#wrong(`preempts CPU ${index}, which runs nothing`)
    if (!mayRun(woken.view, index)) return this.#wrong(`preempts CPU ${index} for ${woken.view.task}, which may not run there`)
    const { ranTicks } = cpu
    cpu.task = null
    const refused: TaskFate[] = []
    this.#pick(cpu, refused)
    if (cpu.task === null) {
      // Nothing was picked, or the pick was refused: the CPU goes on with what it ran.
      cpu.task = running
      for (const fate of refused) this.#wait(fate, "refused")
      return
    }
    this.#policy.charge(running.plan.name, ranTicks, "preempt", this.#tick)
    running.view = { ...running.view, lastCpu: index, warm: true, runtime: running.ranTicks }
    this.#wait(running, "preempt")
    this.#checkBooks()
  }

  #wait(fate: TaskFate, why: EnqueueReason): void {
    fate.state = "waiting"
    if (why !== "refused") fate.waitingSince = this.#tick
    fate.view = { ...fate.view, taskSeq: fate.view.taskSeq + 1, runtime: fate.ranTicks }
    this.#policy.enqueue(fate.view, this.#tick, why)
  }

  #steal(): void {
    for (const theft of this.#workload.thefts) {
      if (theft.tick !== this.#tick) continue
      const view = this.#policy.give(theft.cpu)
      if (view === undefined) continue
      const fate = this.#byName.get(view.task)
      if (fate?.state !== "waiting") this.#wrong(`gives ${view.task}, which does not wait`)
      else if (!mayRun(fate.view, theft.cpu)) this.#wrong(`gives ${view.task} to CPU ${theft.cpu}, where it may not run`)
      else {
        if (this.#policy.remove(view.task)?.task !== view.task) this.#wrong(`${view.task} is removed but was not there`)
        Object.assign(fate, { state: "elsewhere", dueTick: this.#tick + theft.backAfterTicks, dueReason: "steal" })
      }
    }
  }

  #assign(): void {
    const idle = this.#cpus.filter(({ task }) => task === null)
    if (idle.length > 0) {
      const numbers = idle.map(({ cpu }) => cpu)
      this.#policy.offer(numbers, this.#tick)
    }
    const refused: TaskFate[] = []
    for (const cpu of idle) this.#pick(cpu, refused)
    for (const fate of refused) this.#wait(fate, "refused")
    this.#checkBooks()
    if (refused.length > 0) return
    for (const cpu of this.#cpus)
      if (cpu.task === null && this.#fates.some((fate) => fate.state === "waiting" && mayRun(fate.view, cpu.cpu))) this.#idleBesideWork++
  }

  #pick(cpu: DriveCpu, refused: TaskFate[]): void {
    const view = this.#policy.pick(cpu.cpu, this.#tick)
    if (view === undefined) return
    const fate = this.#byName.get(view.task)
    if (fate?.state !== "waiting") return this.#wrong(`picks ${view.task} for CPU ${cpu.cpu}, which is ${fate?.state ?? "unknown"}`)
    if (!mayRun(fate.view, cpu.cpu)) return this.#wrong(`picks ${view.task} for CPU ${cpu.cpu}, where it may not run`)
    if (view.taskSeq !== fate.view.taskSeq) return this.#wrong(`picks ${view.task} by an old view`)
    this.#picks++
    // Never the same task or CPU twice in a row, or the drive itself would starve somebody.
    const isTurn = this.#workload.refuseEvery > 0 && this.#picks % this.#workload.refuseEvery === 0
    const isRefused = isTurn && !fate.isRefused && !cpu.isRefused
    fate.isRefused = isRefused
    cpu.isRefused = isRefused
    if (isRefused) return void refused.push(fate)
    const sliceTicks = this.#policy.sliceTicks(view.task)
    if (!Number.isInteger(sliceTicks) || sliceTicks < 1) return this.#wrong(`gives ${view.task} a slice of ${sliceTicks}`)
    this.#decisions.push(`${this.#tick} cpu ${cpu.cpu} ${view.task} ${sliceTicks}`)
    fate.state = "running"
    fate.startTick = this.#tick
    fate.waitMostTicks = Math.max(fate.waitMostTicks, this.#tick - fate.waitingSince)
    Object.assign(cpu, { task: fate, ranTicks: 0, sliceLeft: sliceTicks })
  }

  /** The policy's waiting are the tasks that wait: none lost, none made up. */
  #checkBooks(): void {
    const waiting = this.#fates.filter((fate) => fate.state === "waiting")
    const held = this.#policy.waiting()
    if (held.length !== this.#policy.length) this.#wrong(`says ${this.#policy.length} wait, and shows ${held.length}`)
    if (held.length !== waiting.length) this.#wrong(`holds ${held.length} tasks where ${waiting.length} wait`)
    for (const view of held) if (this.#byName.get(view.task)?.state !== "waiting") this.#wrong(`holds ${view.task}, which does not wait`)
    for (const fate of waiting) fate.waitMostTicks = Math.max(fate.waitMostTicks, this.#tick - fate.waitingSince)
  }

  #runCpus(): void {
    const stopped: { readonly fate: TaskFate; readonly why: EnqueueReason }[] = []
    this.#tick++
    for (const cpu of this.#cpus) {
      const { task: fate } = cpu
      if (fate === null) continue
      fate.ranTicks++
      cpu.ranTicks++
      const why = this.#endOfRun(fate, --fate.burstLeft, --cpu.sliceLeft)
      if (why === null) continue
      this.#policy.charge(fate.plan.name, cpu.ranTicks, why, this.#tick)
      cpu.task = null
      fate.view = { ...fate.view, lastCpu: cpu.cpu, warm: true, runtime: fate.ranTicks }
      if (why === "slice" || why === "yield") stopped.push({ fate, why })
    }
    for (const { fate, why } of stopped) this.#wait(fate, why)
  }

  #endOfRun(fate: TaskFate, burstLeft: number, sliceLeft: number): ChargeReason | null {
    if (burstLeft > 0) return sliceLeft > 0 ? null : "slice"
    const { sleepTicks } = fate.plan.bursts[fate.burst++] ?? { sleepTicks: 0 }
    const next = fate.plan.bursts[fate.burst]
    if (next === undefined) {
      Object.assign(fate, { state: "dead", finishTick: this.#tick })
      return "dead"
    }
    fate.burstLeft = next.runTicks
    if (sleepTicks === 0) return "yield"
    Object.assign(fate, { state: "sleeping", dueTick: this.#tick + sleepTicks, dueReason: "wake" })
    return "blocked"
  }
}

function newFate(plan: TaskPlan, ordinal: number): TaskFate {
  const view: TaskView = {
    task: plan.name,
    taskSeq: 1,
    ordinal,
    node: ordinal % 2,
    affinity: [...plan.affinity],
    workingSet: 0,
    runtime: 0,
    lastCpu: null,
    warm: false,
    requestedRun: 0,
    weight: plan.weight,
    ...(plan.gang === undefined ? {} : { gang: plan.gang }),
  }
  return {
    plan,
    view,
    state: "absent",
    ranTicks: 0,
    waitMostTicks: 0,
    startTick: -1,
    finishTick: -1,
    burst: 0,
    burstLeft: plan.bursts[0]?.runTicks ?? 1,
    waitingSince: 0,
    dueTick: plan.arrivalTick,
    dueReason: "new",
    isRefused: false,
  }
}

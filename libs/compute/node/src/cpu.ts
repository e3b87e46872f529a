/**
 * One CPU: its cache, what it runs, and the record of what it ran.
 *
 * Invariants: segments do not overlap and grow in time; busy and warm count only settled ticks; `idleSeq` grows with each idle period.
 */
import type { CpuCache } from "@backplane/compute-synthetic/cpu-cache"
import { assert } from "@backplane/foundation-base/assert"
import { cacheKeyOf, type SliceOutcome } from "@backplane/compute-contract/task-engine"
import type { Task } from "./task-table.ts"
import type { TaskWorks } from "./task-works.ts"

/** Run lengths kept per CPU; a machine that runs for ever forgets its oldest. */
const SEGMENTS_MAX = 200_000

/** [first tick, tick after the last, task, tick since which the cache was warm for it (the end: never)]. */
export type Segment = [number, number, string, number]

export type CpuState =
  | { readonly kind: "offline" }
  | { readonly kind: "idle"; readonly sinceTick: number }
  | { readonly kind: "fetching"; readonly task: string; readonly taskSeq: number; readonly untilTick: number; readonly sinceTick: number }
  | {
      readonly kind: "running"
      readonly task: Task
      /** First tick of the part that runs under the conditions of now. */
      readonly fromTick: number
      readonly untilTick: number
      /** Tick at which it will be done or pause, or the conditions change by what it does itself. */
      readonly endTick: number
      readonly speed: number
      readonly spins: boolean
    }

/** Under which a part of a slice runs: they hold from its first tick to its last. */
export interface Conditions {
  /** Of 1024. */
  readonly speed: number
  /** It only waits, without sleeping. */
  readonly spins: boolean
  /** Threads of the core that warm the same set together; 0: the core has one thread, and nobody else changes its cache. */
  readonly warmers: number
}

/** So long a task that gives way looks for what it waits for. */
const LOOK_TICKS = 1

/** What came of a run. */
export interface Left {
  readonly task: Task
  /** Of its last part. */
  readonly outcome: SliceOutcome
  /** Since it was put on. */
  readonly ranTicks: number
  readonly warmTicks: number
  /** Tick after its last. */
  readonly endTick: number
  /** End of the slice that it was given. */
  readonly untilTick: number
}

type CacheUser = Parameters<typeof cacheKeyOf>[0]
type AcceptedRun = { readonly idleSeq: number; readonly task: string; readonly taskSeq: number }

export class Cpu {
  readonly index: number
  readonly #cache: CpuCache
  readonly #works: TaskWorks
  state: CpuState = { kind: "offline" }
  /** Counts idle periods, so that a late decision cannot answer a later one. */
  idleSeq = 0
  /** The accepted RUNs (task and state) that answer the last idle period, or preempt what runs since: a repeat of one is no news. */
  #answered: { readonly idleSeq: number; readonly runs: Set<string> } = { idleSeq: 0, runs: new Set() }
  /** Since what runs was put on: its parts that are over. */
  #sum = { ranTicks: 0, warmTicks: 0 }
  #cuts = { tick: -1, count: 0 }
  readonly #segments: Segment[] = []
  /** Segments forgotten from the front. */
  #forgotten = 0
  busyTicks = 0
  warmTicks = 0
  /** Rows of the power table that hold: the speed at which it runs, the depth in which it idles. */
  speedIndex = 0
  idleDepth = 0
  /** Pre-fetched: what it takes when what runs leaves, if that still holds. */
  next: { readonly task: string; readonly taskSeq: number; readonly ticks: number; readonly generation: number } | null = null
  /** Cycles that it was idle while the task waited that it ran then; and since when it is idle, null: it is not. */
  lostCycles = 0
  idleAt: number | null = null
  /** When it asked for work last. */
  askedTick = 0
  /** What it was said to draw last. */
  watts = 0
  /** Address space of what ran here last. */
  lastSpace: string | undefined = undefined

  /** `cache`: shared by the CPUs of a core. */
  constructor(index: number, cache: CpuCache, works: TaskWorks) {
    this.index = index
    this.#cache = cache
    this.#works = works
  }

  isWarmFor(task: CacheUser): boolean {
    return this.#cache.isHot(cacheKeyOf(task))
  }

  /** Runs that were cut short in this tick. */
  cutsAt(tick: number): number {
    return this.#cuts.tick === tick ? this.#cuts.count : 0
  }

  noteCut(tick: number): void {
    this.#cuts = { tick, count: this.cutsAt(tick) + 1 }
  }

  hasAnswered({ idleSeq, task, taskSeq }: AcceptedRun): boolean {
    return this.#answered.idleSeq === idleSeq && this.#answered.runs.has(`${task}/${taskSeq}`)
  }

  noteAnswer({ idleSeq, task, taskSeq }: AcceptedRun): void {
    if (this.#answered.idleSeq !== idleSeq) this.#answered = { idleSeq, runs: new Set() }
    this.#answered.runs.add(`${task}/${taskSeq}`)
  }

  /** No working set is in its cache. */
  get isCold(): boolean {
    return this.#cache.isEmpty
  }

  becomeIdle(tick: number): void {
    this.state = { kind: "idle", sinceTick: tick }
    this.idleDepth = 0
    this.idleSeq++
    this.next = null
  }

  /** It runs nothing and asks for nothing; what was decided for it before comes to nothing. */
  goOffline(): void {
    this.state = { kind: "offline" }
    this.next = null
    this.idleAt = null
    this.idleDepth = 0
    this.idleSeq++
  }

  /** Puts the task on and says at which tick it will have to leave: when done, or at `untilTick`. */
  enter(task: Task, slice: { readonly fromTick: number; readonly untilTick: number }, at: Conditions): { readonly endTick: number } {
    assert(this.state.kind === "idle" || this.state.kind === "fetching", "a task enters a CPU that runs nothing")
    this.#sum = { ranTicks: 0, warmTicks: 0 }
    this.lastSpace = task.spec.space
    this.#cache.enter(cacheKeyOf(task.spec), task.spec.workingSet)
    return this.goOn(task, slice, at)
  }

  /** The task that was stopped, or that runs and was settled, goes on with its slice. */
  goOn(
    task: Task,
    { fromTick, untilTick }: { readonly fromTick: number; readonly untilTick: number },
    at: Conditions,
  ): { readonly endTick: number } {
    assert(untilTick > fromTick, "a slice has at least one tick")
    const { speed, spins } = at
    const endTick = spins
      ? Math.min(untilTick, task.spin?.to === undefined ? untilTick : fromTick + LOOK_TICKS)
      : fromTick + this.#plan(task, { fromTick, budgetTicks: this.#partTicks(task, untilTick - fromTick, at) }, speed)
    this.state = { kind: "running", task, fromTick, untilTick, endTick, speed, spins }
    return { endTick }
  }

  #plan(task: Task, slice: { readonly fromTick: number; readonly budgetTicks: number }, speed: number): number {
    return this.#works.of(task).plan({ cache: this.#cache, ...slice, speed })
  }

  /** On a core of several threads a part ends where a set gets into the cache: it may push out that of another. */
  #partTicks(task: Task, budgetTicks: number, { warmers }: Conditions): number {
    const toWarm = warmers === 0 ? 0 : this.#cache.ticksToWarm(cacheKeyOf(task.spec))
    return toWarm === 0 ? budgetTicks : Math.min(budgetTicks, Math.ceil(toWarm / warmers))
  }

  /** Takes the task off at `tick`, having run it until then (or until it was done or paused). A new idle period begins. */
  leave(tick: number): Left {
    const left = this.stop(tick)
    this.becomeIdle(tick)
    return left
  }

  /** As `leave`, but something else comes on at once: the idle period stays the one that was answered last. */
  stop(tick: number): Left {
    assert(this.state.kind === "running", "a task leaves a CPU that runs it")
    const { task, untilTick } = this.state
    const { outcome, endTick } = this.settle(tick)
    this.state = { kind: "idle", sinceTick: tick }
    return { task, outcome, endTick, untilTick, ...this.#sum }
  }

  /** Counts what has run up to `tick`. It is to go on, or to leave, in this instant. */
  settle(tick: number): { readonly outcome: SliceOutcome; readonly endTick: number } {
    assert(this.state.kind === "running", "what is settled runs")
    const { task, fromTick, speed, spins } = this.state
    const budgetTicks = Math.max(0, tick - fromTick) // below 0: it was still waking from a deep sleep
    const outcome = spins
      ? { left: task.left, ticks: budgetTicks, warmTicks: 0, finished: false }
      : this.#works.of(task).run({ cache: this.#cache, fromTick, budgetTicks, speed })
    const endTick = fromTick + outcome.ticks
    task.left = outcome.left
    task.runtime += outcome.ticks
    this.busyTicks += outcome.ticks
    this.warmTicks += outcome.warmTicks
    // Within a run a cache only gets warm, never cold: the warm ticks are its last ones.
    this.#record([fromTick, endTick, task.spec.task, endTick - outcome.warmTicks])
    this.#sum = { ranTicks: this.#sum.ranTicks + outcome.ticks, warmTicks: this.#sum.warmTicks + outcome.warmTicks }
    return { outcome, endTick }
  }

  /** Run lengths from number `from` on, at most `most`; and how many there have been. */
  segments(from: number, most: number): { readonly segments: Segment[]; readonly total: number } {
    const start = Math.max(0, from - this.#forgotten)
    return { segments: this.#segments.slice(start, start + most), total: this.#forgotten + this.#segments.length }
  }

  /** The last `most` run lengths. */
  recent(most: number): Segment[] {
    return this.#segments.slice(-most).map((segment): Segment => [...segment])
  }

  /** Joins a run length that goes on where the last one of the same task ended. */
  #record(segment: Segment): void {
    const [from, to, task, warmFrom] = segment
    if (to === from) return
    const last = this.#segments.at(-1)
    if (last !== undefined && last[1] === from && last[2] === task) {
      if (last[3] === last[1]) last[3] = warmFrom
      last[1] = to
    } else this.#segments.push(segment)
    if (this.#segments.length > SEGMENTS_MAX) {
      this.#segments.shift()
      this.#forgotten++
    }
  }
}

/**
 * One CPU: its cache, what it runs, and the record of what it ran.
 *
 * Invariants: segments do not overlap and grow in time; busy and warm count only settled ticks; `idleSeq` grows with each idle period.
 */
import { CpuCache } from "@backplane/compute-synthetic/cpu-cache"
import { assert } from "@backplane/foundation-base/assert"
import type { SliceOutcome } from "@backplane/compute-contract/task-engine"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
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
  | { readonly kind: "running"; readonly task: Task; readonly fromTick: number; readonly untilTick: number }

/** What came of a run. */
export interface Left {
  readonly task: Task
  readonly outcome: SliceOutcome
  /** Tick after its last. */
  readonly endTick: number
  /** End of the slice that it was given. */
  readonly untilTick: number
}

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
  readonly #segments: Segment[] = []
  /** Segments forgotten from the front. */
  #forgotten = 0
  busyTicks = 0
  warmTicks = 0

  constructor(index: number, cache: MachineSpec["cache"], works: TaskWorks) {
    this.index = index
    this.#cache = new CpuCache(cache)
    this.#works = works
  }

  isWarmFor(task: string): boolean {
    return this.#cache.isHot(task)
  }

  hasAnswered({ idleSeq, task, taskSeq }: AcceptedRun): boolean {
    return this.#answered.idleSeq === idleSeq && this.#answered.runs.has(`${task}/${taskSeq}`)
  }

  noteAnswer({ idleSeq, task, taskSeq }: AcceptedRun): void {
    if (this.#answered.idleSeq !== idleSeq) this.#answered = { idleSeq, runs: new Set() }
    this.#answered.runs.add(`${task}/${taskSeq}`)
  }

  becomeIdle(tick: number): void {
    this.state = { kind: "idle", sinceTick: tick }
    this.idleSeq++
  }

  /** Puts the task on and says at which tick it will have to leave: when done, or at `untilTick`. */
  enter(task: Task, fromTick: number, untilTick: number): { readonly endTick: number } {
    assert(this.state.kind === "idle" || this.state.kind === "fetching", "a task enters a CPU that runs nothing")
    assert(untilTick > fromTick, "a slice has at least one tick")
    this.#cache.enter(task.spec.task, task.spec.workingSet)
    this.state = { kind: "running", task, fromTick, untilTick }
    return { endTick: fromTick + this.#works.of(task).plan({ cache: this.#cache, fromTick, budgetTicks: untilTick - fromTick }) }
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
    const { task, fromTick, untilTick } = this.state
    const outcome = this.#works.of(task).run({ cache: this.#cache, fromTick, budgetTicks: tick - fromTick })
    const endTick = fromTick + outcome.ticks
    task.left = outcome.left
    task.runtime += outcome.ticks
    this.busyTicks += outcome.ticks
    this.warmTicks += outcome.warmTicks
    // Within a run a cache only gets warm, never cold: the warm ticks are its last ones.
    this.#record([fromTick, endTick, task.spec.task, endTick - outcome.warmTicks])
    this.state = { kind: "idle", sinceTick: tick }
    return { task, outcome, endTick, untilTick }
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

/** Bad choices on purpose, by the seed, to test the machine that must survive them. See README.md beside this file. */
import { Random } from "@backplane/foundation-base/random"
import type { TaskView } from "@backplane/schedule-contract/task-view"
import { ClassicQueue } from "../classic/classic-queue.ts"
import { firstThatMayRun } from "../policy.ts"
import type { ChargeReason, EnqueueReason, QueuePolicy, QueuePolicyKind } from "../queue-policy.ts"
import type { QueueSettings } from "../queue-settings.ts"

export const FOLLIES = ["idle", "again", "forbidden", "ghost", "stale", "forget", "slice"] as const
export type Folly = (typeof FOLLIES)[number]
/** One choice in so many is bad. */
const FOLLY_EVERY = 8
/** Tasks that ran, remembered to be picked again. */
const REMEMBERED_MAX = 16

class ChaosQueue implements QueuePolicy {
  readonly #random: Random
  readonly #sliceTicks: number
  readonly #queue: ClassicQueue
  readonly #follies: readonly Folly[]
  #remembered: TaskView[] = []

  constructor(settings: QueueSettings, follies: readonly Folly[]) {
    this.#random = new Random(`${settings.seed}/${settings.queue}/chaos`)
    this.#sliceTicks = settings.sliceTicks
    this.#follies = follies
    this.#queue = new ClassicQueue({ name: "chaos", steal: "none", pick: firstThatMayRun, give: firstThatMayRun }, settings)
  }

  get length(): number {
    return this.#queue.length
  }

  waiting(): readonly TaskView[] {
    return this.#queue.waiting()
  }

  find(task: string): TaskView | undefined {
    return this.#queue.find(task)
  }

  enqueue(task: TaskView, now: number, why: EnqueueReason): void {
    if (why === "new" || !this.#errs("forget")) this.#queue.enqueue(task, now, why)
  }

  remove(task: string): TaskView | undefined {
    return this.#queue.remove(task)
  }

  offer(): void {}

  pick(cpu: number): TaskView | undefined {
    if (this.#errs("idle")) return undefined
    if (this.#errs("again") && this.#remembered.length > 0) return this.#random.pick(this.#remembered)
    const waiting = this.#queue.waiting()
    if (this.#errs("ghost") && waiting[0] !== undefined) return { ...waiting[0], task: "ghost" }
    if (this.#errs("stale") && waiting[0] !== undefined) return { ...waiting[0], taskSeq: Math.max(1, waiting[0].taskSeq - 1) }
    const chosen = this.#errs("forbidden") && waiting[0] !== undefined ? this.#queue.remove(waiting[0].task) : this.#queue.pick(cpu)
    if (chosen !== undefined) this.#remembered = [chosen, ...this.#remembered].slice(0, REMEMBERED_MAX)
    return chosen
  }

  give(thiefCpu: number): TaskView | undefined {
    return this.#errs("forbidden") ? this.#queue.waiting()[0] : this.#queue.give(thiefCpu)
  }

  charge(_task: string, _ranTicks: number, _why: ChargeReason): void {}

  sliceTicks(): number {
    return this.#errs("slice") ? this.#random.pick([0, -1, 0.5, 1e9]) : this.#sliceTicks
  }

  #errs(folly: Folly): boolean {
    return this.#follies.includes(folly) && this.#random.below(FOLLY_EVERY) === 0
  }
}

/** With one folly only, or with some. */
export function chaosWith(follies: readonly Folly[]): QueuePolicyKind {
  return {
    name: "chaos",
    summary: "bad choices on purpose: for testing the machine, not for use",
    layout: "all",
    slices: "own",
    steal: "none",
    leavesIdle: "on purpose",
    create: (settings) => new ChaosQueue(settings, follies),
  }
}

export const chaos: QueuePolicyKind = chaosWith(FOLLIES)

/**
 * The frames of the tasks that started here: asked for before a task may run, given back when it is over.
 *
 * Invariant: no task leaves the state `leasing` without a grant. Requests and releases are repeated until answered.
 */
import { event, noteSpan, send } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { TaskToken } from "@backplane/compute-contract/task-messages"
import type { FrameLeaseGrant, FrameLeaseRefusal, FrameReleased, Lease, MemoryUp } from "@backplane/memory-contract/memory-messages"
import { MEMORY_CONTROLLER } from "@backplane/scenario-machine/topology"
import type { NodeContext, Out } from "./node-context.ts"
import { framesOf, type Task, type TaskTable } from "./task-table.ts"

export class Leases {
  readonly #context: NodeContext
  readonly #tasks: TaskTable
  /** Tasks whose frames were asked for, and when. */
  readonly #asked = new Map<string, VirtualTime>()
  /** owner/attempt of ended tasks whose release is not confirmed. */
  readonly #releasing = new Map<string, { readonly owner: string; readonly attempt: number; sentAt: VirtualTime }>()

  constructor(context: NodeContext, tasks: TaskTable) {
    this.#context = context
    this.#tasks = tasks
  }

  /** How many requests wait for an answer. */
  get pending(): number {
    return this.#asked.size + this.#releasing.size
  }

  ask(now: VirtualTime, task: Task, out: Out): void {
    this.#asked.set(task.spec.task, now)
    const { node, incarnation } = this.#context
    const { task: owner, attempt } = task.spec
    const frames = framesOf(task.spec)
    out.push(send(MEMORY_CONTROLLER, { kind: "FrameLeaseAsk", node, incarnation, owner, attempt, frames }))
  }

  /** The task that may run now, or undefined where the grant is old news. */
  onGrant(now: VirtualTime, grant: FrameLeaseGrant, out: Out): Task | undefined {
    const { owner, attempt } = grant.lease
    const task = this.#waitingFor(owner, attempt)
    if (task === undefined) {
      // The question was answered twice, and the second time after the end: what was granted then is given back.
      if (this.#tasks.isOver({ task: owner, attempt })) this.#giveBack(now, { owner, attempt }, out)
      return undefined
    }
    task.home = grant.lease.home
    out.push(
      event("lease-granted", {
        "backplane.task": grant.lease.owner,
        "backplane.frames": grant.lease.frames,
        "backplane.node": grant.lease.home,
      }),
    )
    return task
  }

  /** The task that cannot start, or undefined where the refusal is old news. */
  onRefusal(refusal: FrameLeaseRefusal, out: Out): Task | undefined {
    const task = this.#waitingFor(refusal.owner, refusal.attempt)
    if (task === undefined) return undefined
    out.push(event("lease-refused", { "backplane.task": refusal.owner, "backplane.reason": refusal.reason }, "warn"))
    this.#tasks.remove(task)
    return task
  }

  #waitingFor(owner: string, attempt: number): Task | undefined {
    const task = this.#tasks.get(owner)
    if (task?.spec.attempt !== attempt || task.state !== "leasing") return undefined
    this.#asked.delete(owner)
    return task
  }

  release(now: VirtualTime, task: Task, out: Out): void {
    const { task: owner, attempt } = task.spec
    this.#asked.delete(owner)
    this.#giveBack(now, { owner, attempt }, out)
  }

  #giveBack(now: VirtualTime, { owner, attempt }: { readonly owner: string; readonly attempt: number }, out: Out): void {
    this.#releasing.set(`${owner}/${attempt}`, { owner, attempt, sentAt: now })
    out.push(send(MEMORY_CONTROLLER, { kind: "FrameRelease", owner, attempt }))
  }

  onReleased({ owner, attempt }: FrameReleased): void {
    this.#releasing.delete(`${owner}/${attempt}`)
  }

  /** The memory controller has forgotten all: it is told what is leased for the tasks that lie here, and for those on their way from here. */
  onMemoryUp(up: MemoryUp, leaving: readonly TaskToken[], out: Out): void {
    const { node, incarnation } = this.#context
    const lying = this.#tasks.all().filter((task) => task.state !== "leasing")
    const leases = [...lying, ...leaving].map(({ spec, home }): Lease => ({
      owner: spec.task,
      attempt: spec.attempt,
      frames: framesOf(spec),
      home,
    }))
    out.push(noteSpan("mem.lease", { "backplane.reason": "controller restarted", "backplane.node": node }))
    out.push(send(MEMORY_CONTROLLER, { kind: "LeaseReport", node, incarnation, memoryIncarnation: up.incarnation, leases }))
  }

  repeat(now: VirtualTime, out: Out): void {
    for (const [name, askedAt] of this.#asked) {
      const task = this.#tasks.get(name)
      if (task !== undefined && this.#context.isOverdue(now, askedAt)) this.ask(now, task, out)
    }
    for (const release of this.#releasing.values()) {
      if (!this.#context.isOverdue(now, release.sentAt)) continue
      release.sentAt = now
      out.push(send(MEMORY_CONTROLLER, { kind: "FrameRelease", owner: release.owner, attempt: release.attempt }))
    }
  }
}

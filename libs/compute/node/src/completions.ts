/** Ends of tasks that the hypervisor has not yet confirmed: stated again until it has. */
import { event, openSpan, closeSpan, send } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { TaskFinished, TaskFinishedSeen } from "@backplane/compute-contract/task-messages"
import { isOverdue, type Said } from "@backplane/foundation-actor/repeats"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import { RETRY_TICKS, RETRY_TICKS_MAX, type NodeContext, type Out } from "./node-context.ts"
import type { Task } from "./task-table.ts"

export class Completions {
  readonly #context: NodeContext
  readonly #unseen = new Map<string, Said & { readonly message: TaskFinished }>()

  constructor(context: NodeContext) {
    this.#context = context
  }

  /** How many ends are not confirmed. */
  get unseen(): number {
    return this.#unseen.size
  }

  finished(now: VirtualTime, task: Task, tick: number, out: Out): void {
    const { task: name, attempt } = task.spec
    const guest = this.#context.works.end(task)
    const { node } = this.#context
    const message: TaskFinished = { kind: "TaskFinished", task: name, attempt, node, tick, runtime: task.runtime, ...(guest && { guest }) }
    this.#unseen.set(`${name}/${attempt}`, { message, firstAt: now, lastAt: now })
    const key = `finish/${name}`
    out.push(openSpan(key, "task.finish", { "backplane.task": name, "backplane.node": this.#context.node }, { root: true }))
    out.push(send(HYPERVISOR, message, key), closeSpan(key))
    out.push(event("task-finished", { "backplane.task": name, "backplane.node": this.#context.node }))
  }

  onSeen({ task, attempt }: TaskFinishedSeen): void {
    this.#unseen.delete(`${task}/${attempt}`)
  }

  repeat(now: VirtualTime, out: Out): void {
    const { tickCycles } = this.#context.spec.clock
    const patience = { least: RETRY_TICKS * tickCycles, most: RETRY_TICKS_MAX * tickCycles }
    for (const item of this.#unseen.values()) {
      if (!isOverdue(item, now, patience)) continue
      item.lastAt = now
      out.push(send(HYPERVISOR, item.message))
    }
  }
}

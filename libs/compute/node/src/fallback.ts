/**
 * The built-in round robin: what schedules this node's CPUs while no scheduler is trusted with them (the last rung of the ladder of
 * fallback). It needs nobody: who has waited longest among the tasks that lie here runs next, for a slice.
 *
 * CPUs with nothing to do ask the other nodes, and a task that no CPU of its node may run is offered where it may: both are taken by the
 * ordinary fetch of moves.ts, so a lost or late word costs a slice and nothing else.
 */
import { event, send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { FallbackAsk, FallbackOffer } from "@backplane/compute-contract/task-messages"
import { nodeActor, nodeOfCpu } from "@backplane/scenario-machine/topology"
import type { Cpu } from "./cpu.ts"
import type { Dispatcher } from "./dispatcher.ts"
import type { Moves } from "./moves.ts"
import type { NodeContext, Out } from "./node-context.ts"
import { mayRunOn, type Task, type TaskTable } from "./task-table.ts"

/** Offers of other nodes that are kept; the others will be said again. */
const OFFERS_MAX = 1024

export const FALLBACK_TIMER = "fallback"

export class Fallback {
  readonly #context: NodeContext
  readonly #tasks: TaskTable
  readonly #dispatcher: Dispatcher
  readonly #moves: Moves
  /** Tasks of other nodes that only our CPUs may run, by name. */
  readonly #offers = new Map<string, FallbackOffer>()

  constructor(parts: { readonly context: NodeContext; readonly tasks: TaskTable; readonly dispatcher: Dispatcher; readonly moves: Moves }) {
    this.#context = parts.context
    this.#tasks = parts.tasks
    this.#dispatcher = parts.dispatcher
    this.#moves = parts.moves
  }

  /** It takes over. */
  begin(now: VirtualTime, out: Out): void {
    this.#offers.clear()
    out.push(event("fallback-begun", { "backplane.node": this.#context.node, "backplane.epoch": this.#context.epoch }, "warn"))
    this.#arm(now, out)
  }

  #arm(now: VirtualTime, out: Out): void {
    out.push(timer(FALLBACK_TIMER, this.#context.laterTicks(now, this.#context.spec.schedule.sliceTicks)))
  }

  /** Gives work to every idle CPU: said at the end of each step. */
  serve(now: VirtualTime, out: Out): void {
    if (!this.#context.isFallback) return
    for (const cpu of this.#dispatcher.cpus) if (cpu.state.kind === "idle") this.#serveOne(now, cpu, out)
  }

  #serveOne(now: VirtualTime, cpu: Cpu, out: Out): void {
    const { sliceTicks } = this.#context.spec.schedule
    const untilTick = (Math.floor(this.#context.ticks.tickAt(now) / sliceTicks) + 1) * sliceTicks
    const task = this.#oldest(cpu.index)
    const offer = [...this.#offers.values()].filter((one) => one.cpu === cpu.index).sort((a, b) => a.sinceTick - b.sinceTick)[0]
    if (offer !== undefined && (task === undefined || offer.sinceTick < task.sinceTick)) {
      this.#offers.delete(offer.task)
      const { task: name, taskSeq, node: from } = offer
      return this.#moves.fetch(now, { cpu, task: name, taskSeq, from, untilTick }, out)
    }
    if (task !== undefined) this.#dispatcher.dispatch(now, { cpu, task, untilTick }, out)
  }

  #oldest(cpu: number): Task | undefined {
    return this.#waiting().find(({ spec }) => mayRunOn(spec.affinity, cpu))
  }

  /** Longest first. */
  #waiting(): readonly Task[] {
    const waiting = this.#tasks.all().filter(({ state }) => state === "waiting")
    return [...waiting].sort((a, b) => a.sinceTick - b.sinceTick || a.spec.ordinal - b.spec.ordinal)
  }

  /** Once a slice: what could not be run here is offered, and who has nothing to run asks. */
  onTimer(now: VirtualTime, out: Out): void {
    if (!this.#context.isFallback) return
    this.#arm(now, out)
    const { epoch, node, spec } = this.#context
    for (const task of this.#waiting()) {
      const { affinity } = task.spec
      const cpu = affinity.find((one) => this.#context.isOnline(one))
      if (cpu === undefined || this.#context.cpus.some((own) => mayRunOn(affinity, own) && this.#context.isOnline(own))) continue
      out.push(send(nodeActor(nodeOfCpu(spec.topology, cpu)), this.#offerOf(task, cpu)))
    }
    for (const cpu of this.#dispatcher.cpus) {
      if (cpu.state.kind !== "idle") continue
      for (let other = 0; other < spec.topology.nodes; other++)
        if (other !== node) out.push(send(nodeActor(other), { kind: "FallbackAsk", epoch, node, cpu: cpu.index }))
    }
  }

  /** Another node's CPU has nothing to run: it may have what would have to wait here. */
  onAsk(from: ActorId, { epoch, cpu }: FallbackAsk, out: Out): void {
    if (!this.#context.isFallback || epoch !== this.#context.epoch) return
    const task = this.#oldest(cpu)
    if (task !== undefined) out.push(send(from, this.#offerOf(task, cpu)))
  }

  #offerOf(task: Task, cpu: number): FallbackOffer {
    const { epoch, node } = this.#context
    return { kind: "FallbackOffer", epoch, node, task: task.spec.task, taskSeq: task.taskSeq, sinceTick: task.sinceTick, cpu }
  }

  onOffer(offer: FallbackOffer): void {
    if (!this.#context.isFallback || offer.epoch !== this.#context.epoch || this.#dispatcher.cpu(offer.cpu) === undefined) return
    this.#offers.set(offer.task, offer)
    if (this.#offers.size > OFFERS_MAX) this.#offers.delete(this.#offers.keys().next().value as string)
  }
}

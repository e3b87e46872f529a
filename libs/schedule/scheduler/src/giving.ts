/**
 * The victim's side of stealing: which waiting task a thief gets, one answer a question, and handing the claim over.
 *
 * What is given is handed over by the node that holds the task, which answers the thief: the last of the chain answers the first.
 */
import { noteSpan, send } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { schedulerActor } from "@backplane/scenario-machine/topology"
import type { Verdict } from "@backplane/schedule-contract/scheduler-messages"
import type { OfferAsk, StealAsk } from "@backplane/schedule-contract/steal-messages"
import { WEIGHT_DEFAULT, type TaskView } from "@backplane/schedule-contract/task-view"
import { mayRun } from "@backplane/schedule-policies/policy"
import { Handovers, type Handover, type PlacedHandover } from "./handovers.ts"
import type { NodeLinks } from "./node-links.ts"
import type { RunQueue } from "./run-queue.ts"
import type { Out, SchedulerContext } from "./scheduler-context.ts"

/** Answers to thieves that are kept for repeated questions. */
const ANSWERED_MAX = 256

export class Giving {
  readonly #context: SchedulerContext
  readonly #queue: RunQueue
  readonly #links: NodeLinks
  readonly #handovers: Handovers
  /** stealId → what was given, or null where there was nothing. I5: one answer a question. */
  readonly #answered = new Map<string, PlacedHandover | null>()
  readonly #running: () => readonly TaskView[]
  /** Thieves for whom there was nothing: idle since, and last heard of. */
  readonly #askers = new Map<string, { readonly cpu: number; readonly since: VirtualTime; readonly heardAt: VirtualTime }>()
  /** Tasks handed to idle CPUs unasked. */
  #handedOn = 0

  constructor(parts: {
    readonly context: SchedulerContext
    readonly queue: RunQueue
    readonly links: NodeLinks
    /** What the CPUs of this queue run. */
    readonly running: () => readonly TaskView[]
  }) {
    this.#context = parts.context
    this.#queue = parts.queue
    this.#links = parts.links
    this.#running = parts.running
    this.#handovers = new Handovers(parts.context)
  }

  onStealAsk(now: VirtualTime, ask: StealAsk, out: Out): void {
    if (!this.#answered.has(ask.stealId)) this.#answered.set(ask.stealId, this.#give(now, ask))
    if (this.#answered.size > ANSWERED_MAX) this.#answered.delete(this.#answered.keys().next().value as string)
    const answer = this.#answered.get(ask.stealId)
    if (answer === null || answer === undefined) return this.#sayNone(ask.thief, ask.stealId, out)
    this.#handovers.begin(now, answer, out)
    out.push(noteSpan("sched.steal", { "backplane.task": answer.decision.task, "backplane.to": ask.thief }))
    this.#say(answer, out)
  }

  #give(now: VirtualTime, ask: StealAsk): PlacedHandover | null {
    const task = this.#taskFor(now, ask)
    if (task === undefined) return null
    this.#queue.forget(task.task)
    return { node: task.node, decision: { type: "REQUEUE", task: task.task, taskSeq: task.taskSeq, to: ask.thief, stealId: ask.stealId } }
  }

  #taskFor(now: VirtualTime, { cpu, task: offered }: StealAsk): TaskView | undefined {
    // The membership quirk of the OSTEP model: see schedule/conformance.
    if (this.#context.usesToken)
      return this.#queue.waiting.find((task) => task.affinity.length === 0 || task.requestedRun === cpu || task.workingSet === cpu)
    return offered === null ? this.#queue.give(cpu, this.#context.ticks.tickAt(now)) : this.#queue.find(offered)
  }

  /** Nobody asked: a task that woke goes where a CPU is idle. */
  handOn(now: VirtualTime, { task, to }: { readonly task: TaskView; readonly to: string }, out: Out): void {
    const { queue, generation, epoch } = this.#context
    this.#queue.forget(task.task)
    const stealId = `${queue}/${generation}/${epoch}/wake/${++this.#handedOn}`
    const handover: PlacedHandover = {
      node: task.node,
      decision: { type: "REQUEUE", task: task.task, taskSeq: task.taskSeq, to, stealId },
    }
    this.#handovers.begin(now, handover, out)
    this.#links.decide(task.node, handover.decision)
  }

  onOfferAsk(now: VirtualTime, ask: OfferAsk, out: Out): void {
    const { epoch, queue, ticks } = this.#context
    const offer = this.#queue.give(ask.cpu, ticks.tickAt(now)) ?? null
    const waiting = this.#queue.length
    const load = [...this.#queue.waiting, ...this.#running()].reduce((sum, { weight = WEIGHT_DEFAULT }) => sum + weight, 0)
    this.#noteAsker(now, ask, offer !== null)
    out.push(send(schedulerActor(ask.thief), { kind: "OfferAnswer", epoch, round: ask.round, queue, waiting, load, offer }))
  }

  #noteAsker(now: VirtualTime, { thief, cpu }: OfferAsk, isServed: boolean): void {
    const since = this.#askers.get(thief)?.since ?? now
    if (isServed) this.#askers.delete(thief)
    else this.#askers.set(thief, { cpu, since, heardAt: now })
  }

  /** Of the CPUs that have asked for work lately in vain and may run the task, the one that has been idle longest. It is not named again. */
  takeAsker(now: VirtualTime, task: TaskView): number | undefined {
    const lately = this.#context.peekInterval + 1
    const fresh = [...this.#askers].filter(([, { cpu, heardAt }]) => this.#context.laterTicks(heardAt, lately) >= now && mayRun(task, cpu))
    const since = Math.min(...fresh.map(([, asker]) => asker.since))
    const longest = fresh.filter(([, asker]) => asker.since === since).sort(([, a], [, b]) => a.cpu - b.cpu)
    // Of equals not all take the same: other schedulers have the same list.
    const [queue, asker] = longest[(this.#context.cpus[0] ?? 0) % Math.max(1, longest.length)] ?? []
    if (queue !== undefined) this.#askers.delete(queue)
    return asker?.cpu
  }

  /** Done: the thief has been told. Refused: the claim was void, and the thief is told that there is nothing. */
  onJudged({ stealId, to }: Handover, verdict: Verdict, out: Out): void {
    this.#handovers.settled(stealId)
    if (verdict === "OK") return
    if (!this.#answered.has(stealId)) return // nobody asked
    this.#answered.set(stealId, null)
    this.#sayNone(to, stealId, out)
  }

  repeat(now: VirtualTime, out: Out): void {
    for (const handover of this.#handovers.repeat(now, out)) this.#say(handover, out)
  }

  /** A node has a new life: its snapshot tells how things stand. */
  forgetNode(node: number): void {
    this.#handovers.forget(node)
  }

  /** Another policy has begun. */
  forgetAll(): void {
    this.#answered.clear()
    this.#askers.clear()
    this.#handovers.forget()
  }

  /** Tasks whose claims are on their way to a thief. */
  tasks(): readonly string[] {
    return this.#handovers.tasks()
  }

  #say({ node, decision }: PlacedHandover, out: Out): void {
    this.#links.decide(node, decision)
    this.#links.flushNode(node, out)
  }

  #sayNone(thief: string, stealId: string, out: Out): void {
    out.push(send(schedulerActor(thief), { kind: "StealNone", epoch: this.#context.epoch, stealId }))
  }
}

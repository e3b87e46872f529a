/**
 * A machine for one scheduler: real nodes, on a clock of their own, with the hypervisor and the memory controller played by hand. All that
 * passes between nodes and schedulers is kept: what the laws are judged by.
 *
 * Nothing is lost and nothing is late unless the kit does it on purpose, so that a scheduler that keeps the contract is refused nothing.
 */
import { actorIndex, actorKind, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Body, Effect } from "@backplane/foundation-actor/machine"
import { after, virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { defined } from "@backplane/foundation-base/assert"
import { PriorityQueue } from "@backplane/foundation-base/priority-queue"
import { NodeMachine } from "@backplane/compute-node/node"
import type { NodeHears, NodeSays } from "@backplane/compute-node/node-context"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { SchedulerCommit } from "@backplane/schedule-contract/scheduler-messages"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import {
  HYPERVISOR,
  MEMORY_CONTROLLER,
  nodeActor,
  nodeOfCpu,
  queueOfCpu,
  queuesOf,
  queuesOfSeat,
  schedulerActor,
  type Seat,
} from "@backplane/scenario-machine/topology"
import type { Said, Subject } from "./subject.ts"

export interface Passed {
  readonly at: VirtualTime
  readonly from: ActorId
  readonly to: ActorId
  readonly body: Body
}

/** Something that happens on purpose. */
export interface Prank {
  readonly tick: number
  readonly what:
    | { readonly kind: "swap"; readonly epoch: number; readonly seats?: readonly Seat[] }
    | { readonly kind: "repeat-events" }
    | { readonly kind: "refuse-run" }
    /** The next choice for what is left of a slice comes when that is over. */
    | { readonly kind: "late-run" }
    /** CPUs go and come: in the middle of a tick, when nothing is on its way. */
    | { readonly kind: "offline"; readonly cpus: readonly number[] }
    | { readonly kind: "tune"; readonly task: string; readonly affinity: readonly number[]; readonly weight?: number }
}

interface Due {
  readonly at: VirtualTime
  readonly order: number
  readonly run: () => void | Promise<void>
}

/** Steps after which a run is given up: a scheduler that never stops talking. */
const STEPS_MAX = 20_000

export class FakeMachine {
  readonly #spec: MachineSpec
  readonly #subjects: ReadonlyMap<ActorId, Subject>
  readonly #nodes: NodeMachine[]
  readonly #ticks: TickClock
  /** In order of time; of equals, of their coming. */
  readonly #queue = new PriorityQueue<Due>((a, b) => a.at - b.at || a.order - b.order)
  #orders = 0
  #now = virtualTime(0)
  /** Per node and key: a timer set again replaces the one before. */
  readonly #timers = new Map<string, number>()
  readonly passed: Passed[] = []
  /** Name and tick of the tasks that ended. */
  readonly finished = new Map<string, number>()
  readonly events: { readonly at: VirtualTime; readonly name: string; readonly fields: Readonly<Record<string, unknown>> }[] = []
  /** Refusals of the kit's own, of decisions that were good. */
  readonly madeUp = new Set<Body>()
  /** `from to generation commit` of those that came late through the kit: what they say holds no longer. */
  readonly late = new Set<string>()
  #refusing = 0
  #delaying = 0
  /** By `from to`: until when what is said comes no sooner, since a bus keeps order. */
  readonly #heldUntil = new Map<string, VirtualTime>()
  #topology = 0
  #tuned = 0

  constructor(spec: MachineSpec, subjects: ReadonlyMap<ActorId, Subject>) {
    this.#spec = spec
    this.#subjects = subjects
    this.#ticks = new TickClock(spec.clock)
    this.#nodes = Array.from({ length: spec.topology.nodes }, (_, node) => new NodeMachine({ spec, node, incarnation: 1 }))
  }

  get tick(): number {
    return this.#ticks.tickAt(this.#now)
  }

  /** Runs until all tasks have ended or `maxTicks` have passed. False where the scheduler never stops talking. */
  async run(pranks: readonly Prank[], maxTicks: number): Promise<boolean> {
    for (const [node, machine] of this.#nodes.entries()) this.#carryOut(node, machine.start(this.#now))
    for (const [id, subject] of this.#subjects) this.#say(id, await subject.start(this.#now))
    this.#submitAll()
    for (const prank of pranks) this.#at(this.#timeOf(prank), () => this.#play(prank))
    const end = this.#ticks.start(maxTicks)
    for (let step = 0; step < STEPS_MAX; step++) {
      if (this.finished.size === this.#spec.jobs.length) return true
      const next = this.#queue.peek()
      const [id, due] = this.#nextSubject()
      const at = Math.min(next?.at ?? Infinity, due ?? Infinity)
      if (at === Infinity || at > end) return true
      this.#now = virtualTime(Math.max(this.#now, at))
      if (next !== undefined && next.at <= (due ?? Infinity)) {
        this.#queue.pop()
        await next.run()
      } else if (id !== null) this.#say(id, await defined(this.#subjects.get(id), "the scheduler is ours").due(this.#now))
    }
    return false
  }

  #timeOf({ tick, what }: Prank): VirtualTime {
    const isChange = what.kind === "offline" || what.kind === "tune" || (what.kind === "swap" && what.seats !== undefined)
    return virtualTime(this.#ticks.start(tick) + (isChange ? this.#spec.clock.tickCycles / 2 : 0))
  }

  #nextSubject(): readonly [ActorId | null, VirtualTime | null] {
    let best: readonly [ActorId | null, VirtualTime | null] = [null, null]
    for (const [id, subject] of this.#subjects) {
      const due = subject.nextDue()
      if (due !== null && (best[1] === null || due < best[1])) best = [id, due]
    }
    return best
  }

  #at(at: VirtualTime, run: Due["run"]): void {
    this.#queue.push({ at: virtualTime(Math.max(at, this.#now)), order: this.#orders++, run })
  }

  /** The hypervisor's part: each job at its tick, dealt over nodes and queues in turn. */
  #submitAll(): void {
    const { jobs, topology, schedule } = this.#spec
    for (const [ordinal, job] of jobs.entries()) {
      const { name: task, run, workingSet, affinity, weight, phases, arrival } = job
      const cpu = affinity[0] ?? ordinal % topology.cpus
      const node = nodeOfCpu(topology, cpu)
      const more = { ...(weight && { weight }), ...(phases && { phases }) }
      const spec = { task, attempt: 1, ordinal, run, workingSet, affinity: [...affinity], ...more }
      const queue = queueOfCpu(schedule.policy, cpu)
      const at = arrival === 0 ? virtualTime(1000) : this.#ticks.start(arrival)
      this.#at(at, () => this.#hear(node, HYPERVISOR, { kind: "TaskSubmit", spec, queue, incarnation: 1 }))
    }
  }

  #hear(node: number, from: ActorId, body: NodeHears): void {
    const machine = defined(this.#nodes[node], "the node exists")
    this.#carryOut(node, machine.step(this.#now, { kind: "message", from, body }))
  }

  #later(): VirtualTime {
    return after(this.#now, this.#spec.clock.latencyCycles)
  }

  #carryOut(node: number, effects: readonly Effect<NodeSays>[]): void {
    for (const effect of effects) {
      if (effect.kind === "timer") this.#setTimer(node, effect.key, effect.at)
      else if (effect.kind === "cancel") this.#timers.delete(`${node}/${effect.key}`)
      else if (effect.kind === "event") this.events.push({ at: this.#now, name: effect.name, fields: effect.fields ?? {} })
      else if (effect.kind === "send") this.#route(node, effect.to, effect.body)
    }
  }

  #setTimer(node: number, key: string, at: VirtualTime): void {
    const order = this.#orders
    this.#timers.set(`${node}/${key}`, order)
    const machine = this.#nodes[node]
    this.#at(at, () => {
      if (this.#timers.get(`${node}/${key}`) !== order || this.#nodes[node] !== machine) return
      this.#timers.delete(`${node}/${key}`)
      this.#carryOut(node, defined(machine, "the node exists").step(this.#now, { kind: "timer", key }))
    })
  }

  #route(node: number, to: ActorId, body: NodeSays): void {
    const from = nodeActor(node)
    if (to === MEMORY_CONTROLLER) return this.#answerMemory(node, body)
    if (to === HYPERVISOR) return this.#answerHypervisor(node, body)
    if (actorKind(to) === "node") {
      const other = Number(actorIndex(to))
      return this.#at(this.#later(), () => this.#hear(other, from, body as NodeHears))
    }
    this.#at(this.#later(), () => this.#tell(to, from, body))
  }

  async #tell(to: ActorId, from: ActorId, body: Body): Promise<void> {
    const subject = this.#subjects.get(to)
    if (subject === undefined) return
    this.passed.push({ at: this.#now, from, to, body })
    this.#say(to, await subject.hear(this.#now, from, body))
    // What it has put off to the end of this instant it does now: a scheduler elsewhere cannot know when an instant is over.
    for (let due = subject.nextDue(); due !== null && due <= this.#now; due = subject.nextDue()) this.#say(to, await subject.due(this.#now))
  }

  #answerMemory(node: number, body: NodeSays): void {
    if (body.kind === "FrameLeaseAsk") {
      const { owner, attempt, frames } = body
      this.#at(this.#later(), () =>
        this.#hear(node, MEMORY_CONTROLLER, { kind: "FrameLeaseGrant", lease: { owner, attempt, frames, home: node } }),
      )
    } else if (body.kind === "FrameRelease") {
      const { owner, attempt } = body
      this.#at(this.#later(), () => this.#hear(node, MEMORY_CONTROLLER, { kind: "FrameReleased", owner, attempt }))
    }
  }

  #answerHypervisor(node: number, body: NodeSays): void {
    if (body.kind !== "TaskFinished") return
    const { task, attempt, tick } = body
    this.finished.set(task, tick)
    this.#at(this.#later(), () => this.#hear(node, HYPERVISOR, { kind: "TaskFinishedSeen", task, attempt }))
  }

  /** What a scheduler said is on its way. */
  #say(from: ActorId, said: readonly Said[]): void {
    for (const { to, body } of said) {
      this.passed.push({ at: this.#now, from, to, body })
      if (body.kind === "garbage") continue
      if (actorKind(to) === "scheduler") this.#at(this.#later(), () => this.#tell(to, from, body))
      else if (actorKind(to) === "node") this.#at(this.#arrival(from, to, body), () => this.#toNode(Number(actorIndex(to)), from, body))
    }
  }

  #arrival(from: ActorId, to: ActorId, body: Body): VirtualTime {
    const way = `${from} ${to}`
    if (this.#delaying > 0 && body.kind === "SchedulerCommit") {
      const { decisions } = body as unknown as SchedulerCommit
      const run = decisions.find((one) => one.type === "RUN" && one.next !== true)
      const left = run?.type === "RUN" ? this.#ticks.tickAt(virtualTime(run.until)) - this.tick : 0
      // Of the last tick: of more the node would ask again meanwhile, of a whole slice the CPU would help itself.
      if (run?.type === "RUN" && left === 1) {
        this.#delaying--
        this.#heldUntil.set(way, virtualTime(run.until))
      }
    }
    const held = this.#heldUntil.get(way) ?? 0
    if (held <= this.#later()) return this.#later()
    const { generation, commit } = body as unknown as SchedulerCommit
    this.late.add(`${way} ${generation} ${commit}`)
    return virtualTime(held)
  }

  #toNode(node: number, from: ActorId, body: Body): void {
    if (this.#nodes[node] === undefined) return
    if (this.#refusing > 0 && body.kind === "SchedulerCommit") {
      const commit = body as unknown as {
        readonly decisions: { type: string }[]
        seen: number
        commit: number
        generation: number
        epoch: number
        queue: string
      }
      if (commit.decisions.some(({ type }) => type === "RUN")) return this.#refuse(node, from, commit)
    }
    this.#hear(node, from, body as NodeHears)
  }

  /** The node did not take the decisions of this commit, as where a slice was over when it came; the claim and the CPU are as they were. */
  #refuse(
    node: number,
    from: ActorId,
    commit: {
      readonly decisions: readonly { readonly type: string }[]
      seen: number
      commit: number
      generation: number
      epoch: number
      queue: string
    },
  ): void {
    this.#refusing--
    const { epoch, queue, generation, commit: number, seen } = commit
    this.#hear(node, from, { kind: "SchedulerCommit", epoch, queue, generation, incarnation: 1, commit: number, seen, decisions: [] })
    const verdicts = commit.decisions.map(() => "BAD_SLICE" as const)
    const body = { kind: "SchedulerVerdicts" as const, epoch, queue, generation, commit: number, node, verdicts, at: this.#now }
    this.madeUp.add(body)
    this.#at(this.#later(), () => this.#tell(from, nodeActor(node), body))
  }

  #play({ what }: Prank): void | Promise<void> {
    switch (what.kind) {
      case "swap":
        for (const node of this.#nodes.keys()) {
          const seats = what.seats?.map((seat) => ({ ...seat, cpus: seat.cpus === null ? null : [...seat.cpus] }))
          this.#hear(node, HYPERVISOR, {
            kind: "PolicySwap",
            epoch: what.epoch,
            policy: this.#spec.schedule.policy,
            ...(seats && { seats }),
          })
        }
        return
      case "offline":
        this.#topology++
        for (const node of this.#nodes.keys())
          this.#hear(node, HYPERVISOR, { kind: "CpuLevels", topology: this.#topology, offline: [...what.cpus] })
        return
      case "tune": {
        const { task, affinity, weight = 100 } = what
        const tune = { kind: "TaskTune" as const, task, attempt: 1, tuned: ++this.#tuned, affinity: [...affinity], weight }
        for (const node of this.#nodes.keys()) this.#hear(node, HYPERVISOR, tune)
        return
      }
      case "refuse-run":
        this.#refusing++
        return
      case "late-run":
        this.#delaying++
        return
      case "repeat-events":
        return this.#repeatEvents()
    }
  }

  /** Every node's last word is said again, as by a bus that doubles. */
  async #repeatEvents(): Promise<void> {
    for (const id of this.#subjects.keys())
      for (const node of this.#nodes.keys()) {
        const last = this.passed.findLast(({ from, to, body }) => from === nodeActor(node) && to === id && body.kind === "SchedulerEvents")
        if (last !== undefined) await this.#tell(id, last.from, last.body)
      }
  }

  /** The schedulers that the machine needs. */
  static schedulersOf(spec: MachineSpec, pranks: readonly Prank[] = []): readonly ActorId[] {
    const seats = pranks.flatMap(({ what }) => (what.kind === "swap" ? (what.seats ?? []) : []))
    const own = queuesOf(spec.schedule.policy, spec.topology.cpus)
    return [...new Set([...own, ...seats.flatMap((seat) => queuesOfSeat(seat, spec.topology.cpus))])].map(schedulerActor)
  }
}

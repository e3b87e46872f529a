/**
 * The memory controller machine: owns the machine frames of all nodes and leases them. See README.md.
 *
 * Its state is soft: a controller that begins a new life asks every node what is leased, and grants nothing until it knows.
 */
import { event, noteSpan, send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type {
  FrameLeaseAsk,
  FrameLeaseGrant,
  FrameLeaseRefusal,
  FrameRelease,
  FrameReleased,
  Lease,
  LeaseReport,
  MemoryUp,
} from "@backplane/memory-contract/memory-messages"
import type { CoherenceMessage, PageMessage, PagesReport } from "@backplane/memory-contract/coherence-messages"
import type { Protocol } from "@backplane/memory-coherence/rules"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { nodeActor } from "@backplane/scenario-machine/topology"
import { Directory, type DirectoryOptions } from "./directory.ts"
import { FrameLedger } from "./frame-ledger.ts"

export type MemoryHears = FrameLeaseAsk | FrameRelease | LeaseReport | PageMessage | PagesReport
export type MemorySays = FrameLeaseGrant | FrameLeaseRefusal | FrameReleased | MemoryUp | CoherenceMessage
type Out = Effect<MemorySays>[]

/** Nodes that have not reported are asked again after so many ticks … */
const RETRY_TICKS = 2
/** … and after so many questions taken to be gone: a dead node holds nothing. */
const QUESTIONS_MAX = 50
/** Ended lives of tasks that are remembered, so that a late copy of a question leases nothing for them. */
const ENDED_MAX = 20_000
/** Requests kept while leases are unknown. */
const HELD_MAX = 20_000

/** What the controller shows of itself to people and checkers. */
export type MemoryInspection = {
  readonly incarnation: number
  /** Nodes that have not told their leases yet. */
  readonly unknown: readonly number[]
  /** Free frames of each node. */
  readonly free: readonly number[]
  readonly leases: readonly Lease[]
}

export interface MemoryControllerConfig {
  readonly spec: MachineSpec
  readonly incarnation: number
  /** Another than the right one, for planted bugs. */
  readonly protocol?: Protocol
  /** Where the frame of a shared page goes; absent: to the node that touches it first. */
  readonly place?: DirectoryOptions["place"]
}

export class MemoryControllerMachine implements Machine<MemoryHears, MemorySays> {
  readonly #spec: MachineSpec
  readonly #incarnation: number
  readonly #ledger: FrameLedger
  /** Nodes whose leases are not known yet. Nothing is granted while there are any. */
  readonly #unknown: Set<number>
  readonly #directory: Directory
  #questions = 0
  /** Asked while leases were unknown, by task: answered in order as soon as all are known. */
  readonly #held = new Map<string, { readonly from: ActorId; readonly ask: FrameLeaseAsk }>()

  /** Task → its latest life whose frames were given back, oldest first: over for good, as are all before it. */
  readonly #ended = new Map<string, number>()

  constructor({ spec, incarnation, protocol, place = ({ toucher }) => toucher }: MemoryControllerConfig) {
    this.#spec = spec
    this.#incarnation = incarnation
    this.#ledger = new FrameLedger(spec.topology.nodes, spec.topology.framesPerNode)
    this.#directory = new Directory({
      nodes: spec.topology.nodes,
      epoch: incarnation,
      nodeActor,
      place,
      knowsNothing: incarnation > 1,
      ...(protocol !== undefined && { protocol }),
    })
    this.#unknown = new Set(Array.from({ length: spec.topology.nodes }, (_, node) => node))
  }

  start(now: VirtualTime): readonly Effect<MemorySays>[] {
    const out: Out = []
    this.#askUnknown(now, out)
    return out
  }

  step(now: VirtualTime, input: Input<MemoryHears>): readonly Effect<MemorySays>[] {
    const out: Out = []
    if (input.kind === "message") this.#onMessage(input.from, input.body, out)
    else if (input.kind === "timer") this.#askUnknown(now, out)
    return out
  }

  #onMessage(from: ActorId, body: MemoryHears, out: Out): void {
    switch (body.kind) {
      case "FrameLeaseAsk":
        return this.#onLeaseAsk(from, body, out)
      case "FrameRelease":
        return this.#onRelease(from, body, out)
      case "LeaseReport":
        return this.#onReport(body, out)
      case "PagesReport":
        return this.#directory.onReport(body, out)
      default:
        return this.#directory.hear(from, body, out)
    }
  }

  #askUnknown(now: VirtualTime, out: Out): void {
    if (this.#questions++ >= QUESTIONS_MAX) {
      this.#unknown.clear()
      this.#directory.giveUp()
    }
    if (this.#unknown.size === 0) this.#answerHeld(out)
    if (this.#unknown.size === 0 && this.#directory.unknown().length === 0) return
    this.#directory.ask(out)
    for (const node of this.#unknown) out.push(send(nodeActor(node), { kind: "MemoryUp", incarnation: this.#incarnation }))
    out.push(timer("ask-unknown", after(now, RETRY_TICKS * this.#spec.clock.tickCycles)))
  }

  #isOver({ owner, attempt }: { readonly owner: string; readonly attempt: number }): boolean {
    return (this.#ended.get(owner) ?? 0) >= attempt
  }

  #onReport(report: LeaseReport, out: Out): void {
    if (report.memoryIncarnation !== this.#incarnation || !this.#unknown.delete(report.node)) return
    // The report may be older than a release that has come before it.
    for (const lease of report.leases) if (!this.#isOver(lease)) this.#ledger.adopt(lease)
    if (this.#unknown.size === 0) this.#answerHeld(out)
    out.push(
      event("leases-reported", {
        "backplane.node": report.node,
        "backplane.frames": report.leases.reduce((sum, lease) => sum + lease.frames, 0),
      }),
    )
  }

  #answerHeld(out: Out): void {
    const held = [...this.#held.values()]
    this.#held.clear()
    for (const { from, ask } of held) this.#onLeaseAsk(from, ask, out)
  }

  #onLeaseAsk(from: ActorId, ask: FrameLeaseAsk, out: Out): void {
    if (this.#isOver(ask)) return // a late copy: nobody waits for an answer
    if (this.#unknown.size > 0) {
      // Past the limit nothing is kept: the node asks again.
      if (this.#held.size < HELD_MAX) this.#held.set(lifeOf(ask), { from, ask })
      return
    }
    const { owner, attempt, frames, node } = ask
    const lease = this.#ledger.grant({ owner, attempt, frames, node })
    out.push(noteSpan("mem.lease", { "backplane.task": owner, "backplane.frames": frames, "backplane.node": lease?.home ?? node }))
    if (lease !== null) {
      this.#sayFrames(lease.home, out)
      return void out.push(send(from, { kind: "FrameLeaseGrant", lease }))
    }
    const most = Math.max(...this.#ledger.free())
    const reason = `${frames} frames are asked for and no node has more than ${most} free; give the machine more framesPerNode`
    out.push(send(from, { kind: "FrameLeaseRefusal", owner, attempt, reason }))
  }

  #onRelease(from: ActorId, { owner, attempt }: FrameRelease, out: Out): void {
    const life = lifeOf({ owner, attempt })
    this.#held.delete(life)
    if (!this.#isOver({ owner, attempt })) this.#ended.set(owner, attempt)
    if (this.#ended.size > ENDED_MAX) this.#ended.delete(this.#ended.keys().next().value as string)
    const lease = this.#ledger.release({ owner, attempt })
    out.push(noteSpan("mem.release", { "backplane.task": owner, "backplane.frames": lease?.frames ?? 0 }))
    if (lease !== null) this.#sayFrames(lease.home, out)
    if (lease !== null)
      out.push(event("lease-released", { "backplane.task": owner, "backplane.frames": lease.frames, "backplane.node": lease.home }))
    out.push(send(from, { kind: "FrameReleased", owner, attempt }))
  }

  /** How the frames of a node stand now. */
  #sayFrames(node: number, out: Out): void {
    const free = this.#ledger.free()[node] ?? 0
    const leased = this.#spec.topology.framesPerNode - free
    for (const [state, count] of [["free", free] as const, ["leased", leased] as const])
      out.push(event("frames", { "backplane.node": node, "backplane.state": state, "backplane.count": count }))
  }

  /** For people and checkers. Not part of the protocol. */
  inspect(): MemoryInspection {
    return {
      incarnation: this.#incarnation,
      unknown: [...this.#unknown],
      free: [...this.#ledger.free()],
      leases: this.#ledger.leases(),
    }
  }
}

function lifeOf({ owner, attempt }: { readonly owner: string; readonly attempt: number }): string {
  return `${owner}/${attempt}`
}

/**
 * The memory controller machine: owns the machine frames of all nodes and leases them. See README.md.
 *
 * Its state is soft: a controller that begins a new life asks every node what is leased, and grants nothing until it knows.
 */
import { event, noteSpan, persist, send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect, Input, Machine, Restored } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
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
  NodeGone,
  NodeGoneSeen,
  SpaceMoved,
  SpaceShared,
} from "@backplane/memory-contract/memory-messages"
import type {
  MemoryAnswer,
  MemoryOperatorAsk,
  SpaceAnswer,
  SpaceClose,
  SpaceRules,
  SpaceRulesAsk,
} from "@backplane/memory-contract/memory-operator-messages"
import type {
  CoherenceMessage,
  PageCounts,
  PageMessage,
  PagesHashes,
  PagesReport,
  PagesSpare,
  PagesStored,
  PagesRun,
  PagesWanted,
} from "@backplane/memory-contract/coherence-messages"
import { gathered, messagesOf } from "@backplane/memory-agent/page-runs"
import type { Protocol } from "@backplane/memory-coherence/rules"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { memoryControllersOf, nodeActor, pageStoreActor, partOf } from "@backplane/scenario-machine/topology"
import { Deaths } from "./deaths.ts"
import { DEATHS_MAX, Directory, type DirectoryOptions } from "./directory.ts"
import { FrameLedger } from "./frame-ledger.ts"
import { MemoryDesk } from "./memory-desk.ts"
import { givenRules, noteCounts, PagePolicy } from "./page-policy.ts"
import { Reclaimer } from "./reclaimer.ts"
import { Sharing } from "./sharing.ts"
import { storePages as pagesOfStore } from "./store-options.ts"
import { freeForWalk } from "./walk-hints.ts"

type PagesHears = PageMessage | PagesRun | PagesWanted | PagesReport | PageCounts | PagesSpare | PagesHashes | PagesStored
export type MemoryHears =
  FrameLeaseAsk | FrameRelease | LeaseReport | NodeGone | NodeGoneSeen | SpaceMoved | PagesHears | MemoryOperatorAsk | SpaceAnswer
export type MemorySays =
  | FrameLeaseGrant
  | FrameLeaseRefusal
  | FrameReleased
  | MemoryUp
  | NodeGone
  | NodeGoneSeen
  | SpaceShared
  | CoherenceMessage
  | MemoryAnswer
  | SpaceClose
type Out = Effect<MemorySays>[]

/** Nodes that have not reported are asked again after so many ticks … */
const RETRY_TICKS = 2
/** … and after so many questions taken to be gone: a dead node holds nothing. */
const QUESTIONS_MAX = 50
/** Ended lives of tasks that are remembered, so that a late copy of a question leases nothing for them. */
const ENDED_MAX = 20_000
/** Between two looks of the policy at all pages. */
const POLICY_TICKS = 10
const ASK_TIMER = "ask-unknown"
const MOVES_TIMER = "moves"
const DONE_TIMER = "done"
/** What nobody waits for is held back for so small a part of the time after which a node would ask. */
const DONE_PART = 4
const POLICY_TIMER = "policy"
/** Rules of a space are kept under this and its name. */
const RULES_KEY = "space/"
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
  /** Number of this controller among several: home to a part of the pages and frames; the first leases frames and hears of deaths. Absent: 0. */
  readonly index?: number
  /** Another than the right one, for planted bugs. */
  readonly protocol?: Protocol
  /** Where the frame of a shared page goes; absent: to the node that touches it first. */
  readonly place?: DirectoryOptions["place"]
  /** A move under way is driven on, and the policy looks, after so many cycles; absent: some ticks of the machine's clock. */
  readonly retryCycles?: number
  readonly policyCycles?: number
  /** See `DirectoryOptions`. */
  readonly strict?: boolean
}

export class MemoryControllerMachine implements Machine<MemoryHears, MemorySays> {
  readonly #spec: MachineSpec
  readonly #incarnation: number
  readonly #index: number
  readonly #deaths: Deaths
  readonly #ledger: FrameLedger
  /** Nodes whose leases are not known yet. Nothing is granted while there are any. */
  readonly #unknown: Set<number>
  readonly #directory: Directory
  #questions = 0
  /** Asked while leases were unknown, by task: answered in order as soon as all are known. */
  readonly #held = new Map<string, { readonly from: ActorId; readonly ask: FrameLeaseAsk }>()

  /** Task → its latest life whose frames were given back, oldest first: over for good, as are all before it. */
  readonly #ended = new Map<string, number>()

  /** Where a page gets its frame that is touched for the first time. */
  readonly #place: DirectoryOptions["place"]
  readonly #policy: PagePolicy
  readonly #desk: MemoryDesk
  readonly #reclaimer: Reclaimer
  readonly #sharing: Sharing
  readonly #retryCycles: number
  readonly #policyCycles: number
  /** By node: its life, and the life that is known to be over. */
  readonly #lives = new Map<number, number>()
  readonly #over = new Map<number, number>()
  /** Timers that are set. */
  readonly #set = new Set<string>()

  constructor(config: MemoryControllerConfig) {
    const { spec, incarnation, protocol, strict } = config
    this.#spec = spec
    this.#incarnation = incarnation
    this.#retryCycles = config.retryCycles ?? RETRY_TICKS * spec.clock.tickCycles
    this.#policyCycles = config.policyCycles ?? POLICY_TICKS * spec.clock.tickCycles
    const { nodes } = spec.topology
    const { index = 0 } = config
    const controllers = memoryControllersOf(spec)
    const framesPerNode = partOf(spec.topology.framesPerNode, { index, of: controllers })
    const storePages = pagesOfStore(spec, index)
    const store = storePages === 0 ? null : pageStoreActor(index)
    this.#index = index
    this.#policy = new PagePolicy({ index, of: controllers }, givenRules(spec))
    this.#deaths = new Deaths(controllers)
    this.#place = config.place ?? ((page) => this.#policy.place(page, { free: this.#open(), has: this.#directory.frames().of(page.space) }))
    this.#ledger = new FrameLedger(nodes, framesPerNode)
    this.#directory = new Directory({
      nodes: spec.topology.nodes,
      epoch: (incarnation - 1) * (DEATHS_MAX + 1) + 1,
      nodeActor,
      place: this.#place,
      ...(store !== null && { store: { actor: store, pages: storePages } }),
      short: (want, out) => {
        const reason = this.#reclaimer.short(want, out)
        if (reason !== null) this.#policy.countsOf(want.space).refused += 1
        return reason
      },
      knowsNothing: incarnation > 1,
      ...(strict !== undefined && { strict }),
      ...(protocol !== undefined && { protocol }),
    })
    this.#unknown = new Set(index > 0 ? [] : Array.from({ length: nodes }, (_, node) => node))
    const { directory, policy, ledger } = { directory: this.#directory, policy: this.#policy, ledger: this.#ledger }
    this.#reclaimer = new Reclaimer({
      directory,
      policy,
      nodes,
      nodeActor,
      frames: framesPerNode,
      free: () => this.#open(),
      isGone: (node) => ledger.isGone(node),
      storePages,
    })
    this.#sharing = new Sharing(directory, policy, nodeActor)
    this.#desk = new MemoryDesk({ directory, policy, ledger, reclaimer: this.#reclaimer, framesPerNode, incarnation, store, controllers })
  }

  start(now: VirtualTime, restored: Restored = new Map()): readonly Effect<MemorySays>[] {
    const out: Out = []
    for (const [key, rules] of restored)
      if (key.startsWith(RULES_KEY)) this.#policy.setRules(key.slice(RULES_KEY.length), rules as unknown as SpaceRules)
    this.#askUnknown(now, out)
    this.#setTimers(now, out)
    return out
  }

  /** Frames of each node that can be given out. */
  #open(): readonly number[] {
    this.#countShared()
    return this.#ledger.open()
  }

  #countShared(): void {
    this.#directory
      .frames()
      .nodes()
      .forEach((frames, node) => {
        this.#ledger.setShared(node, frames)
      })
  }

  step(now: VirtualTime, input: Input<MemoryHears>): readonly Effect<MemorySays>[] {
    const out: Out = []
    if (input.kind === "message") this.#onMessage(now, input.from, input.body, out)
    else if (input.kind === "timer") this.#onTimer(now, input.key, out)
    this.#directory.retryWaiting(out)
    this.#desk.settle(out)
    this.#setTimers(now, out)
    return gathered(out)
  }

  #onTimer(now: VirtualTime, key: string, out: Out): void {
    this.#set.delete(key)
    if (key === MOVES_TIMER) this.#directory.repeatMoves(out)
    else if (key === DONE_TIMER) this.#directory.tellDone(out)
    else if (key === POLICY_TIMER) this.#look(out)
    else this.#askUnknown(now, out)
  }

  #look(out: Out): void {
    this.#policy.look(this.#directory, this.#open(), out)
    this.#reclaimer.look(out)
    this.#sharing.look(out)
  }

  /** Nothing is looked at while nothing moves: an idle machine has no timer. */
  #setTimers(now: VirtualTime, out: Out): void {
    if (this.#directory.owesDone) this.#setTimer(now, { key: DONE_TIMER, cycles: Math.ceil(this.#retryCycles / DONE_PART) }, out)
    if (this.#directory.isMoving) this.#setTimer(now, { key: MOVES_TIMER, cycles: this.#retryCycles }, out)
    if (this.#policy.isActive(this.#directory.spaces()) || this.#reclaimer.isActive || this.#sharing.isActive)
      this.#setTimer(now, { key: POLICY_TIMER, cycles: this.#policyCycles }, out)
  }

  #setTimer(now: VirtualTime, { key, cycles }: { readonly key: string; readonly cycles: number }, out: Out): void {
    if (this.#set.has(key)) return
    this.#set.add(key)
    out.push(timer(key, after(now, cycles)))
  }

  #onMessage(now: VirtualTime, from: ActorId, body: MemoryHears, out: Out): void {
    switch (body.kind) {
      case "NodeGone":
        this.#onNodeGone(now, body, out)
        if (this.#index === 0 && !this.#deaths.tell(body, out)) return
        return void out.push(send(from, { kind: "NodeGoneSeen", node: body.node, incarnation: body.incarnation }))
      case "NodeGoneSeen":
        return this.#deaths.onSeen(from, body)
      case "PageCounts":
        if (body.epoch === this.#directory.epoch) noteCounts(this.#directory.spaces().get(body.space), body)
        return
      case "SpaceMoved":
        return void this.#policy.follow(this.#directory, { ...body, framesFree: this.#open()[body.to] ?? 0 }, out)
      case "PagesSpare":
        for (const page of body.epoch === this.#directory.epoch ? body.pages : [])
          this.#directory.moveOut({ space: body.space, page, why: "given" }, out)
        return
      case "PagesHashes":
        return this.#sharing.onHashes(body, out)
      case "PagesStored":
        return this.#desk.noteStored(body)
      case "SpaceAnswer":
        return this.#desk.onClosed(body.request, out)
      case "SpaceRulesAsk":
        this.#onRules(body, out)
        return this.#desk.onAsk(from, body, out)
      case "SpaceClose":
        this.#directory.forget(body.space)
        this.#policy.forget(body.space)
        out.push(persist(`${RULES_KEY}${body.space}`, null))
        return this.#desk.onAsk(from, body, out)
      case "MemoryMapAsk":
      case "MemoryMoveAsk":
      case "MemoryReplicateAsk":
        this.#countShared()
        return this.#desk.onAsk(from, body, out)
      case "FrameLeaseAsk":
        this.#noteLife(now, body, out)
        return this.#onLeaseAsk(from, body, out)
      case "FrameRelease":
        return this.#onRelease(from, body, out)
      case "LeaseReport":
        this.#noteLife(now, body, out)
        return this.#onReport(body, out)
      case "PagesReport":
        return this.#directory.onReport(body, out)
      case "PagesWanted":
        return this.#onWanted(from, body, out)
      case "PagesRun": {
        const messages = messagesOf(body)
        // Of another life all of them are: one answer says so.
        for (const each of body.epoch === this.#directory.epoch ? messages : messages.slice(0, 1)) this.#directory.hear(from, each, out)
        return this.#noteAlive(from)
      }
      default:
        this.#directory.hear(from, body, out)
        return this.#noteAlive(from)
    }
  }

  #onWanted(from: ActorId, wanted: PagesWanted, out: Out): void {
    const { space, node, epoch } = wanted
    // Of another life: the request that goes with it is answered.
    if (epoch !== this.#directory.epoch || this.#directory.unknown().length > 0) return
    const pages = freeForWalk(wanted, {
      nodes: this.#spec.topology.nodes,
      pages: this.#directory.spaces().get(space) ?? null,
      place: (page) => this.#place({ space, page, toucher: node }),
    })
    if (pages.length > 0) out.push(send(from, { kind: "PagesBring", space, epoch, pages: [...pages] }))
  }

  /** Leases tell the first controller that a node is there again; the others, that it speaks of this life of the directory. */
  #noteAlive(from: ActorId): void {
    if (this.#index === 0) return
    const node = this.#directory.nodeOf(from)
    if (node >= 0 && node < this.#spec.topology.nodes && !this.#directory.isGone(node)) this.#ledger.setGone(node, "alive")
  }

  #onRules({ space, rules }: SpaceRulesAsk, out: Out): void {
    this.#policy.setRules(space, rules)
    out.push(persist(`${RULES_KEY}${space}`, rules as unknown as Json))
  }

  /** A life of a node is over: nothing of it is there any more, and its frames are granted to nobody until it is heard again. */
  #onNodeGone(now: VirtualTime, { node, incarnation }: NodeGone, out: Out): void {
    if (node >= this.#spec.topology.nodes || (this.#over.get(node) ?? 0) >= incarnation) return
    this.#over.set(node, incarnation)
    const reborn = (this.#lives.get(node) ?? 0) > incarnation
    if (!reborn) this.#ledger.setGone(node, "dead")
    this.#unknown.delete(node)
    this.#directory.onNodeGone(node, out)
    this.#askUnknown(now, out)
  }

  /** A node speaks in this life: an earlier one is over, whoever says so. */
  #noteLife(now: VirtualTime, { node, incarnation }: { readonly node: number; readonly incarnation: number }, out: Out): void {
    const known = this.#lives.get(node)
    if (known === undefined || incarnation > known) this.#lives.set(node, incarnation)
    if (known !== undefined && incarnation > known) this.#onNodeGone(now, { kind: "NodeGone", node, incarnation: incarnation - 1 }, out)
    if (incarnation >= (this.#over.get(node) ?? 0)) this.#ledger.setGone(node, "alive")
  }

  #askUnknown(now: VirtualTime, out: Out): void {
    if (this.#questions++ >= QUESTIONS_MAX) {
      this.#unknown.clear()
      this.#directory.giveUp(out)
    }
    if (this.#unknown.size === 0) this.#answerHeld(out)
    if (this.#unknown.size === 0 && this.#directory.unknown().length === 0) return
    this.#directory.ask(out)
    for (const node of this.#unknown) out.push(send(nodeActor(node), { kind: "MemoryUp", incarnation: this.#incarnation }))
    this.#setTimer(now, { key: ASK_TIMER, cycles: RETRY_TICKS * this.#spec.clock.tickCycles }, out)
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
    this.#countShared()
    const lease = this.#ledger.grant({ owner, attempt, frames, node })
    out.push(noteSpan("mem.lease", { "backplane.task": owner, "backplane.frames": frames, "backplane.node": lease?.home ?? node }))
    if (lease !== null) {
      this.#sayFrames(lease.home, out)
      return void out.push(send(from, { kind: "FrameLeaseGrant", lease }))
    }
    const most = Math.max(...this.#ledger.open())
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
    if (lease !== null) {
      this.#sayFrames(lease.home, out)
      this.#directory.frames().noteFreed()
      out.push(event("lease-released", { "backplane.task": owner, "backplane.frames": lease.frames, "backplane.node": lease.home }))
    }
    out.push(send(from, { kind: "FrameReleased", owner, attempt }))
  }

  /** How the frames of a node stand now. */
  #sayFrames(node: number, out: Out): void {
    const free = this.#ledger.free()[node] ?? 0
    const leased = this.#ledger.frames - free
    for (const [state, count] of [["free", free] as const, ["leased", leased] as const])
      out.push(event("frames", { "backplane.node": node, "backplane.state": state, "backplane.count": count }))
  }

  /** For checkers. */
  directory(): Directory {
    return this.#directory
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

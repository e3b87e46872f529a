/**
 * A node that runs a guest without operating system or VMM: harts on an engine, in memory that is shared with the other nodes.
 *
 * What litmus tests, the random tester and the benchmark of memory run on. Each page that a hart may not use is asked for (memory/agent);
 * the hart waits, the others of the node go on. Whose turn it is and how long is drawn from the seed. Pure but for its engine.
 */
import { send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert, defined } from "@backplane/foundation-base/assert"
import { Random } from "@backplane/foundation-base/random"
import { PAGE_BYTES, RAM_BASE, type Engine, type EngineExit } from "@backplane/compute-contract/engine"
import type { AgentMemory, AgentOptions } from "@backplane/memory-agent/agent-options"
import { PageAgent } from "@backplane/memory-agent/page-agent"
import { gathered } from "@backplane/memory-agent/page-runs"
import { amoOf, isLoadReserved, operationOf } from "@backplane/memory-agent/operation"
import type { LeaseReport, MemoryUp } from "@backplane/memory-contract/memory-messages"
import type {
  PageCounts,
  PageMessage,
  PagesAdvice,
  PagesAsk,
  PagesGone,
  PagesHashes,
  PagesReport,
  PagesRun,
  PagesSpare,
  PagesTake,
  PagesWanted,
} from "@backplane/memory-contract/coherence-messages"

export type BareNodeHears = PageMessage | PagesRun | PagesAsk | PagesGone | PagesAdvice | MemoryUp
export type BareNodeSays =
  PageMessage | PagesRun | PagesReport | PageCounts | PagesSpare | PagesTake | PagesWanted | PagesHashes | LeaseReport
type Out = Effect<BareNodeSays>[]

/** Decides what a hart does next, and sees what it did. */
export interface HartDriver {
  /** Called when the hart may run: how many instructions at most, or null when it has nothing left to do. May set registers and pc. */
  budget(cpu: number, random: Random): number | null
  /** So many instructions have retired. `elsewhere`: an AMO that was done at the home of its page. */
  retired?(cpu: number, count: number, where: "here" | "elsewhere"): void
  /** The hart left the engine for another reason than memory; true: it is done. */
  left(cpu: number, exit: EngineExit): boolean
}

export interface BareNodeConfig extends Pick<
  AgentOptions,
  | "space"
  | "node"
  | "nodes"
  | "homeOf"
  | "storeOf"
  | "nodeActor"
  | "retryCycles"
  | "pinCycles"
  | "contendedLosses"
  | "protocol"
  | "onOperated"
  | "countCycles"
  | "copiesMax"
  | "walkPages"
  | "text"
  | "strict"
> {
  /** Life of the node; absent: the first. */
  readonly incarnation?: number
  /** Its memory is the guest's, byte for byte as it was loaded; the same on every node. */
  readonly engine: Engine
  readonly driver: HartDriver
  readonly seed: number | string
  /** How often at most the driver is asked in one turn; the number is drawn. More is faster, and interleaves less. */
  readonly burstMax?: number
  /** Harts that can go on do so within the very step, without a timer: for measurements on a real clock. */
  readonly pace?: "turns" | "at-once"
  /** In the place of what `setFrameRights` does: for planted bugs. */
  readonly setRights?: AgentMemory["setRights"]
}

type HartState =
  | { readonly kind: "ready" }
  /** Waits for a page; with `resultTo`, for an operation done at its home whose result goes to that register. */
  | { readonly kind: "waiting"; readonly page: number; readonly resultTo: number | null }
  | { readonly kind: "done" }

const TURN = "turn"
/** Then others of the process have their turn. */
const AT_ONCE_TURNS_MAX = 256
const PAGE_SHIFT = 12n

export class BareNodeMachine implements Machine<BareNodeHears, BareNodeSays> {
  readonly agent: PageAgent
  readonly #config: BareNodeConfig
  readonly #random: Random
  readonly #harts: HartState[]
  /** By hart: pages that were brought for the instruction that it is at. */
  readonly #brought: Set<number>[]
  #turning = false
  readonly #evictions: number[] = []
  /** Pages that a guest did without in the step under way. */
  readonly #spared: number[] = []
  readonly #refusals: string[] = []
  readonly #lost = new Set<number>()

  constructor(config: BareNodeConfig) {
    const { engine } = config
    this.#config = config
    this.#random = new Random(`${config.seed}/node-${config.node}`)
    this.#harts = Array.from({ length: engine.options.cpus }, (): HartState => ({ kind: "ready" }))
    this.#brought = this.#harts.map(() => new Set<number>())
    this.agent = new PageAgent({
      ...config,
      memory: {
        read: (page, into) => engine.readMemory(addressOf(page), PAGE_BYTES, into),
        write: (page, bytes) => {
          engine.writeMemory(addressOf(page), bytes)
        },
        setRights:
          config.setRights ??
          ((page, rights) => {
            engine.setFrameRights(addressOf(page), rights)
          }),
      },
      onChange: (page) => {
        this.#wake(page)
      },
      onResult: (page, value) => {
        this.#completeOperation(page, value)
      },
      onRefused: (page, reason) => {
        this.#refused(page, reason)
      },
    })
    for (let page = 0; page < engine.options.memoryBytes / PAGE_BYTES; page++) engine.setFrameRights(addressOf(page), "none")
  }

  /** All harts have done what they had to do. */
  get done(): boolean {
    return this.#harts.every(({ kind }) => kind === "done")
  }

  /** Why harts of this node ended before they were done: pages that they did not get. */
  get refusals(): readonly string[] {
    return this.#refusals
  }

  /** By hart of this node: what it is at. */
  states(): readonly ("ready" | "waiting" | "done" | "lost")[] {
    return this.#harts.map(({ kind }, cpu) => (this.#lost.has(cpu) ? "lost" : kind))
  }

  #refused(page: number, reason: string): void {
    this.#harts.forEach((hart, cpu) => {
      if (hart.kind !== "waiting" || hart.page !== page) return
      this.#harts[cpu] = { kind: "done" }
      this.#lost.add(cpu)
      this.#refusals.push(reason)
    })
  }

  /** At its next step the node gives this page back, if it can. */
  evictSoon(page: number): void {
    this.#evictions.push(page)
  }

  /** At the end of this step the node tells that its guest does without the page. */
  spare(page: number): void {
    this.#spared.push(page)
  }

  start(now: VirtualTime): readonly Effect<BareNodeSays>[] {
    const out: Out = []
    this.#setTurn(now, 1, out)
    return out
  }

  step(now: VirtualTime, input: Input<BareNodeHears>): readonly Effect<BareNodeSays>[] {
    const out: Out = []
    if (input.kind === "message") this.#onMessage(now, input.from, input.body, out)
    else if (input.kind === "timer" && input.key === TURN) this.#turn(now, out)
    else if (input.kind === "timer") this.agent.onTimer(now, out)
    for (const page of this.#evictions.splice(0)) this.agent.evict(now, page, out)
    for (const page of this.#spared.splice(0)) this.agent.spare(page, out)
    if (this.#config.pace === "at-once") this.#goOn(now, out)
    else if (!this.#turning) this.#setTurn(now, 1, out)
    return gathered(out, (to) => this.agent.runs.of(to))
  }

  #goOn(now: VirtualTime, out: Out): void {
    for (let turns = 0; turns < AT_ONCE_TURNS_MAX; turns++) {
      const cpu = this.#harts.findIndex(({ kind }) => kind === "ready")
      if (cpu < 0) return
      this.#run(now, cpu, out)
    }
    this.#setTurn(now, 1, out)
  }

  #onMessage(now: VirtualTime, from: ActorId, body: BareNodeHears, out: Out): void {
    if (body.kind === "MemoryUp") {
      // No task of this node has a lease.
      const { incarnation: memoryIncarnation } = body
      const { node, incarnation = 1 } = this.#config
      return void out.push(send(from, { kind: "LeaseReport", node, incarnation, memoryIncarnation, leases: [] }))
    }
    this.agent.hearAny(now, from, body, out)
  }

  #setTurn(now: VirtualTime, cycles: number, out: Out): void {
    if (!this.#harts.some(({ kind }) => kind === "ready")) return
    this.#turning = true
    out.push(timer(TURN, after(now, cycles)))
  }

  /** One hart that is ready, for as long as the driver says. */
  #turn(now: VirtualTime, out: Out): void {
    this.#turning = false
    const ready = this.#harts.flatMap(({ kind }, cpu) => (kind === "ready" ? [cpu] : []))
    if (ready.length === 0) return
    const cpu = this.#random.pick(ready)
    const { burstMax = 1 } = this.#config
    let cycles = 0
    for (let left = burstMax === 1 ? 1 : this.#random.between(1, burstMax); left > 0 && this.#harts[cpu]?.kind === "ready"; left--)
      cycles += this.#run(now, cpu, out)
    this.#setTurn(now, Math.max(1, cycles), out)
  }

  /** How many instructions have retired. */
  #run(now: VirtualTime, cpu: number, out: Out): number {
    const budget = this.#config.driver.budget(cpu, this.#random)
    if (budget === null) {
      this.#harts[cpu] = { kind: "done" }
      return 0
    }
    const exit = this.#config.engine.run(cpu, budget)
    this.#retired(now, cpu, exit.retired, out)
    if (exit.kind === "frame") this.#onFrame(now, cpu, exit, out)
    else if (exit.kind !== "budget" && this.#config.driver.left(cpu, exit)) this.#harts[cpu] = { kind: "done" }
    return exit.retired
  }

  #retired(now: VirtualTime, cpu: number, count: number, out: Out): void {
    if (count === 0) return
    this.#config.driver.retired?.(cpu, count, "here")
    const brought = defined(this.#brought[cpu], "the hart exists")
    if (brought.size === 0) return
    // Between LR and SC the page stays; the pin's own limit sees to it that this ends.
    if (this.#config.engine.readReservation(cpu) !== null) return
    const pages = [...brought]
    brought.clear()
    this.agent.retired(now, pages, out)
  }

  #onFrame(now: VirtualTime, cpu: number, exit: Extract<EngineExit, { kind: "frame" }>, out: Out): void {
    const page = Number((exit.address - RAM_BASE) >> PAGE_SHIFT)
    const operation = operationOf(exit, (register) => this.#config.engine.readRegister(cpu, register))
    // A load-reserved is the first half of a store: the page comes as it will be needed.
    const write = exit.write || (exit.access === "load" && isLoadReserved(exit.instruction))
    defined(this.#brought[cpu], "the hart exists").add(page)
    // Set before: where home and frame are here, the answer may come at once.
    this.#harts[cpu] = { kind: "waiting", page, resultTo: null }
    if (this.agent.access(now, { page, write, operation }, out)) this.#harts[cpu] = { kind: "ready" }
    else if (operation !== null && this.agent.inspect(page).state === "IO_D" && !this.#isOperating(page))
      this.#harts[cpu] = { kind: "waiting", page, resultTo: amoOf(exit.instruction)?.rd ?? 0 }
  }

  #isOperating(page: number): boolean {
    return this.#harts.some((hart) => hart.kind === "waiting" && hart.page === page && hart.resultTo !== null)
  }

  #wake(page: number): void {
    this.#harts.forEach((hart, cpu) => {
      if (hart.kind === "waiting" && hart.page === page) this.#harts[cpu] = { kind: "ready" }
    })
  }

  /** The AMO was done elsewhere: this hart goes on behind it. */
  #completeOperation(page: number, value: bigint): void {
    const cpu = this.#harts.findIndex((hart) => hart.kind === "waiting" && hart.page === page && hart.resultTo !== null)
    const hart = this.#harts[cpu]
    assert(hart?.kind === "waiting" && hart.resultTo !== null, "a hart waits for the operation")
    const { engine, driver } = this.#config
    engine.writeRegister(cpu, hart.resultTo, value)
    engine.writePc(cpu, engine.readPc(cpu) + 4n)
    engine.writeInstret(cpu, engine.readInstret(cpu) + 1n)
    defined(this.#brought[cpu], "the hart exists").delete(page)
    driver.retired?.(cpu, 1, "elsewhere")
    this.#wake(page)
  }
}

function addressOf(page: number): bigint {
  return RAM_BASE + BigInt(page * PAGE_BYTES)
}

/**
 * One vCPU as a task of the node: slices of ticks, which end early when the guest waits.
 *
 * A tick pays for `instructionsPerTick` instructions. A slice is executed when it is planned, ahead of the node's clock, as guests are; what
 * was executed and not yet paid is a debt, so that the sum of ticks is what the guest used however it was cut. A long slice is executed in parts of so much work, each planned
 * when the one before is over: the node hears and says between them. What the VMM does for a guest is work, too: one that asks for more than a part's worth gets on no
 * further in its ticks. Waiting costs no ticks: the
 * CPU is given away, and the time that has passed meanwhile (one unit a cycle) is told to the VM when the vCPU is on again. Ticks by which
 * the end of a slice was noticed late are used and buy nothing.
 * Pages that a slice had brought in from the swap store are there at once; the vCPU is blocked afterwards for as long as that would have taken, as by a disk.
 */
import { assert } from "@backplane/foundation-base/assert"
import type { GuestOutcome } from "@backplane/compute-contract/guest-state"
import type { EngineTask, SlicePause, SliceOutcome, TaskCache, TaskProgress, TaskSlice } from "@backplane/compute-contract/task-engine"
import type { TaskSpec } from "@backplane/compute-contract/task-messages"
import { vcpuTask } from "@backplane/scenario-machine/vm-spec"
import type { HostedStop, HostedVm } from "./hosted-vm.ts"

interface Planned {
  readonly fromTick: number
  readonly ticks: number
  readonly finished: boolean
  readonly pause: SlicePause | null
}

export class VcpuTask implements EngineTask {
  readonly #task: TaskSpec
  readonly #index: number
  readonly #hosted: HostedVm
  readonly #tickCycles: number
  /** Told of each slice before it is executed. */
  readonly #onSlice: (tick: number) => void
  readonly #onClose: (task: VcpuTask) => void
  /** Instructions executed that no tick has paid for yet. */
  #debt = 0
  /** Tick at which it began to wait; null: it does not. */
  #restingSince: number | null = null
  #planned: Planned | null = null
  /** Cycles that it has yet to wait for pages that were brought in, and for those that went to make room. */
  #pageCycles = 0
  /** It is blocked for those: nothing but time can end that. */
  #isPaging = false
  /** Instructions of the part under way that are left, while it waits in the middle of it for a page or a device of another node; null: it does not. */
  #left: number | null = null
  /** The same of the part that is being settled. */
  #unspent = 0
  /** All of its last part went by so. */
  #isFruitless = false
  /** So many ticks it rests when it has looked for work in vain the next time. */
  #restTicks = 1
  /** It was reported blocked, and nobody has been told since that it can go on. */
  #isBlocked = false

  constructor(options: {
    readonly task: TaskSpec
    readonly index: number
    readonly hosted: HostedVm
    readonly tickCycles: number
    readonly onSlice: (tick: number) => void
    readonly onClose: (task: VcpuTask) => void
  }) {
    this.#task = options.task
    this.#index = options.index
    this.#hosted = options.hosted
    this.#tickCycles = options.tickCycles
    this.#onSlice = options.onSlice
    this.#onClose = options.onClose
  }

  get name(): string {
    return this.#task.task
  }

  plan(slice: TaskSlice): number {
    this.#onSlice(slice.fromTick)
    this.#planned = this.#execute(slice.fromTick, slice.budgetTicks)
    return this.#planned.ticks
  }

  run({ cache, fromTick, budgetTicks }: TaskSlice): SliceOutcome {
    const planned = this.#planned
    assert(planned?.fromTick === fromTick, "what runs was planned")
    this.#planned = null
    this.#unspent = this.#left ?? 0
    this.#left = null
    const outcome = this.#settle(planned, budgetTicks)
    // Taken off before the end: the pages are waited for after its next slice.
    if (outcome.pause === null) this.#isPaging = false
    else if (this.#isPaging) this.#pageCycles %= this.#tickCycles
    if (outcome.pause?.kind === "blocked") {
      this.#isBlocked = true
      // What waits for a page has not waited in the guest's time.
      if (!this.#isPaging) this.#restingSince = fromTick + outcome.ticks
    }
    const { ticks, finished, pause } = outcome
    return { left: 0, ticks, finished, warmTicks: warmUp(cache, this.#task, ticks), ...(pause && { pause }) }
  }

  progress(): TaskProgress {
    return { left: 0 }
  }

  /** Once for a VM: vCPU 0 tells it. */
  outcome(): GuestOutcome | null {
    return this.#index === 0 ? this.#hosted.outcome() : null
  }

  close(): void {
    this.#onClose(this)
  }

  /** What it waited for in the middle of a part may have come: the rest of it is executed. The CPU has been its own meanwhile. */
  goOn(): void {
    const [planned, left] = [this.#planned, this.#left]
    if (planned === null || left === null || !this.#hosted.wouldRun(this.#index)) return
    const before = this.#hosted.vm.instructions()
    const stop = this.#hosted.run(this.#index, { budget: left, waited: 0, work: PART_WORK })
    const spent = this.#hosted.vm.instructions() - before
    this.#isFruitless &&= spent === 0
    if (stop.kind === "budget") this.#restTicks = 1 // it has found something
    this.#left = stop.kind === "away" && spent < left ? left - spent : null
    this.#planned = this.#endsWith(stop, planned)
  }

  /** The part as it ends after all: none of its ticks can be given back. */
  #endsWith(stop: HostedStop, planned: Planned): Planned {
    const endTick = planned.fromTick + planned.ticks
    switch (stop.kind) {
      case "away":
      case "budget":
      case "worked":
        return planned
      case "over":
        return { ...planned, finished: true }
      case "waiting":
      case "polling":
        return { ...planned, pause: { kind: "blocked", wakeTick: this.#wakeTick(stop, endTick) } }
      case "yielded":
        return { ...planned, pause: this.#gaveWay(stop.to) }
      case "exit":
      case "paused":
      case "full":
        return { ...planned, pause: { kind: "blocked", wakeTick: null } }
    }
  }

  /**
   * When its timer rings; who polls and has siblings looks again in a tick, since one may end the loop with any store. Who has nothing to do looks more and more
   * seldom: each look takes pages from whoever works, and what a sibling leaves undone that one takes up itself.
   */
  #wakeTick(stop: Extract<HostedStop, { kind: "waiting" | "polling" }>, tick: number): number | null {
    const { kind, units } = stop
    const looksAfter = kind === "polling" && stop.how === "round" ? this.#rest() : 1
    const cycles = kind === "polling" && this.#hosted.spec.cpus > 1 ? Math.min(units ?? Infinity, looksAfter * this.#tickCycles) : units
    return cycles === null ? null : tick + Math.max(1, Math.ceil(cycles / this.#tickCycles))
  }

  /** Ticks that it rests now: twice as many each time. */
  #rest(): number {
    const ticks = this.#restTicks
    this.#restTicks = Math.min(REST_TICKS_MAX, 2 * ticks)
    return ticks
  }

  /** True once for each block that is over. */
  takeWake(): boolean {
    if (!this.#isBlocked || this.#isPaging || !this.#hosted.wouldRun(this.#index)) return false
    this.#isBlocked = false
    return true
  }

  /** What was planned, as it turned out: the CPU was left when it was due, too late, or before. */
  #settle(planned: Planned, budgetTicks: number): Omit<Planned, "fromTick"> {
    if (budgetTicks < planned.ticks) {
      // Taken off before: what was executed beyond is paid from the next slices, and a pause that lies there is met again.
      this.#debt += Math.max(0, (planned.ticks - budgetTicks) * this.#perTick - this.#unspent)
      return { ticks: budgetTicks, finished: false, pause: null }
    }
    if (planned.finished || planned.pause !== null) return planned
    // Noticed late: the CPU was held for so long, and the guest stood still. Were it to catch up, a host that is slower than the guest would
    // be later for it, the next slice would have more to catch up, and the node would be silent until it is taken for lost.
    return { ...planned, ticks: budgetTicks }
  }

  #execute(fromTick: number, budgetTicks: number): Planned {
    this.#isBlocked = false
    this.#isPaging = false
    const { part } = this.#hosted
    part?.sliceFrom(fromTick * this.#tickCycles)
    // Nodes of one VM are apart by a part at most, in the guest's time.
    const partTicks = part === null ? Math.min(budgetTicks, Math.max(1, Math.floor(PART_WORK / this.#perTick))) : 1
    const budget = partTicks * this.#perTick - this.#debt
    if (budget <= 0) {
      this.#debt = -budget
      return { fromTick, ticks: partTicks, finished: false, pause: null }
    }
    const before = this.#hosted.vm.instructions()
    const waited = this.#restingSince === null ? 0 : (fromTick - this.#restingSince) * this.#tickCycles
    const stop = this.#hosted.run(this.#index, { budget, waited, work: Math.max(PART_WORK, TICK_WORK * this.#perTick) })
    if (stop.kind !== "paused" && stop.kind !== "full") this.#restingSince = null
    this.#pageCycles += this.#hosted.takePagesMoved() * PAGE_CYCLES
    const spent = this.#debt + this.#hosted.vm.instructions() - before
    if (stop.kind === "budget") this.#restTicks = 1 // it has found something
    switch (stop.kind) {
      case "budget":
        this.#debt = 0
        return this.#part(fromTick, partTicks)
      case "worked":
        // What is left of its last tick the VMM has had.
        this.#debt = 0
        return this.#part(fromTick, Math.max(1, Math.ceil(spent / this.#perTick)))
      case "over":
        return { fromTick, ticks: Math.min(budgetTicks, Math.ceil(spent / this.#perTick)), finished: true, pause: null }
      case "waiting":
      case "polling":
        return this.#pause(fromTick, spent, (tick) => this.#wakeTick(stop, tick))
      case "yielded":
        return { ...this.#pause(fromTick, spent, () => null), pause: this.#gaveWay(stop.to) }
      case "away":
        return this.#stall(fromTick, { ticks: partTicks, ran: spent - this.#debt, left: budget + this.#debt - spent })
      case "exit":
      case "paused":
      case "full":
        return this.#pause(fromTick, spent, () => null)
    }
  }

  /**
   * It waits for a page or a device of another node, and keeps its CPU for the rest of the part, as a processor does that waits for far memory. Who has waited
   * so for all of a part gives the CPU away until it comes.
   */
  #stall(fromTick: number, { ticks, ran, left }: { readonly ticks: number; readonly ran: number; readonly left: number }): Planned {
    if (ran === 0 && this.#isFruitless) {
      this.#isFruitless = false
      return this.#pause(fromTick, this.#debt, () => null)
    }
    this.#isFruitless = ran === 0
    this.#debt = 0
    this.#left = left > 0 ? left : null
    return { fromTick, ticks, finished: false, pause: null }
  }

  /** It goes on, unless it has to wait for pages. */
  #part(fromTick: number, ticks: number): Planned {
    return { fromTick, ticks, finished: false, pause: this.#pagesWait(fromTick + ticks) }
  }

  /** It waits for what came and went, in whole ticks; null: there is nothing to wait for yet. */
  #pagesWait(tick: number): SlicePause | null {
    const ticks = Math.floor(this.#pageCycles / this.#tickCycles)
    if (ticks === 0) return null
    this.#isPaging = true
    return { kind: "blocked", wakeTick: tick + ticks }
  }

  /** The guest may have named the sibling that should run rather; which is next the scheduler says. */
  #gaveWay(to: number | null): SlicePause {
    return { kind: "yield", ...(to !== null && { to: vcpuTask(this.#hosted.spec.name, to) }) }
  }

  /** It waits, until that tick where it waits for a timer. */
  #pause(fromTick: number, spent: number, wakeTick: (endTick: number) => number | null): Planned {
    const ticks = Math.floor(spent / this.#perTick)
    this.#debt = spent % this.#perTick
    return { fromTick, ticks, finished: false, pause: { kind: "blocked", wakeTick: wakeTick(fromTick + ticks) } }
  }

  get #perTick(): number {
    return this.#hosted.spec.instructionsPerTick
  }
}

/**
 * Work of a part of a slice besides instructions, and instructions of one of several ticks, by trap/vmm's work-meter.ts: some 15 ms of a quiet host, 10,000 exits or 200 pages; far below what a
 * node may be silent for on a host that has twenty times as much to do.
 */
export const PART_WORK = 4_000_000
/** For each instruction that a tick pays for, where that is more: a guest that leaves once in a hundred gets what it is paid for, however fast its machine. */
const TICK_WORK = 4

/** Ticks that a vCPU rests at most that has nothing to do, before it looks again; an interrupt ends that. */
const REST_TICKS_MAX = 8

/** What a page from or to the swap store takes: 100 µs of a machine of 100 MHz, as a solid-state disk has it. */
const PAGE_CYCLES = 10_000

/** A guest gets on no faster with a warm cache, but it wears the cache in like any task. The ticks that it was warm for. */
function warmUp(cache: TaskCache, { task, workingSet }: TaskSpec, ticks: number): number {
  for (let ran = 0; ran < ticks; ran++) {
    if (cache.isHot(task)) return ticks - ran
    cache.ranTick(task, workingSet)
  }
  return 0
}

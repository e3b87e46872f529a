/** What the hypervisor knows of each node from its reports: whether it lives, and whether anything moves. */
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { NodeReport } from "@backplane/compute-contract/task-messages"
import { CHECK_TICKS, SILENCE_TICKS, type HypervisorContext } from "./hypervisor-context.ts"

/** Looks that come later than so many times their interval show that we stood still ourselves. */
const AWAY_CHECKS = 2

interface NodeState {
  incarnation: number
  /** Any word of it is a sign of life: under loss several reports in a row may be gone (seed 9347, lossy). */
  lastHeardAt: VirtualTime | null
  report: NodeReport | null
  lost: boolean
}

export class NodeWatch {
  readonly #context: HypervisorContext
  readonly #nodes: NodeState[]
  /** Since when no task was put on any CPU although tasks wait and every CPU is idle; null: things move. */
  #stuckSinceTick: number | null = null
  #stuckDispatches = -1
  /** When it was looked for silent nodes last. */
  #lookedAt: VirtualTime | null = null

  constructor(context: HypervisorContext) {
    this.#context = context
    this.#nodes = Array.from({ length: context.spec.topology.nodes }, () => ({
      incarnation: 0,
      lastHeardAt: null,
      report: null,
      lost: false,
    }))
  }

  /** Takes a report in. `reborn`: the node has begun a new life and forgotten the old one. `stale`: of an earlier life. */
  onReport(now: VirtualTime, report: NodeReport): "first" | "same" | "reborn" | "stale" {
    const state = this.#nodes[report.node]
    if (state === undefined || report.incarnation < state.incarnation) return "stale"
    const kind = state.incarnation === 0 ? "first" : report.incarnation > state.incarnation ? "reborn" : "same"
    state.incarnation = report.incarnation
    state.lastHeardAt = now
    state.report = report
    state.lost = false
    return kind
  }

  /** It has said something. One that counts as lost is not back before its report says what lies there. */
  onWord(now: VirtualTime, node: number): void {
    const state = this.#nodes[node]
    if (state !== undefined && !state.lost) state.lastHeardAt = now
  }

  /**
   * Nodes that have just been found silent for too long. Asked every CHECK_TICKS. Where that is long ago it was we who stood still (a host
   * that was overloaded or stopped): what nodes said meanwhile is yet to be read, and their time begins anew.
   */
  newlySilent(now: VirtualTime, startedAt: VirtualTime): readonly number[] {
    const wasAway = now - (this.#lookedAt ?? startedAt) > AWAY_CHECKS * CHECK_TICKS * this.#context.spec.clock.tickCycles
    this.#lookedAt = now
    if (wasAway) for (const state of this.#nodes) if (!state.lost) state.lastHeardAt = now
    const limit = SILENCE_TICKS * this.#context.spec.clock.tickCycles
    return this.#nodes.flatMap((state, node) => {
      if (state.lost || now - (state.lastHeardAt ?? startedAt) < limit) return []
      state.lost = true
      return [node]
    })
  }

  /** The life of a node, or 0 before its first word. */
  incarnationOf(node: number): number {
    return this.#nodes[node]?.incarnation ?? 0
  }

  lostNodes(): ReadonlySet<number> {
    return new Set(this.#nodes.flatMap((state, node) => (state.lost ? [node] : [])))
  }

  reportOf(node: number): NodeReport | null {
    return this.#nodes[node]?.report ?? null
  }

  /**
   * For how many ticks nothing has moved, by the reports: every CPU of a live node idle, tasks waiting, nothing dispatched since.
   * A machine that gets no work is not stuck, and neither is one whose reports are lost: only what reports bear out counts.
   */
  stuckTicks(): number {
    const reports = this.#nodes.flatMap((state) => (state.lost || state.report === null ? [] : [state.report]))
    const dispatches = reports.reduce((sum, report) => sum + report.dispatches, 0)
    const idle = reports.reduce((sum, report) => sum + report.idleCpus, 0)
    const waiting = reports.reduce(
      (sum, report) => sum + report.holds.filter((task) => task.state === "waiting" && task.stranded !== true).length,
      0,
    )
    const knownTick = Math.min(...reports.map((report) => report.tick))
    const isStill = waiting > 0 || this.#deadlocked(reports) !== null
    const moves = !isStill || idle < this.#context.spec.topology.cpus || reports.length < this.#nodes.length
    if (moves) this.#stuckSinceTick = null
    else if (this.#stuckSinceTick === null || dispatches !== this.#stuckDispatches) this.#stuckSinceTick = knownTick
    this.#stuckDispatches = dispatches
    return this.#stuckSinceTick === null ? 0 : knownTick - this.#stuckSinceTick
  }

  /** Something was done about it: the time begins anew. */
  beginAnew(): void {
    this.#stuckSinceTick = null
  }

  /** A task of a machine in which every task waits for a channel, and so nobody is left to signal; null where there is none such. */
  deadlocked(): { readonly task: string; readonly channel: string; readonly held: number } | null {
    return this.#deadlocked(this.#nodes.flatMap(({ lost, report }) => (lost || report === null ? [] : [report])))
  }

  #deadlocked(reports: readonly NodeReport[]): { readonly task: string; readonly channel: string; readonly held: number } | null {
    const held = reports.flatMap(({ holds }) => holds)
    const first = held[0]
    if (first?.awaits === undefined || held.some(({ awaits }) => awaits === undefined)) return null
    return { task: first.task, channel: first.awaits, held: held.length }
  }

  inspect(): { readonly node: number; readonly incarnation: number; readonly state: string; readonly tick: number }[] {
    return this.#nodes.map((state, node) => ({
      node,
      incarnation: state.incarnation,
      state: state.lost ? "lost" : state.report === null ? "unknown" : "live",
      tick: state.report?.tick ?? -1,
    }))
  }
}

/**
 * A candidate in shadow: for a while it hears all that the schedulers in force hear, and what it would decide is compared with theirs.
 *
 * One at a time. Nodes compare and tell; here the reports are added up and judged: a candidate that does not answer, leaves most CPUs without
 * a choice, is refused all the time or gives up does not take over. Whether its choices are good is for people to say.
 */
import { event, send, timer } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import {
  SHADOW_DIFFERENCES,
  type ShadowDifference,
  type ShadowReport,
  type ShadowSwapped,
} from "@backplane/compute-contract/machine-messages"
import { nodeActor, type Seat } from "@backplane/scenario-machine/topology"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"

export const SHADOW_TIMER = "shadow-over"

/** What was said to it is unanswered for so many slices. */
const SILENT_SLICES = 5
/** Refused decisions, beside half of the choices that were to be made, that are too many. */
const REFUSED_MAX = 64
/** First differences that are kept. */
const FIRST_MAX = 64

/** A type, not an interface: only those are JSON by shape. */
export type ShadowView = {
  readonly epoch: number
  readonly policy: string
  readonly seat: string
  readonly fromTick: number
  readonly untilTick: number
  /** under way; passed: it takes over, or could; rejected: it does not. */
  readonly state: "under way" | "passed" | "rejected"
  readonly reason: string
  readonly takesOver: boolean
  readonly nodes: number
  readonly periods: number
  readonly same: number
  readonly differences: Readonly<Record<ShadowDifference["difference"], number>>
  readonly refused: Readonly<Record<string, number>>
  readonly first: readonly ShadowDifference[]
}

interface Trial {
  readonly epoch: number
  readonly seat: Seat
  readonly fromTick: number
  readonly untilTick: number
  /** What happens when it passes; null: nothing. */
  readonly takeOver: ((out: Out) => void) | null
  readonly reports: Map<number, ShadowReport>
  state: ShadowView["state"]
  reason: string
}

export class ShadowTrial {
  readonly #context: HypervisorContext
  #trial: Trial | null = null
  /** What nodes are to be told, and those that have not said that they know. */
  #epoch = 0
  readonly #waiting = new Set<number>()
  /** Node → its life, as heard last. */
  readonly #lives = new Map<number, number>()

  constructor(context: HypervisorContext) {
    this.#context = context
  }

  get isUnderWay(): boolean {
    return this.#waiting.size > 0
  }

  /** The seat that is tried now. */
  get seat(): string | null {
    return this.#trial?.state === "under way" ? this.#trial.seat.seat : null
  }

  /** Under an epoch that is on disk, or will be before `repeat` is called. */
  begin(
    now: VirtualTime,
    options: { readonly epoch: number; readonly seat: Seat; readonly slices: number; readonly takeOver: Trial["takeOver"] },
    out: Out,
  ): void {
    const { epoch, seat, slices, takeOver } = options
    const { ticks, spec } = this.#context
    const fromTick = ticks.tickAt(now)
    const untilTick = fromTick + slices * spec.schedule.sliceTicks
    this.#trial = { epoch, seat, fromTick, untilTick, takeOver, reports: new Map(), state: "under way", reason: "" }
    this.#level(epoch)
    out.push(timer(SHADOW_TIMER, ticks.start(untilTick)))
    out.push(event("shadow-begun", { "backplane.policy": seat.policy, "backplane.epoch": epoch }, "info"))
  }

  /** Nobody is in shadow any more, from this epoch on. */
  stop(epoch: number): void {
    if (this.#trial?.state === "under way") Object.assign(this.#trial, { state: "rejected", reason: "given up for another policy" })
    this.#level(epoch)
  }

  #level(epoch: number): void {
    this.#epoch = epoch
    for (let node = 0; node < this.#context.spec.topology.nodes; node++) this.#waiting.add(node)
  }

  onSwapped({ node, epoch }: ShadowSwapped): void {
    if (epoch >= this.#epoch) this.#waiting.delete(node)
  }

  repeat(out: Out): void {
    for (const node of this.#waiting) this.#tell(node, out)
  }

  /** A node that has begun anew has forgotten it. */
  onNode(node: number, incarnation: number): void {
    const before = this.#lives.get(node)
    this.#lives.set(node, incarnation)
    if (this.seat !== null && before !== undefined && before !== incarnation) this.#waiting.add(node)
  }

  #tell(node: number, out: Out): void {
    const trial = this.#trial?.state === "under way" ? this.#trial : null
    const shadow = trial === null ? null : { seat: trial.seat.seat, policy: trial.seat.policy, layout: trial.seat.layout }
    out.push(send(nodeActor(node), { kind: "ShadowSwap", epoch: this.#epoch, shadow }, "swap"))
  }

  /** Returns true when the trial is over by it. */
  onReport(report: ShadowReport): boolean {
    const trial = this.#trial
    if (trial?.state !== "under way" || report.epoch !== trial.epoch) return false
    const before = trial.reports.get(report.node)
    if (before !== undefined && (report.incarnation < before.incarnation || report.tick < before.tick)) return false
    trial.reports.set(report.node, report)
    return report.exit !== null
  }

  /** Whether the time of the trial under way is over. */
  isDue(now: VirtualTime): boolean {
    return this.#trial?.state === "under way" && this.#context.ticks.tickAt(now) >= this.#trial.untilTick
  }

  /** The trial is over: judges it. The caller sees to it that the nodes hear of it. */
  end(out: Out): { readonly passed: boolean; readonly takeOver: Trial["takeOver"]; readonly reason: string } {
    const trial = this.#trial
    if (trial === null) return { passed: false, takeOver: null, reason: "there is none" }
    const reason = this.#objection(trial)
    trial.state = reason === null ? "passed" : "rejected"
    trial.reason = reason ?? ""
    const why = { "backplane.policy": trial.seat.policy, "backplane.epoch": trial.epoch, "backplane.reason": reason ?? "passed" }
    out.push(event("shadow-judged", why, reason === null ? "info" : "warn"))
    return { passed: reason === null, takeOver: trial.takeOver, reason: trial.reason }
  }

  #objection({ reports }: Trial): string | null {
    const { spec } = this.#context
    const all = [...reports.values()]
    const exit = all.find((one) => one.exit !== null)
    if (exit !== undefined) return `it gave up: ${exit.exit}`
    const missing = Array.from({ length: spec.topology.nodes }, (_, node) => node).filter((node) => reports.get(node)?.attached !== true)
    if (missing.length > 0) return `it has not taken all its queues on node ${missing.join(", ")}`
    const silent = Math.max(0, ...all.map(({ silentTicks }) => silentTicks))
    if (silent >= SILENT_SLICES * spec.schedule.sliceTicks) return `what was said to it ${silent} ticks ago is not answered`
    const { periods, differences, refused } = sumOf(all)
    const silences = differences["shadow-silent"]
    if (silences * 2 > periods && silences > spec.topology.cpus) return `it made no choice for ${silences} of ${periods} idle CPUs`
    const refusals = Object.values(refused).reduce((sum, count) => sum + count, 0)
    if (refusals > REFUSED_MAX + periods / 2)
      return `${refusals} of its decisions would have been refused, beside ${periods} choices to be made`
    return null
  }

  view(): ShadowView | null {
    if (this.#trial === null) return null
    const { epoch, seat, fromTick, untilTick, state, reason, takeOver, reports } = this.#trial
    const trial = { epoch, policy: seat.policy, seat: seat.seat, fromTick, untilTick, state, reason, takesOver: takeOver !== null }
    return { ...trial, nodes: reports.size, ...sumOf([...reports.values()]) }
  }
}

function sumOf(reports: readonly ShadowReport[]): Pick<ShadowView, "periods" | "same" | "differences" | "refused" | "first"> {
  const total = (of: (report: ShadowReport) => number): number => reports.reduce((sum, report) => sum + of(report), 0)
  const differences = Object.fromEntries(SHADOW_DIFFERENCES.map((kind) => [kind, total((report) => report.differences[kind] ?? 0)]))
  const verdicts = new Set(reports.flatMap(({ refused }) => Object.keys(refused)))
  const refused = Object.fromEntries(
    [...verdicts].sort((a, b) => (a < b ? -1 : 1)).map((verdict) => [verdict, total((report) => report.refused[verdict] ?? 0)]),
  )
  const first = reports.flatMap((report) => report.first).sort((a, b) => a.tick - b.tick || a.cpu - b.cpu)
  return {
    periods: total(({ periods }) => periods),
    same: total(({ same }) => same),
    differences: differences as ShadowView["differences"],
    refused,
    first: first.slice(0, FIRST_MAX),
  }
}

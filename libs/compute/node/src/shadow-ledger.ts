/**
 * What the active schedulers and the one in shadow chose for each idle period of a CPU, and where they differ.
 *
 * A period is closed when the CPU begins the next one. A choice of the shadow that comes later than that is not compared; it counts among its
 * refused decisions (CPU_BUSY), as it would if it were active.
 */
import { SHADOW_DIFFERENCES, type ShadowDifference, type ShadowReport } from "@backplane/compute-contract/machine-messages"
import type { Verdict } from "@backplane/schedule-contract/scheduler-messages"

export interface Choice {
  readonly task: string
  /** Tick after the last of its slice. */
  readonly untilTick: number
}

interface Period {
  readonly idleSeq: number
  readonly tick: number
  active: (Choice & { readonly tick: number }) | null
  shadow: Choice | null
}

/** The first differences that are kept. */
const FIRST_MAX = 32

export class ShadowLedger {
  readonly #periods = new Map<number, Period>()
  /** Tasks that the active schedulers put on CPUs in the tick that is the key: the last two such ticks. */
  readonly #dispatched = new Map<number, Set<string>>()
  readonly #differences = new Map<ShadowDifference["difference"], number>()
  readonly #refused = new Map<Verdict, number>()
  readonly #first: ShadowDifference[] = []
  #periodCount = 0
  #same = 0

  /** The CPU is idle; said again while it lasts. */
  begin(tick: number, cpu: number, idleSeq: number): void {
    const before = this.#periods.get(cpu)
    if (before?.idleSeq === idleSeq) return
    if (before !== undefined) this.#close(cpu, before)
    this.#periods.set(cpu, { idleSeq, tick, active: null, shadow: null })
  }

  /** The period that the CPU is in, or was in before what it runs. */
  idleSeqOf(cpu: number): number {
    return this.#periods.get(cpu)?.idleSeq ?? 0
  }

  active(tick: number, cpu: number, choice: Choice): void {
    const period = this.#periods.get(cpu)
    if (period !== undefined) period.active ??= { ...choice, tick }
    let dispatched = this.#dispatched.get(tick)
    if (dispatched === undefined) this.#dispatched.set(tick, (dispatched = new Set()))
    dispatched.add(choice.task)
    if (this.#dispatched.size > FIRST_MAX) this.#dispatched.delete(this.#dispatched.keys().next().value as number)
  }

  /** The last of several counts: the one before it was refused by the shadow's own second thought. */
  shadow(cpu: number, choice: Choice): void {
    const period = this.#periods.get(cpu)
    if (period !== undefined) period.shadow = choice
  }

  /** The shadow would have taken off what runs. */
  preempt(tick: number, cpu: number, tasks: { readonly active: string; readonly shadow: string }): void {
    this.#note({ tick, cpu, difference: "preempt", ...tasks })
  }

  refused(verdict: Verdict): void {
    this.#refused.set(verdict, (this.#refused.get(verdict) ?? 0) + 1)
  }

  #close(cpu: number, { tick, active, shadow }: Period): void {
    if (active === null && shadow === null) return
    this.#periodCount++
    const difference = this.#differenceOf(active, shadow)
    if (difference === null) return void this.#same++
    this.#note({ tick, cpu, difference, active: active?.task ?? null, shadow: shadow?.task ?? null })
  }

  #differenceOf(active: Period["active"], shadow: Choice | null): ShadowDifference["difference"] | null {
    if (active === null) return "active-silent"
    if (shadow === null) return "shadow-silent"
    if (active.task === shadow.task) return active.untilTick === shadow.untilTick ? null : "slice"
    return this.#dispatched.get(active.tick)?.has(shadow.task) === true ? "cpu" : "task"
  }

  #note(difference: ShadowDifference): void {
    this.#differences.set(difference.difference, (this.#differences.get(difference.difference) ?? 0) + 1)
    if (this.#first.length < FIRST_MAX) this.#first.push(difference)
  }

  report(): Pick<ShadowReport, "periods" | "same" | "differences" | "refused" | "first"> {
    const differences = Object.fromEntries(SHADOW_DIFFERENCES.map((kind) => [kind, this.#differences.get(kind) ?? 0]))
    return {
      periods: this.#periodCount,
      same: this.#same,
      differences: differences as ShadowReport["differences"],
      refused: Object.fromEntries(this.#refused),
      first: [...this.#first],
    }
  }
}

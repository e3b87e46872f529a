/**
 * The exits of VMs whose exits are handled in the node: the last ones, and those that somebody wants to see as traces.
 *
 * The VMM tells each exit as numbers (trap/vmm's exit-recorder.ts); which VM's it is, who runs it says before. Nothing is made of an exit that
 * nobody armed.
 */
import { closeSpan, openSpan } from "@backplane/foundation-actor/effects"
import type { SpanEffect } from "@backplane/foundation-actor/machine"
import { EXIT_CLASS, type ExitMemory, type ExitRecord, type ExitRecorder } from "@backplane/trap-vmm/exit-recorder"
import { address, causeName, exitView, type ExitView } from "./exit-view.ts"

/** Spans made in one slice; what is armed beyond waits for the next. */
const SLICE_MAX = 256
/** Of so many slices one is told as a span, with its exits by cause; every one of a VM whose traps are armed. */
const TOLD_EVERY = 64
/** Causes in that span: the most frequent ones. */
const CAUSES_MAX = 8

interface Runner {
  readonly vm: string
  readonly vcpu: number
  /** By cause, since the VM began. */
  readonly exits: () => ReadonlyMap<string, number>
}

export class TrapTap implements ExitRecorder {
  readonly #makeRing: (() => ExitMemory) | null
  /** By VM, from its first slice on. */
  readonly #rings = new Map<string, ExitMemory>()
  /** Of the VM that runs. */
  #ring: ExitMemory | null = null
  /** By VM: traps still to be traced. */
  readonly #armed = new Map<string, number>()
  #running: Runner | null = null
  #left = 0
  #slices = 0
  /** Exits of the VM before this slice; null: nobody asks. */
  #before: ReadonlyMap<string, number> | null = null
  #taken: ExitRecord[] = []

  /** `makeRing`: makes what keeps the last exits of a VM; null: nothing does. */
  constructor(makeRing: (() => ExitMemory) | null) {
    this.#makeRing = makeRing
  }

  arm(vm: string, traps: number): void {
    this.#armed.set(vm, (this.#armed.get(vm) ?? 0) + traps)
  }

  forget(vm: string): void {
    this.#armed.delete(vm)
    this.#rings.delete(vm)
  }

  /** Its last exits, oldest first; those that the engine answers by itself never come here. */
  last(vm: string, count: number): readonly ExitView[] {
    return (this.#rings.get(vm)?.last(count) ?? []).map(exitView)
  }

  /** From here on exits are this vCPU's. */
  begin(runner: Runner): void {
    this.#running = runner
    this.#ring = this.#ringOf(runner.vm)
    this.#left = Math.min(SLICE_MAX, this.#armed.get(runner.vm) ?? 0)
    this.#slices++
    this.#before = this.#left > 0 || this.#slices % TOLD_EVERY === 0 ? runner.exits() : null
  }

  push(record: ExitRecord): void {
    this.#ring?.push(record)
    if (this.#left === 0 || record.class === EXIT_CLASS.assisted) return
    this.#left--
    this.#taken.push({ ...record })
  }

  /** The slice is over: a span of it where it is told, and one for each exit that was armed. */
  end(node: number): readonly SpanEffect[] {
    const runner = this.#running
    const taken = this.#taken
    const slice = runner === null ? [] : this.#sliceSpan(runner, node)
    this.#running = null
    this.#left = 0
    if (runner === null || taken.length === 0) return slice
    this.#taken = []
    this.#armed.set(runner.vm, (this.#armed.get(runner.vm) ?? 0) - taken.length)
    const traps = taken.flatMap((record, index) => {
      const key = `tap/${runner.vm}.${runner.vcpu}/${index}`
      const attributes = {
        ...{ "backplane.vm": runner.vm, "backplane.vcpu": runner.vcpu, "backplane.node": node },
        ...{ "backplane.cause": causeName(record.cause), "backplane.pc": address(record.pcHigh, record.pcLow) },
        ...{ "backplane.va": address(record.vaHigh, record.vaLow), "backplane.cycles": record.duration },
      }
      return [openSpan(key, `trap ${causeName(record.cause)}`, attributes, { root: true }), closeSpan(key)]
    })
    return [...slice, ...traps]
  }

  #ringOf(vm: string): ExitMemory | null {
    const known = this.#rings.get(vm)
    if (known !== undefined || this.#makeRing === null) return known ?? null
    const made = this.#makeRing()
    this.#rings.set(vm, made)
    return made
  }

  #sliceSpan({ vm, vcpu, exits }: Runner, node: number): readonly SpanEffect[] {
    const before = this.#before
    this.#before = null
    if (before === null) return []
    const fresh = [...exits()]
      .map(([cause, count]) => ({ cause, count: count - (before.get(cause) ?? 0) }))
      .filter(({ count }) => count > 0)
    if (fresh.length === 0) return []
    const named = fresh.sort((a, b) => b.count - a.count || (a.cause < b.cause ? -1 : 1)).slice(0, CAUSES_MAX)
    const key = `slice/${vm}.${vcpu}`
    const attributes = {
      ...{ "backplane.vm": vm, "backplane.vcpu": vcpu, "backplane.node": node },
      "backplane.count": fresh.reduce((sum, { count }) => sum + count, 0),
      "backplane.exits": named.map(({ cause, count }) => `${cause} ${count}`).join(", "),
    }
    return [openSpan(key, "vm.slice", attributes, { root: true }), closeSpan(key)]
  }
}

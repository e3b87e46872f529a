/**
 * The frames of a node's VMs, by virtual time: when the VMM looks for equal pages, and what is told of it.
 *
 * So many pages for each tick that has passed, before a slice of a vCPU is executed: a pure function of the slices. A node whose VMs all sleep looks at nothing.
 * Not here: which pages are equal and where they lie (trap/vmm).
 */
import { event } from "@backplane/foundation-actor/effects"
import type { EventEffect } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { Vmm } from "@backplane/trap-vmm/vmm"

/** Pages looked at for a tick, some two microseconds each on the host; and at once, when many ticks have passed. */
const PAGES_PER_TICK = 16
const PAGES_AT_ONCE_MAX = 256

export class NodeMemory {
  readonly #shares: boolean
  readonly #node: number
  /** Null: the node has had no VM yet. */
  readonly #vmm: () => Vmm | null
  /** Tick up to which pages were looked at. Only grows. */
  #lookedTick = 0
  /** What was told last. */
  #told = { pages: 0, saved: 0, broken: 0 }

  constructor(spec: MachineSpec, { node, vmm }: { readonly node: number; readonly vmm: () => Vmm | null }) {
    this.#shares = spec.memory?.vms?.share === true
    this.#node = node
    this.#vmm = vmm
  }

  /** A vCPU is about to run from this tick on. */
  look(tick: number): void {
    if (!this.#shares || tick <= this.#lookedTick) return
    const pages = Math.min(PAGES_AT_ONCE_MAX, (tick - this.#lookedTick) * PAGES_PER_TICK)
    this.#lookedTick = tick
    this.#vmm()?.shareEqualPages(pages)
  }

  /** What is to be told of it, where it has changed. */
  takeCounts(): readonly EventEffect[] {
    const vmm = this.#vmm()
    if (vmm === null || !this.#shares) return []
    const { pages, saved, broken } = vmm.shared.counts()
    const told = this.#told
    if (told.pages === pages && told.saved === saved && told.broken === broken) return []
    this.#told = { pages, saved, broken }
    const fields = {
      "backplane.node": this.#node,
      "backplane.pages": pages,
      "backplane.saved": saved,
      "backplane.count": broken - told.broken,
    }
    return [event("vm-memory", fields)]
  }

  /** Null: there is no VM, and was none. */
  inspect(): Json {
    const view = this.#vmm()?.memoryView() ?? null
    return view === null ? null : { ...view, sharing: { ...view.sharing } }
  }
}

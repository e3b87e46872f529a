/**
 * The frames of a node's VMs, by virtual time: when the VMM looks for equal pages, when pages go to the swap store, and what is told of both.
 *
 * So many pages are looked at for each tick that has passed, before a slice of a vCPU is executed: a pure function of the slices. A node whose VMs all sleep looks at nothing.
 * When frames are short (below LOW) the ladder is gone down: first equal pages are looked for, more at once; then pages that were not used for longest go to the store, until HIGH are
 * free. Balloons are the guests' own affair: none is asked (trap/vmm's para.md has no word for it). Not here: which pages are equal, or go (trap/vmm).
 */
import { assert } from "@backplane/foundation-base/assert"
import { event } from "@backplane/foundation-actor/effects"
import { PAGE_BYTES } from "@backplane/scenario-machine/vm-spec"
import type { EventEffect } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { Vmm, VmmSwap } from "@backplane/trap-vmm/vmm"
import type { HostParts } from "./host-parts.ts"

/** Pages looked at for a tick, some two microseconds each on the host; and at once, when many ticks have passed or frames are short. */
const PAGES_PER_TICK = 16
const PAGES_AT_ONCE_MAX = 256
/** What pages on their way to the store may cost at once, by trap/vmm's work-meter.ts: some 64 of them. Who needs more frames than that meanwhile makes room itself. */
const RECLAIM_WORK = 1_300_000
/** Of all frames: as ESX Server's hard level, and what it is left at (memory/placement's reclaim.ts). */
const LOW = 0.02
const HIGH = 0.04

const NOTHING = { pages: 0, saved: 0, broken: 0, swapped: 0, ins: 0 }
const COUNTS = ["pages", "saved", "broken", "swapped", "ins"] as const

/** Pages that a node may promise beyond its frames. */
export function swapSlotsOf(spec: MachineSpec): number {
  return spec.memory?.vms?.swapPages ?? 0
}

/** Room for pages without a frame, where the scenario asks for it. */
export function swapOf(spec: MachineSpec, { makeSwap }: HostParts): { readonly swap?: VmmSwap } {
  const slots = swapSlotsOf(spec)
  if (slots === 0) return {}
  assert(makeSwap !== undefined, "a node whose VMs may swap has a store for that")
  return { swap: { store: makeSwap(slots), slots } }
}

export class NodeMemory {
  readonly #shares: boolean
  readonly #node: number
  /** Null: the node has had no VM yet. */
  readonly #vmm: () => Vmm | null
  /** Tick up to which pages were looked at. Only grows. */
  #lookedTick = 0
  /** What was told last. */
  #told = NOTHING

  constructor(spec: MachineSpec, { node, vmm }: { readonly node: number; readonly vmm: () => Vmm | null }) {
    this.#shares = spec.memory?.vms?.share === true
    this.#node = node
    this.#vmm = vmm
  }

  /** A vCPU is about to run from this tick on. */
  look(tick: number): void {
    const vmm = this.#vmm()
    if (vmm === null) return
    const frames = vmm.engine.options.memoryBytes / PAGE_BYTES
    const isShort = vmm.frames.free() < frames * LOW
    const pages = isShort ? PAGES_AT_ONCE_MAX : Math.min(PAGES_AT_ONCE_MAX, (tick - this.#lookedTick) * PAGES_PER_TICK)
    this.#lookedTick = Math.max(tick, this.#lookedTick)
    if (this.#shares && pages > 0) vmm.shareEqualPages(pages)
    if (isShort) vmm.reclaim(Math.floor(frames * HIGH), { work: RECLAIM_WORK })
  }

  /** What is to be told of it, where it has changed. */
  takeCounts(): readonly EventEffect[] {
    const view = this.#vmm()?.memoryView() ?? null
    if (view === null) return []
    const { pages, saved, broken } = view.sharing
    const now = { pages, saved, broken, swapped: view.swap?.pages ?? 0, ins: view.swap?.ins ?? 0 }
    const told = this.#told
    if (COUNTS.every((field) => told[field] === now[field])) return []
    this.#told = now
    return [
      event("vm-memory", {
        "backplane.node": this.#node,
        "backplane.pages": pages,
        "backplane.saved": saved,
        "backplane.count": broken - told.broken,
        "backplane.swapped": now.swapped,
        "backplane.ins": now.ins - told.ins,
      }),
    ]
  }

  /** Null: there is no VM, and was none. */
  inspect(): Json {
    const view = this.#vmm()?.memoryView() ?? null
    return view === null ? null : { ...view, sharing: { ...view.sharing }, swap: view.swap === null ? null : { ...view.swap } }
  }
}

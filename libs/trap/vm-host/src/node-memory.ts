/**
 * The frames of a node's VMs, by virtual time: when the VMM looks for equal pages, when pages go to the swap store, and what is told of both.
 *
 * So many pages are looked at for each tick that has passed, before a slice of a vCPU is executed: a pure function of the slices. A node whose VMs all sleep looks at nothing.
 * When frames are short the ladder is gone down: VMs that listen are asked for pages (balloon-targets.ts); below LOW equal pages are looked for, more at once, and pages that were not used
 * for longest go to the store, until HIGH are free. Not here: which pages are equal, or go (trap/vmm).
 */
import { assert } from "@backplane/foundation-base/assert"
import { event } from "@backplane/foundation-actor/effects"
import { PAGE_BYTES } from "@backplane/scenario-machine/vm-spec"
import type { EventEffect } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { Vmm, VmmSwap } from "@backplane/trap-vmm/vmm"
import { balloonTargets } from "./balloon-targets.ts"
import type { HostParts } from "./host-parts.ts"

/** Pages looked at for a tick, some two microseconds each on the host; and at once, when many ticks have passed or frames are short. */
const PAGES_PER_TICK = 16
const PAGES_AT_ONCE_MAX = 256
/** What pages on their way to the store may cost at once, by trap/vmm's work-meter.ts: some 64 of them. Who needs more frames than that meanwhile makes room itself. */
const RECLAIM_WORK = 1_300_000
/** Of all frames: as ESX Server's hard level, and what it is left at (memory/placement's reclaim.ts). */
const LOW = 0.02
const HIGH = 0.04

/** So long a guest has to follow what it was asked for, before it is asked anew. */
const BALLOON_TICKS = 4

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
  /** Tick at which VMs were asked for pages last. */
  #askedTick = 0
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
    this.#askGuests(tick, vmm, frames)
    const isShort = vmm.frames.free() < frames * LOW
    const pages = isShort ? PAGES_AT_ONCE_MAX : Math.min(PAGES_AT_ONCE_MAX, (tick - this.#lookedTick) * PAGES_PER_TICK)
    this.#lookedTick = Math.max(tick, this.#lookedTick)
    if (this.#shares && pages > 0) vmm.shareEqualPages(pages)
    if (isShort) vmm.reclaim(Math.floor(frames * HIGH), { work: RECLAIM_WORK })
  }

  /** Nobody is asked on a node that has a frame for every page that it promised: it is never short of any. */
  #askGuests(tick: number, vmm: Vmm, frames: number): void {
    if (!vmm.canSwap || tick - this.#askedTick < BALLOON_TICKS) return
    this.#askedTick = tick
    const listening = vmm.vms().flatMap(({ para, memory }) => (para?.counts().listens === true ? [{ para, memory }] : []))
    if (listening.length === 0) return
    const vms = listening.map(({ para, memory }) => ({ resident: memory.pagesResident(), given: para.counts().pagesOut }))
    const targets = balloonTargets(vms, { free: vmm.frames.free(), frames })
    targets?.forEach((pages, index) => listening[index]?.para.askBalloon(pages))
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

/** A run of a vCPU ends when it has cost its host so much, whatever its guest asks for; and the guest ends as without a limit. */
import { readFileSync } from "node:fs"
import { afterEach, describe, expect, it, vi } from "vitest"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { kernelPath } from "@backplane/guests/build-kernel"
import { architectureOfVm } from "./architecture-state.ts"
import { FrameSwap } from "./frame-swap.ts"
import { MachineFrames } from "./machine-frames.ts"
import { PAGE_UNITS, WorkMeter } from "./work-meter.ts"
import { Vmm } from "./vmm.ts"
import type { PhysicalMap } from "./physical-map.ts"
import type { VmOptions } from "./vm.ts"

const MEMORY_BYTES = 4 << 20
const FRAMES = 160
const SLOTS = 1200
/** Of a run; far more instructions than the pages that they touch have frames. */
const BUDGET = 200_000
const PAGES_OF_A_RUN = 5
/** The last exit of a run may need a frame, for which some pages go at once (`AT_ONCE`), and a few pages of the guest's tables. */
const PAGES_BEYOND = 48
const RUNS_MAX = 20_000

/** Room for pages that counts what goes in and out by itself. */
class CountedStore {
  readonly #slots = new Map<number, Uint8Array>()
  #next = 0
  moved = 0

  put(bytes: Uint8Array): number | null {
    this.moved += 1
    if (this.#slots.size >= SLOTS) return null
    this.#next += 1
    this.#slots.set(this.#next, bytes.slice())
    return this.#next
  }

  read(slot: number): Uint8Array {
    this.moved += 1
    const bytes = this.#slots.get(slot)
    if (bytes === undefined) throw new Error(`slot ${slot} is nobody's`)
    return bytes
  }

  release(slot: number): void {
    this.#slots.delete(slot)
  }
}

type Machine = Pick<VmOptions, "mode" | "mmu">

function run(machine: Machine, work: number) {
  const store = new CountedStore()
  const vmm = new Vmm(new WasmEngine({ memoryBytes: FRAMES * 4096, cpus: 1 }), { swap: { store, slots: SLOTS } })
  const image = readGuestImage(readFileSync(kernelPath({ name: "kernel" })), MEMORY_BYTES)
  if ("refusal" in image) throw new Error(image.refusal)
  const vm = vmm.create({ image, memoryBytes: MEMORY_BYTES, vcpus: 1, turns: "scheduled", bootArguments: "run=walk 250 3", ...machine })!
  let most = 0
  let waited = 0
  const stops = new Set<string>()
  for (let runs = 0; vm.end() === null && runs < RUNS_MAX; runs++) {
    const before = store.moved
    const stop = vm.runVcpu(0, { budget: BUDGET, waited, work })
    most = Math.max(most, store.moved - before)
    waited = stop.kind === "waiting" ? (stop.units ?? 0) : 0
    stops.add(stop.kind)
  }
  const console = Buffer.from(vm.console.takeOutput()).toString()
  return { most, stops, end: { stop: vm.end(), console, state: architectureOfVm(vm, vmm.machineSwitch), instructions: vm.instructions() } }
}

/** 20,000 pages with a frame each, all of them in use, as far as the clock's hand can see: the frames are the first memory's. */
function manyUsed() {
  const PAGES = 20_000
  const frames = new MachineFrames(new WasmEngine({ memoryBytes: PAGES * 4096, cpus: 1 }))
  const own = Array.from({ length: PAGES }, () => frames.allocate(1))
  const did = { hidden: 0, out: 0 }
  const memory = {
    pages: PAGES,
    canGoOut: (index: number) => own[index] !== null,
    sharersOf: () => 1,
    together: (index: number) => [{ memory, index }],
    takeUse: () => true,
    hide: (pages: readonly number[]) => void (did.hidden += pages.length),
    swapOut: (index: number) => {
      did.out += 1
      frames.release(own[index]!)
      own[index] = null
      return true
    },
  } as unknown as PhysicalMap
  const store = { put: () => null, read: () => new Uint8Array(4096), release: () => undefined }
  const work = new WorkMeter()
  return { swap: new FrameSwap({ store, slots: 10, frames, memories: () => [memory], work }), frames, did, work }
}

// Much is simulated here; how long that takes says nothing.
vi.setConfig({ testTimeout: 120_000 })

afterEach(() => {
  vi.restoreAllMocks()
})

describe("a guest with six times as much memory as its node has frames", () => {
  const machines: readonly Machine[] = [
    { mode: "trap", mmu: "shadow" },
    { mode: "assist", mmu: "nested" },
  ]

  it.each(machines)("in $mode under $mmu: no run moves more pages than its work pays for, and it ends as without a limit", (machine) => {
    const free = run(machine, Infinity)
    const bounded = run(machine, PAGES_OF_A_RUN * PAGE_UNITS)
    expect(bounded.end).toEqual(free.end)
    expect(bounded.end.stop).toMatchObject({ kind: "end", code: 0 })
    expect(free.most).toBeGreaterThan(2 * (PAGES_OF_A_RUN + PAGES_BEYOND))
    expect(bounded.most).toBeLessThanOrEqual(PAGES_OF_A_RUN + PAGES_BEYOND)
    expect([free.stops.has("worked"), bounded.stops.has("worked")]).toEqual([false, true])
  })

  it("whose pages are not counted is caught", () => {
    vi.spyOn(WorkMeter.prototype, "page").mockImplementation(() => undefined)
    expect(run(machines[1]!, PAGES_OF_A_RUN * PAGE_UNITS).most).toBeGreaterThan(PAGES_OF_A_RUN + PAGES_BEYOND)
  })
})

describe("the clock's hand over pages that are all in use", () => {
  it("passes a bounded number of them when a frame is needed now, and then takes what comes", () => {
    const { swap, frames, did, work } = manyUsed()
    swap.makeRoom()
    expect(frames.free()).toBe(32)
    expect(did).toEqual({ hidden: 4096, out: 32 })
    expect(work.beside).toBe(4096 * 400)
  })

  it("takes none of them ahead of need, and ends when that has cost enough", () => {
    const { swap, frames, did } = manyUsed()
    swap.reclaim(1000, { work: 100 * 430 })
    expect([frames.free(), did]).toEqual([0, { hidden: 100, out: 0 }])
  })
})

/**
 * Guests that are promised more memory than their node has end as they do where there is a frame for every page; pages go out and come in, and none is lost.
 * Each planted mistake is caught.
 */
import { readFileSync } from "node:fs"
import { afterEach, describe, expect, it, vi } from "vitest"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { Random } from "@backplane/foundation-base/random"
import { kernelPath } from "@backplane/guests/build-kernel"
import { MemoryDisk } from "@backplane/trap-devices/virtio-block/disk"
import { architectureOfVm } from "./architecture-state.ts"
import { audit } from "./audit.ts"
import { FrameSwap, type SwapStore } from "./frame-swap.ts"
import { PhysicalMap } from "./physical-map.ts"
import { machineBytesFor, Vmm } from "./vmm.ts"
import type { Vm, VmOptions } from "./vm.ts"

const MEMORY_BYTES = 4 << 20
const STEPS_MAX = 20_000
const WORKS = [
  "forks 2; walk 200 3; save note kept; cat note",
  "walk 250 2; forks 1; pingpong 2",
  "save note third; walk 220 2; cat note; walk 220 1",
]

type Machine = Pick<VmOptions, "mode" | "mmu">

const MACHINES: readonly Machine[] = [
  { mode: "trap", mmu: "shadow" },
  { mode: "assist", mmu: "nested" },
  { mode: "para", mmu: "nested" },
  { mode: "trap", mmu: "softtlb" },
]

/** As memory/controller's, in memory: equal pages take one slot, and a slot that nobody holds is nobody's to read. */
class Store implements SwapStore {
  readonly #slots = new Map<number, { readonly key: string; count: number }>()
  readonly #byKey = new Map<string, number>()
  readonly #room: number
  #next = 0

  constructor(room: number) {
    this.#room = room
  }

  put(bytes: Uint8Array): number | null {
    const key = Buffer.from(bytes).toString("latin1")
    const known = this.#byKey.get(key)
    if (known !== undefined) {
      this.#of(known).count += 1
      return known
    }
    if (this.#slots.size >= this.#room) return null
    this.#next += 1
    this.#slots.set(this.#next, { key, count: 1 })
    this.#byKey.set(key, this.#next)
    return this.#next
  }

  read(slot: number): Uint8Array {
    return new Uint8Array(Buffer.from(this.#of(slot).key, "latin1"))
  }

  release(slot: number): void {
    const held = this.#of(slot)
    held.count -= 1
    if (held.count > 0) return
    this.#slots.delete(slot)
    this.#byKey.delete(held.key)
  }

  get used(): number {
    return this.#slots.size
  }

  #of(slot: number): { readonly key: string; count: number } {
    const held = this.#slots.get(slot)
    if (held === undefined) throw new Error(`slot ${slot} is nobody's`)
    return held
  }
}

/** So few frames that all of them are in use before the guests are through; half of them the VMM's tables may have. */
const tight = ({ mmu }: Machine): number => (mmu === "nested" ? 10 : 14)

interface Run {
  /** Frames of the node, of 100 that its VMs are promised; 100: there is no swap. */
  readonly percent: number
  readonly share?: boolean
  readonly copies?: boolean
}

function node(machines: readonly Machine[], { percent }: Pick<Run, "percent">) {
  const bytes = machines.reduce((sum, { mmu }) => sum + machineBytesFor({ memoryBytes: MEMORY_BYTES, vcpus: 1, ...(mmu && { mmu }) }), 0)
  const frames = Math.ceil(((bytes / 4096) * percent) / 100)
  const slots = bytes / 4096 - frames
  const store = new Store(slots)
  const engine = new WasmEngine({ memoryBytes: frames * 4096, cpus: 1 })
  const vmm = new Vmm(engine, percent === 100 ? {} : { swap: { store, slots } })
  const vms = machines.map((machine, index) => {
    const image = readGuestImage(readFileSync(kernelPath({ name: machine.mmu === "softtlb" ? "kernel-softtlb" : "kernel" })), MEMORY_BYTES)
    if ("refusal" in image) throw new Error(image.refusal)
    const disks = [new MemoryDisk(new Uint8Array(128 << 10))]
    const more = { bootArguments: `run=${WORKS[index % WORKS.length]}`, disks, turns: "scheduled", ...machine } as const
    return vmm.create({ image, memoryBytes: MEMORY_BYTES, vcpus: 1, ...more })!
  })
  return { vmm, vms, store }
}

function run(machines: readonly Machine[], { percent, share = false, copies = false }: Run) {
  const { vmm, vms, store } = node(machines, { percent })
  const random = new Random("swap")
  const waited = new Map<Vm, number>()
  let least = Infinity
  const copy = new Map<number, Uint8Array>()
  for (let step = 0; step < STEPS_MAX; step++) {
    const vm = vms[step % vms.length]!
    if (vms.every((each) => each.end() !== null)) break
    if (vm.end() === null) {
      const stop = vm.runVcpu(0, { budget: 5_003, waited: waited.get(vm) ?? 0 })
      if (stop.kind === "stuck") throw new Error(stop.detail)
      waited.set(vm, stop.kind === "waiting" ? (stop.units ?? 0) : 0)
    }
    least = Math.min(least, vmm.frames.free())
    if (share) vmm.shareEqualPages(random.between(1, 200))
    if (copies) copySome(vms[0]!, copy, random)
    const wanted = random.between(0, 2) === 0 ? random.between(1, 60) : 0
    if (vmm.reclaim(wanted) === 0 || random.between(0, 9) > 0) continue
    const breaches = audit(vmm)
    if (breaches.length > 0) throw new Error(`isolation: ${breaches[0]}`)
  }
  if (!vms.every((each) => each.end() !== null)) throw new Error("the guests did not end")
  const ends = vms.map((vm) => ({
    stop: vm.end(),
    state: architectureOfVm(vm, vmm.machineSwitch),
    console: Buffer.from(vm.console.takeOutput()).toString(),
    instructions: vm.instructions(),
  }))
  const { swap, sharing } = vmm.memoryView()
  for (const vm of vms) vmm.destroy(vm)
  const { frames, free } = vmm.memoryView()
  if (free < frames || store.used > 0) throw new Error(`${frames - free} frames and ${store.used} slots are lost`)
  return { ends, swap, sharing, least }
}

/** A pre-copy that begins again and again: what is copied is compared with the memory as it is when a round is over. */
function copySome(vm: Vm, copy: Map<number, Uint8Array>, random: Random): void {
  if (vm.end() !== null) return
  if (copy.size === 0) vm.memory.beginCopy()
  const isLast = random.between(0, 5) === 0
  const changed = vm.memory.changedPages()
  for (const page of isLast ? changed : changed.slice(0, random.between(1, 200))) {
    vm.memory.markCopied(page)
    copy.set(page, vm.memory.copyOf(page))
  }
  if (!isLast) return
  const zeros = Buffer.alloc(4096)
  for (let page = 0; page < vm.memory.pages; page++)
    if (!Buffer.from(copy.get(page) ?? zeros).equals(vm.memory.copyOf(page))) throw new Error(`page ${page} is not as it was copied`)
  vm.memory.endCopy()
  copy.clear()
}

// Much is simulated here; how long that takes says nothing.
vi.setConfig({ testTimeout: 120_000 })

afterEach(() => {
  vi.restoreAllMocks()
})

describe("VMs that are promised more than their node has", () => {
  it.each(MACHINES)("end as ever: three of $mode $mmu", (machine) => {
    const all = [machine, machine, machine]
    const whole = run(all, { percent: 100 })
    const short = run(all, { percent: tight(machine) })
    expect(short.ends).toEqual(whole.ends)
    expect([whole.swap, short.swap!.outs > 300, short.swap!.ins > 100, short.least < 16]).toEqual([null, true, true, true])
  })

  it.each([{ share: true }, { copies: true }, { share: true, copies: true }])("also with %j", (more) => {
    const machine = MACHINES[1]!
    const whole = run([machine, machine], { percent: 100 })
    const short = run([machine, machine], { percent: tight(machine), ...more })
    expect(short.ends).toEqual(whole.ends)
    expect(short.swap!.ins).toBeGreaterThan(50)
  })

  it("is refused where frames and room in the store are promised, and where the VMM's tables would have no frames", () => {
    const shape = { memoryBytes: MEMORY_BYTES, vcpus: 1 }
    const vmm = new Vmm(new WasmEngine({ memoryBytes: 2 << 20, cpus: 1 }), { swap: { store: new Store(700), slots: 700 } })
    expect([vmm.framesLeft(), vmm.reserve(shape), vmm.framesLeft(), vmm.reserve(shape)]).toEqual([1212, 1, 1212 - 1024 - 68, null])
    vmm.release(1)
    // Six vCPUs could need more tables than half of the frames.
    expect(vmm.reserve({ memoryBytes: 1 << 20, vcpus: 6 })).toBe(null)
    expect(vmm.framesLeft()).toBe(1212)
  })
})

describe("a mistake that is planted is caught", () => {
  const machine = MACHINES[0]!
  const caught = (plant: () => void): (() => void) => {
    const whole = run([machine, machine], { percent: 100 }).ends
    plant()
    return () => {
      const { ends } = run([machine, machine], { percent: tight(machine) })
      if (JSON.stringify(ends) !== JSON.stringify(whole)) throw new Error("they end otherwise")
    }
  }

  it("a page that comes in as it was not", () => {
    const { bringIn } = FrameSwap.prototype
    const plant = (): void => {
      vi.spyOn(FrameSwap.prototype, "bringIn").mockImplementation(function (this: FrameSwap, slot) {
        bringIn.call(this, slot)
        return new Uint8Array(4096)
      })
    }
    expect(caught(plant)).toThrow()
  })

  it("a way that stays when its page goes out", () => {
    const { swapOut } = PhysicalMap.prototype
    let goesOut = false
    const plant = (): void => {
      vi.spyOn(PhysicalMap.prototype, "hide").mockImplementation(() => undefined)
      vi.spyOn(PhysicalMap.prototype, "observeGone").mockImplementation(() => undefined)
      vi.spyOn(PhysicalMap.prototype, "swapOut").mockImplementation(function (this: PhysicalMap, index) {
        goesOut = true
        return swapOut.call(this, index)
      })
    }
    expect(caught(plant)).toThrow()
    expect(goesOut).toBe(true)
  })

  it("room that is not given back when a page comes in, or its VM goes", () => {
    const plant = (): void => {
      vi.spyOn(FrameSwap.prototype, "drop").mockImplementation(() => undefined)
    }
    expect(caught(plant)).toThrow()
  })

  it("W2: pages that the VMM has just been given go out before they are used", () => {
    const uses: { readonly memory: PhysicalMap; readonly index: number }[] = []
    const { noteUse } = FrameSwap.prototype
    const plant = (): void => {
      vi.spyOn(FrameSwap.prototype, "noteUse").mockImplementation(function (this: FrameSwap, memory, index) {
        uses.push({ memory, index })
        noteUse.call(this, memory, index)
      })
      vi.spyOn(FrameSwap.prototype, "makeRoom").mockImplementation(() => {
        let left = 4
        for (const { memory, index } of uses.slice(-64).reverse()) if (left > 0 && memory.canGoOut(index) && memory.swapOut(index)) left--
      })
    }
    expect(caught(plant)).toThrow()
  })
})

/**
 * Equal pages of a node's VMs lie in one frame, and nobody notices: each guest ends as it does where nothing is shared, whatever looks when, and no frame is lost.
 * Each planted mistake is caught.
 */
import { deviceMemory } from "./device-memory.ts"
import { readFileSync } from "node:fs"
import { afterEach, describe, expect, it, vi } from "vitest"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { Random } from "@backplane/foundation-base/random"
import { kernelPath } from "@backplane/guests/build-kernel"
import { MemoryDisk } from "@backplane/trap-devices/virtio-block/disk"
import { architectureOfVm } from "./architecture-state.ts"
import { audit } from "./audit.ts"
import { VAIN_MAX } from "./page-sharing.ts"
import { PhysicalMap } from "./physical-map.ts"
import { Shadow } from "./shadow.ts"
import { SharedFrames } from "./shared-frames.ts"
import { machineBytesFor, Vmm } from "./vmm.ts"
import type { Vm, VmOptions } from "./vm.ts"

const MEMORY_BYTES = 8 << 20
const FIRST_PAGE = RAM_BASE >> 12n
const STEPS_MAX = 20_000
/** Fork, pipes, the disk, demand-zero pages: the guest's stores, DMA, the VMM's own A and D bits, and first touches; each VM does its own. */
const WORKS = ["forks 2; save note kept; walk 40 3; cat note", "walk 40 2; forks 1; save note other; pingpong 3; cat note"] as const

type Machine = Pick<VmOptions, "mode" | "mmu" | "exits">

const MACHINES: readonly Machine[] = [
  { mode: "trap", mmu: "shadow" },
  { mode: "assist", mmu: "nested" },
  { mode: "assist", mmu: "shadow" },
  { mode: "para", mmu: "nested" },
  { mode: "trap", mmu: "softtlb" },
]

function node(machines: readonly Machine[], { works = WORKS }: { readonly works?: readonly string[] } = {}) {
  const bytes = machines.reduce((sum, { mmu }) => sum + machineBytesFor({ memoryBytes: MEMORY_BYTES, vcpus: 1, ...(mmu && { mmu }) }), 0)
  const vmm = new Vmm(new WasmEngine({ memoryBytes: bytes, cpus: 1 }))
  const vms = machines.map((machine, index) => {
    const name = machine.mmu === "softtlb" ? "kernel-softtlb" : "kernel"
    const image = readGuestImage(readFileSync(kernelPath({ name })), MEMORY_BYTES)
    if ("refusal" in image) throw new Error(image.refusal)
    const disks = [new MemoryDisk(new Uint8Array(128 << 10))]
    const more = { bootArguments: `run=${works[index]}`, disks, turns: "scheduled", ...machine } as const
    return vmm.create({ image, memoryBytes: MEMORY_BYTES, vcpus: 1, ...more })!
  })
  return { vmm, vms }
}

interface Run {
  /** Looks of the sharer between slices; 0: nothing is shared. */
  readonly pages: number
  /** Also copies the first VM's memory meanwhile, as a move does. */
  readonly copies?: boolean
  readonly works?: readonly string[]
}

/** Runs all to the end, in turns; looks for equal pages at drawn moments, and audits each time that something came to be shared. */
function run(machines: readonly Machine[], { pages, copies = false, works = WORKS }: Run) {
  const { vmm, vms } = node(machines, { works })
  const random = new Random("sharing")
  const waited = new Map<Vm, number>()
  const free = vmm.frames.free()
  let [most, audits] = [0, 0]
  const copy = copies ? new Map<number, Uint8Array>() : null
  for (let step = 0; step < STEPS_MAX; step++) {
    const vm = vms[step % vms.length]!
    if (vms.every((each) => each.end() !== null)) break
    if (vm.end() === null) {
      const stop = vm.runVcpu(0, { budget: 5_003, waited: waited.get(vm) ?? 0 })
      if (stop.kind === "stuck") throw new Error(stop.detail)
      waited.set(vm, stop.kind === "waiting" ? (stop.units ?? 0) : 0)
    }
    if (pages === 0) continue
    const joined = vmm.shareEqualPages(random.between(1, pages))
    most = Math.max(most, vmm.shared.counts().saved)
    if (copy !== null) copySome(vms[0]!, copy, random)
    if (joined === 0 || random.between(0, 3) > 0) continue
    expectClean(vmm)
    audits += 1
  }
  if (!vms.every((each) => each.end() !== null)) throw new Error("the guests did not end")
  const ends = vms.map((vm) => ({
    stop: vm.end(),
    state: architectureOfVm(vm, vmm.machineSwitch),
    console: Buffer.from(vm.console.takeOutput()).toString(),
    instructions: vm.instructions(),
  }))
  const counts = vmm.shared.counts()
  for (const vm of vms) vmm.destroy(vm)
  if (vmm.frames.free() < free || vmm.shared.counts().frames > 0)
    throw new Error(`${free - vmm.frames.free()} frames are lost, ${vmm.shared.counts().frames} still shared`)
  return { ends, counts, most, audits }
}

function expectClean(vmm: Vmm): void {
  const breaches = audit(vmm)
  if (breaches.length > 0) throw new Error(`isolation: ${breaches[0]}`)
  for (const vm of vmm.vms())
    for (let index = 0; index < vm.memory.pages; index++) {
      const page = FIRST_PAGE + BigInt(index)
      const users = vm.memory.isShared(page) ? vmm.shared.usersOf(vm.memory.machinePage(page)!) : 1
      if (users === 0) throw new Error(`H2: page ${index} of VM ${vm.number} lies in a frame that is not shared`)
    }
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

describe("equal pages that lie in one frame", () => {
  it.each(MACHINES)("two guests beside each other end as ever, and no frame is lost: $mode $mmu", (machine) => {
    const undisturbed = run([machine, machine], { pages: 0 })
    const shared = run([machine, machine], { pages: 400 })
    expect(shared.ends).toEqual(undisturbed.ends)
    expect([shared.most > 50, shared.counts.broken > 100, shared.audits > 5]).toEqual([true, true, true])
    expect(undisturbed.most).toBe(0)
  })

  it("of several modes and ways to translate, all at once", () => {
    const works = MACHINES.map((_, index) => WORKS[index % 2]!)
    const undisturbed = run(MACHINES, { pages: 0, works })
    const shared = run(MACHINES, { pages: 1000, works })
    expect(shared.ends).toEqual(undisturbed.ends)
    expect(shared.most).toBeGreaterThan(200)
  })

  it.each(MACHINES.slice(0, 2))("while the memory of one is copied for a move: $mode $mmu", (machine) => {
    const undisturbed = run([machine, machine], { pages: 0 })
    const shared = run([machine, machine], { pages: 400, copies: true })
    expect(shared.ends).toEqual(undisturbed.ends)
    expect(shared.most).toBeGreaterThan(30)
  })

  it("balloon: pages that are shared are given back and taken again", () => {
    const machine: Machine = { mode: "para", mmu: "shadow" }
    const works = ["zero 40; balloon out 60; walk 30 3; balloon in 30; walk 60 3; balloon in 30", "zero 40; walk 60 3"]
    const undisturbed = run([machine, machine], { pages: 0, works })
    const shared = run([machine, machine], { pages: 400, works })
    expect(shared.ends).toEqual(undisturbed.ends)
    expect(shared.most).toBeGreaterThan(50)
  })

  it("DMA, and whatever else the host writes, goes to a frame of its own", () => {
    const { vmm, vms } = node([MACHINES[1]!, MACHINES[1]!])
    const [one, other] = vms as [Vm, Vm]
    for (const vm of vms) vm.runVcpu(0, { budget: 300_000, waited: 0 })
    for (let look = 0; look < 4; look++) vmm.shareEqualPages(10_000)
    const shared = Array.from({ length: one.memory.pages }, (_, index) => index).filter(
      (index) =>
        one.memory.isShared(FIRST_PAGE + BigInt(index)) &&
        one.memory.machinePage(FIRST_PAGE + BigInt(index)) === other.memory.machinePage(FIRST_PAGE + BigInt(index)),
    )
    expect(shared.length).toBeGreaterThan(10)
    const [first, second, third] = shared as unknown as readonly [number, number, number]
    const address = (page: number): bigint => RAM_BASE + BigInt(page * 4096)
    const before = shared.map((page) => other.memory.copyOf(page))
    deviceMemory(one.memory).write(address(first) + 4094n, Uint8Array.of(1, 2))
    one.memory.writeEntry(address(second), 77n)
    one.memory.write64(address(third) + 8n, 78n)
    expect(shared.map((page) => Buffer.from(other.memory.copyOf(page)).equals(before[shared.indexOf(page)]!))).not.toContain(false)
    expect([one.memory.copyOf(first)[4095], one.memory.read64(address(second)), one.memory.read64(address(third) + 8n)]).toEqual([
      2,
      77n,
      78n,
    ])
    expect([first, second, third].map((page) => one.memory.isShared(FIRST_PAGE + BigInt(page)))).toEqual([false, false, false])
    expect(audit(vmm)).toEqual([])
    // Who is left alone keeps the frame, and writes there.
    const users = vmm.shared.usersOf(other.memory.machinePage(FIRST_PAGE + BigInt(first))!)
    other.memory.write64(address(first), 1n)
    expect([users >= 1, other.memory.isShared(FIRST_PAGE + BigInt(first))]).toEqual([true, false])
  })

  it("looks twice before it shares, and at no more pages than it may", () => {
    const { vmm, vms } = node([MACHINES[0]!, MACHINES[0]!])
    for (const vm of vms) vm.runVcpu(0, { budget: 300_000, waited: 0 })
    expect(vmm.shareEqualPages(10_000)).toBe(0)
    const copies = vi.spyOn(PhysicalMap.prototype, "copyOf")
    vmm.shareEqualPages(7)
    expect(copies.mock.calls.length).toBeLessThanOrEqual(7 + 7) // what is equal is read once more to be compared
    expect(new Vmm(new WasmEngine({ memoryBytes: 1 << 20, cpus: 1 })).shareEqualPages(10)).toBe(0)
  })
})

describe("a mistake that is planted is caught", () => {
  const machine = MACHINES[0]!
  const caught = (plant: () => void): (() => void) => {
    const undisturbed = run([machine, machine], { pages: 0 }).ends
    plant()
    return () => {
      const { ends } = run([machine, machine], { pages: 400 })
      if (JSON.stringify(ends) !== JSON.stringify(undisturbed)) throw new Error("they end otherwise")
    }
  }

  it("a way that stays after its page has left", () => {
    expect(caught(() => vi.spyOn(Shadow.prototype, "pagesGone").mockImplementation(() => undefined))).toThrow()
  })

  it("frames that are taken for equal and are not", () => {
    const find = SharedFrames.prototype.find
    const plant = (): void => {
      let any: bigint | null = null
      vi.spyOn(SharedFrames.prototype, "find").mockImplementation(function (this: SharedFrames, hash, bytes) {
        any = find.call(this, hash, bytes) ?? any
        return any !== null && this.usersOf(any) > 0 ? any : null
      })
    }
    expect(caught(plant)).toThrow()
  })

  it("what the VMM writes without a frame of its own: A and D bits, DMA", () => {
    const { machinePage } = PhysicalMap.prototype
    const plant = (): void => {
      vi.spyOn(PhysicalMap.prototype, "writablePage").mockImplementation(function (this: PhysicalMap, page) {
        return machinePage.call(this, page)
      })
    }
    expect(caught(plant)).toThrow()
  })

  it("a frame of its own without what the page held", () => {
    const nodes = new WeakMap<SharedFrames, Vmm>()
    const { create } = Vmm.prototype
    vi.spyOn(Vmm.prototype, "create").mockImplementation(function (this: Vmm, ...of) {
      nodes.set(this.shared, this)
      return create.call(this, ...of)
    })
    const plant = (): void => {
      vi.spyOn(SharedFrames.prototype, "takeOut").mockImplementation(function (this: SharedFrames, frame, owner, page) {
        this.leave(frame, page)
        return nodes.get(this)!.frames.allocate(owner)!
      })
    }
    expect(caught(plant)).toThrow()
  })

  it("a user that is not counted: the frame is free while somebody reads it", () => {
    expect(caught(() => vi.spyOn(SharedFrames.prototype, "join").mockImplementation(() => undefined))).toThrow()
  })

  it("a user that is counted twice: the frame is lost", () => {
    const { join } = SharedFrames.prototype
    const plant = (): void => {
      vi.spyOn(SharedFrames.prototype, "join").mockImplementation(function (this: SharedFrames, frame, page) {
        join.call(this, frame, page)
        join.call(this, frame, page)
      })
    }
    expect(caught(plant)).toThrow(/still shared/)
  })
})

it("a page that is written again and again is left alone, however often it is looked at before the store is done", () => {
  // A vCPU whose exits go over the bus waits for its turn after each: all pages may be looked at twice until then, and this one is still as it was.
  const { vmm, vms } = node([MACHINES[0]!, MACHINES[0]!])
  for (const vm of vms) vm.runVcpu(0, { budget: 100_000, waited: 0 })
  const lookAtAll = (): void => {
    for (let round = 0; round < 4; round++) vmm.shareEqualPages(1 << 20)
  }
  lookAtAll()
  const { memory } = vms[0]!
  const index = Array.from({ length: memory.pages }, (_, page) => page).find((page) => memory.isShared(FIRST_PAGE + BigInt(page)))!
  let stores = 0
  for (; stores < 100 && memory.isShared(FIRST_PAGE + BigInt(index)); stores++) {
    memory.writablePage(FIRST_PAGE + BigInt(index))
    for (let looks = 0; looks < 2 ** VAIN_MAX; looks++) if (!memory.isShared(FIRST_PAGE + BigInt(index))) lookAtAll()
  }
  expect(stores).toBeLessThanOrEqual(VAIN_MAX)
  expect(memory.timesUnshared(index)).toBe(stores)
  expectClean(vmm)
}, 60_000)

/**
 * A memory that is copied in pieces while its guest runs is, once what has changed is copied again, the guest's to the last byte; and the guest notices nothing.
 * Each planted log forgets one way in which a page is written, and is caught by it.
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
import { CopiedPages } from "./copied-pages.ts"
import { PhysicalMap } from "./physical-map.ts"
import { machineBytesFor, Vmm } from "./vmm.ts"
import type { Vm, VmOptions } from "./vm.ts"

const MEMORY_BYTES = 16 << 20
const PAGES = MEMORY_BYTES / 4096
const STEPS_MAX = 20_000
/** Fork, pipes, the disk, demand-zero pages: the guest's stores, DMA, the VMM's own A and D bits, and first touches. */
const WORK = "forks 2; save note kept; walk 40 3; cat note; pingpong 3"

type Machine = Pick<VmOptions, "mode" | "mmu" | "exits">

function start({ mode, mmu, exits }: Machine): { readonly vmm: Vmm; readonly vm: Vm } {
  const image = readGuestImage(readFileSync(kernelPath({ name: mmu === "softtlb" ? "kernel-softtlb" : "kernel" })), MEMORY_BYTES)
  if ("refusal" in image) throw new Error(image.refusal)
  const shape = { memoryBytes: MEMORY_BYTES, vcpus: 1, ...(mmu !== undefined && { mmu }) }
  const vmm = new Vmm(new WasmEngine({ memoryBytes: machineBytesFor(shape), cpus: 1 }))
  const disks = [new MemoryDisk(new Uint8Array(128 << 10))]
  const more = { bootArguments: `run=${WORK}`, disks, turns: "scheduled", ...(exits !== undefined && { exits }) } as const
  return { vmm, vm: vmm.create({ image, ...shape, mode, ...more })! }
}

const ZEROS = Buffer.alloc(4096)

/** Pages, by number, of which the copy is another. */
function differences(vm: Vm, copy: ReadonlyMap<number, Uint8Array>): readonly number[] {
  return Array.from({ length: PAGES }, (_, page) => page).filter(
    (page) => !Buffer.from(copy.get(page) ?? ZEROS).equals(vm.memory.copyOf(page)),
  )
}

/** Copies at drawn moments, some pages at a time; each copy ends in a look at every page. */
function run(machine: Machine, { copies }: { readonly copies: boolean }) {
  const { vmm, vm } = start(machine)
  const random = new Random("copies")
  let waited = 0
  let copy: Map<number, Uint8Array> | null = null
  let again = 0
  let compared = 0
  for (let step = 1; step <= STEPS_MAX; step++) {
    const stop = vm.runVcpu(0, { budget: 5_003, waited })
    if (stop.kind === "end") {
      const state = architectureOfVm(vm, vmm.machineSwitch)
      return {
        compared,
        again,
        end: { stop, state, console: Buffer.from(vm.console.takeOutput()).toString(), instructions: vm.instructions() },
      }
    }
    waited = stop.kind === "waiting" ? (stop.units ?? 0) : 0
    if (!copies) continue
    if (copy === null) {
      vm.memory.beginCopy()
      copy = new Map()
    }
    const isLast = random.between(0, 5) === 0
    const changed = vm.memory.changedPages()
    for (const page of isLast ? changed : changed.slice(0, random.between(1, 200))) {
      if (copy.has(page)) again++
      vm.memory.markCopied(page)
      copy.set(page, vm.memory.copyOf(page))
    }
    if (!isLast) continue
    const differ = differences(vm, copy)
    if (differ.length > 0) throw new Error(`after ${vm.instructions()} instructions pages ${differ.join(" ")} are not as they were copied`)
    vm.memory.endCopy()
    copy = null
    compared++
  }
  throw new Error("the guest did not end")
}

const MACHINES: readonly Machine[] = [
  { mode: "trap", mmu: "shadow" },
  { mode: "assist", mmu: "nested" },
  { mode: "assist", mmu: "shadow" },
  { mode: "para", mmu: "nested" },
  { mode: "trap", mmu: "softtlb" },
]

// Much is simulated here; how long that takes says nothing.
vi.setConfig({ testTimeout: 120_000 })

afterEach(() => {
  vi.restoreAllMocks()
})

describe("a memory that is copied while its guest runs", () => {
  it.each(MACHINES)("is the guest's to the last byte, and the guest ends as ever: $mode $mmu", (machine) => {
    const undisturbed = run(machine, { copies: false })
    const copied = run(machine, { copies: true })
    expect(copied.end).toEqual(undisturbed.end)
    expect([copied.compared > 10, copied.again > 100]).toEqual([true, true])
  })

  it("sees what the host writes itself: DMA, A and D bits, pages that go and come back", () => {
    const { vm } = start({ mode: "para", mmu: "nested" })
    const { memory } = vm
    vm.runVcpu(0, { budget: 200_000, waited: 0 })
    memory.beginCopy()
    const pages = memory.changedPages()
    for (const page of pages) memory.markCopied(page)
    expect([pages.length > 10, memory.changedPages()]).toEqual([true, []])
    const address = (page: number): bigint => RAM_BASE + BigInt(page * 4096)
    const [first, second, third, fourth, fifth] = pages as unknown as readonly [number, number, number, number, number]
    const seen = (write: () => unknown): readonly number[] => {
      write()
      return memory.changedPages()
    }
    expect(seen(() => deviceMemory(memory).write(address(second + 1) - 2n, new Uint8Array(2)))).toEqual([second])
    expect(seen(() => memory.writeEntry(address(first), 1n))).toEqual([first, second])
    expect(seen(() => memory.write64(address(third) + 8n, 1n))).toEqual([first, second, third])
    // Given back: nobody asks for it. Taken again: it holds zeros, and has to be sent as such, though it has no frame.
    expect(seen(() => memory.takeOutPage(fourth))).toEqual([first, second, third])
    expect(seen(() => memory.bringBack((RAM_BASE >> 12n) + BigInt(fourth)))).toEqual([first, second, third, fourth])
    expect([memory.copyOf(fourth).every((byte) => byte === 0), memory.isResident((RAM_BASE >> 12n) + BigInt(fourth))]).toEqual([
      true,
      false,
    ])
    memory.markCopied(fourth)
    expect(seen(() => memory.machinePage((RAM_BASE >> 12n) + BigInt(fourth)))).toEqual([first, second, third, fourth])
    memory.endCopy()
    memory.beginCopy()
    expect(memory.changedPages()).toEqual(expect.arrayContaining([first, second, fifth]))
  })

  it("leaves the node's frames as they were: who has them next may write to them", () => {
    const { vmm, vm } = start({ mode: "trap", mmu: "shadow" })
    vm.runVcpu(0, { budget: 200_000, waited: 0 })
    vm.memory.beginCopy()
    for (const page of vm.memory.changedPages()) vm.memory.markCopied(page)
    vmm.destroy(vm)
    const next = vmm.create({ ...optionsLike(vm), bootArguments: `run=${WORK}` })!
    let waited = 0
    for (let step = 0; step < STEPS_MAX && next.end() === null; step++) {
      const stop = next.runVcpu(0, { budget: 50_000, waited })
      waited = stop.kind === "waiting" ? (stop.units ?? 0) : 0
    }
    expect(next.end()).toMatchObject({ kind: "end", code: 0 })
  })
})

function optionsLike(vm: Vm): VmOptions {
  const image = readGuestImage(readFileSync(kernelPath({ name: "kernel" })), MEMORY_BYTES)
  if ("refusal" in image) throw new Error(image.refusal)
  const disks = [new MemoryDisk(new Uint8Array(128 << 10))]
  return { image, memoryBytes: MEMORY_BYTES, vcpus: vm.vcpus.length, mode: "trap", mmu: "shadow", turns: "scheduled", disks }
}

describe("a log that forgets one way to write is caught", () => {
  const { changed, copied } = CopiedPages.prototype
  /** What is noted is noted only when it comes by way of this method, or only when it does not. */
  const noting = (
    method: "onStore" | "endCopy",
    note: (log: CopiedPages, of: readonly [number, number], inside: boolean) => void,
  ): void => {
    let inside = false
    const original = PhysicalMap.prototype[method] as (address: bigint) => boolean
    vi.spyOn(PhysicalMap.prototype, method).mockImplementation(function (this: PhysicalMap, address?: bigint) {
      inside = true
      const answer = original.call(this, address ?? 0n)
      inside = false
      return answer as never
    })
    vi.spyOn(CopiedPages.prototype, "changed").mockImplementation(function (this: CopiedPages, ...of) {
      note(this, of, inside)
    })
  }
  const hunt = (): unknown => run({ mode: "trap", mmu: "shadow" }, { copies: true })

  it("stores of the guest", () => {
    noting("onStore", (log, [page, frame], inside) => {
      changed.call(log, page, frame)
      if (inside) copied.call(log, page, null) // its rights are back, and nobody knows
    })
    expect(hunt).toThrow(/are not as they were copied/)
  })

  it("rights that are not given back", () => {
    noting("endCopy", (log, of, inside) => (inside ? undefined : changed.call(log, ...of)))
    expect(hunt).toThrow(/this node has all rights/)
  })
})

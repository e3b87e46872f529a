/** A kernel that fills its TLB, walks tables, or asks its VMM: the same end on every machine, and as many exits as OSTEP and Disco say. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readImage } from "@backplane/compute-image/image"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { architectureOfBoard, architectureOfVm } from "./architecture-state.ts"
import { audit } from "./audit.ts"
import { MICRO, MICRO_BYTES, microBoard, microVm, type MicroMachine, type MicroRun } from "./suite/micro-guest.ts"
import type { EngineOptions } from "@backplane/compute-contract/engine"
import type { BootImage } from "@backplane/trap-board/board-types"

const engineOf = (options: EngineOptions): WasmEngine => new WasmEngine(options)

function microImage(): BootImage {
  const guest = readManifest().guests.find(({ name }) => name === "micro")!
  const memory = { base: 0x8000_0000n, bytes: BigInt(MICRO_BYTES) }
  const image = readImage(readFileSync(imagePath(guest)), { memory, symbols: [] })
  if (image.kind === "rejection") throw new Error(image.reason)
  return image
}

const IMAGE = microImage()
const virtually = (run: MicroRun, machine: MicroMachine) => microVm(IMAGE, run, { machine, engineOf })
const COUNT = 5

/** Mode para is not one of them: its device tree tells the guest of the hypervisor, so that its memory differs. */
const MACHINES: readonly MicroMachine[] = [
  { mode: "trap", mmu: "shadow" },
  { mode: "assist", mmu: "shadow" },
  { mode: "trap", mmu: "nested" },
  { mode: "assist", mmu: "nested" },
  { mode: "trap", mmu: "softtlb" },
  { mode: "assist", mmu: "softtlb" },
]

describe("the same state at the end, natively and under every mode and mmu", () => {
  for (const split of [false, true]) {
    for (const what of MICRO) {
      it(`${what}${split ? ", tables of the kernel's own" : ""}`, { timeout: 30_000 }, () => {
        for (const soft of [false, true]) {
          const run = { what, count: COUNT, soft, split }
          const wanted = architectureOfBoard(microBoard(IMAGE, run, engineOf))
          for (const machine of MACHINES.filter(({ mmu }) => (mmu === "softtlb") === soft)) {
            const { vmm, vm, stop } = virtually(run, machine)
            expect({ ...machine, stop, state: architectureOfVm(vm, vmm.machineSwitch) }).toEqual({
              ...machine,
              stop: { kind: "end", reason: "finisher", code: 0 },
              state: wanted,
            })
            expect(audit(vmm)).toEqual([])
          }
        }
      })
    }
  }

  it("and a guest that asks its VMM ends well too, under every mmu", { timeout: 30_000 }, () => {
    for (const what of MICRO) {
      for (const mmu of ["shadow", "nested", "softtlb"] as const) {
        const run = { what, count: COUNT, soft: mmu === "softtlb", split: what === "context switch", para: true }
        const { vmm, stop } = virtually(run, { mode: "para", mmu })
        expect({ what, mmu, stop, breaches: audit(vmm) }).toEqual({
          ...{ what, mmu, breaches: [] },
          stop: { kind: "end", reason: "finisher", code: 0 },
        })
      }
    }
  })
})

describe("a TLB miss", () => {
  const run = { what: "working set", count: 4, soft: true } as const

  it("is one trap natively", () => {
    const exits = microBoard(IMAGE, run, engineOf).exits()
    const refills = ["tlb-refill-fetch", "tlb-refill-load", "tlb-refill-store"].reduce((sum, cause) => sum + (exits.get(cause) ?? 0), 0)
    // Every one of them wrote the TLB once; the others are two calls.
    expect(refills).toBeGreaterThan(200)
    expect(exits.get("return")! - refills).toBe(2)
  })

  it("is three exits virtualised: the miss, the update, the return; one in assist", () => {
    const { tlbMisses } = virtually(run, { mode: "trap", mmu: "softtlb" }).vm
    const { misses, entered, updated, inside, returned, fewest, most } = tlbMisses.totals()
    expect({ entered, updated, inside, returned, fewest, most }).toEqual({
      ...{ entered: misses, updated: misses, inside: 0, returned: misses },
      ...{ fewest: 3, most: 3 },
    })
    const assisted = virtually(run, { mode: "assist", mmu: "softtlb" }).vm.tlbMisses.totals()
    expect([assisted.misses, assisted.fewest, assisted.most]).toEqual([misses, 1, 1])
  })

  it("is one exit where the second level remembers it, and the guest never hears of it", () => {
    const without = virtually(run, { mode: "trap", mmu: "softtlb" }).vm
    const { vm, stop } = virtually(run, { mode: "trap", mmu: "softtlb", secondLevelTlb: true })
    const { misses, remembered } = vm.tlbMisses.totals()
    // 96 pages: the first walk over them fills the second level.
    expect(misses).toBeLessThan(110)
    expect(misses + remembered).toBe(without.tlbMisses.totals().misses)
    expect(stop).toEqual({ kind: "end", reason: "finisher", code: 0 })
    expect(vm.ledger.total()).toBe(without.ledger.total() - 2 * remembered)
  })
})

describe("exits of one call", () => {
  /** Of the last so many calls, the boot left out. */
  function perCall(machine: MicroMachine, kernel: Pick<MicroRun, "split" | "para">): number {
    const [few, many] = [10, 110].map((count) => virtually({ what: "null call", count, ...kernel }, machine).vm.ledger.total())
    return (many! - few!) / 100
  }

  it("fall from trap over assist to para", () => {
    const [trap, assist, para] = (["trap", "assist", "para"] as const).map((mode) => perCall({ mode }, { para: mode === "para" }))
    // ecall, two swaps of sscratch, scause, sepc twice, sret.
    expect([trap, assist, para]).toEqual([7, 0, 0])
  })

  it("of a kernel with tables of its own, as xv6: six in assist, two with hypercalls", () => {
    const [trap, assist, para] = (["trap", "assist", "para"] as const).map((mode) =>
      perCall({ mode }, { split: true, para: mode === "para" }),
    )
    expect([trap, assist, para]).toEqual([13, 6, 2])
  })

  it("of a kernel with tables of its own, none in assist where the CPU walks both stages: satp and sfence.vma are the guest's", () => {
    const [trap, assist, para] = (["trap", "assist", "para"] as const).map((mode) => perCall({ mode, mmu: "nested" }, { split: true }))
    expect([trap, assist, para]).toEqual([13, 0, 0])
  })
})

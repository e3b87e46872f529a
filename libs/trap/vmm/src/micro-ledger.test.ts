/** What operations of a kernel cost under each mode and mmu: the order is a law, the figures are the cost table's. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readImage } from "@backplane/compute-image/image"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { costOf, costTable } from "./costs.ts"
import { LEDGER_MACHINES, measureMicro, OPERATIONS, type OperationCost } from "./micro-ledger.ts"
import { PUBLISHED } from "./published.ts"
import { MICRO_BYTES } from "./suite/micro-guest.ts"

function rows(preset: "modern" | "disco1997"): readonly OperationCost[] {
  const guest = readManifest().guests.find(({ name }) => name === "micro")!
  const image = readImage(readFileSync(imagePath(guest)), { memory: { base: 0x8000_0000n, bytes: BigInt(MICRO_BYTES) }, symbols: [] })
  if (image.kind === "rejection") throw new Error(image.reason)
  return measureMicro({ image, engineOf: (options) => new WasmEngine(options), costs: costTable(preset), few: 4, many: 12 })
}

describe("the table of operations", () => {
  it("has each operation on each machine, in the order that virtualisation makes", { timeout: 60_000 }, () => {
    const table = rows("modern")
    const of = (operation: string, mode: string, mmu: string): OperationCost =>
      table.find((row) => row.operation === operation && row.mode === mode && row.mmu === mmu)!
    expect(table).toHaveLength(OPERATIONS.length * LEDGER_MACHINES.length)
    for (const operation of OPERATIONS) {
      expect(of(operation, "native", "walk").ratio).toBe(1)
      expect(of(operation, "trap", "shadow").cycles).toBeGreaterThanOrEqual(of(operation, "assist", "shadow").cycles)
      expect(of(operation, "assist", "shadow").cycles).toBeGreaterThanOrEqual(of(operation, "assist", "nested").cycles)
      expect(of(operation, "trap", "softtlb").cycles).toBeGreaterThanOrEqual(of(operation, "trap", "softtlb,l2").cycles)
    }
    // 7 exits: the call, two swaps of a register, three CSRs, the return.
    expect(of("null call", "trap", "shadow").exits).toBe(7)
    expect(of("null call", "native", "walk").exits).toBe(1)
    const { exit, inject, emulate, trap } = costTable("modern")
    const work = 7 * exit + inject + 6 * emulate
    expect(of("null call", "trap", "shadow").cycles - of("null call", "native", "walk").cycles).toBe(work - trap)
    // A fork-like call under shadow tables pays for every page of the child; nested paging pays nothing.
    expect(of("fork-like", "assist", "shadow").exits).toBeGreaterThan(16)
    expect(of("fork-like", "assist", "nested").exits).toBeLessThan(5)
    expect(of("working set", "assist", "nested").exits).toBe(0)
  })

  it("a cost is an exit and its work; what has none is the guest's own trap, handed on", () => {
    const costs = costTable("disco1997")
    expect(costOf(costs, "csr")).toBe(costs.exit + costs.emulate)
    expect(costOf(costs, "tlb-write")).toBe(costs.exit + costs.emulate + costs.shadowFill)
    expect(costOf(costs, "load-page")).toBe(costs.exit + costs.inject)
    expect(costOf(costs, "hypercall-yield")).toBe(costs.hypercall)
  })

  it("published figures name their source, and their ratio is that of their figures", () => {
    for (const { native, virtualised, ratio, source } of PUBLISHED) {
      expect(source).toMatch(/SOSP (1997|2003)/)
      if (native !== null && virtualised !== null) expect(ratio).toBeCloseTo(virtualised / native, 2)
    }
  })
})

/** Guests that mean harm: nothing they do is an error of the host, touches another VM, or reads differently than on their own machine. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readImage } from "@backplane/compute-image/image"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { neighbourAlone, NEIGHBOUR_BYTES, runHostile, type HostileMachine } from "./suite/hostile-world.ts"
import type { EngineOptions } from "@backplane/compute-contract/engine"
import type { BootImage } from "@backplane/trap-board/board-types"

/** Of 25,000 each: a million instructions together. The nightly form, a hundred million: tools/differential/src/hostile.ts. */
const INSTRUCTIONS = 25_000
const engineOf = (options: EngineOptions): WasmEngine => new WasmEngine(options)

function neighbourImage(): BootImage {
  const guest = readManifest().guests.find(({ name }) => name === "timer")!
  const memory = { base: 0x8000_0000n, bytes: BigInt(NEIGHBOUR_BYTES) }
  const image = readImage(readFileSync(imagePath(guest)), { memory, symbols: [] })
  if (image.kind === "rejection") throw new Error(image.reason)
  return image
}

interface Case {
  readonly machine: HostileMachine
  readonly seeds: number
  /** It must have done something: else this says nothing. */
  readonly causes: readonly string[]
  /** At least so many of its misses were served by itself. */
  readonly refills?: number
}

const FAULTS = ["load-access", "store-access", "load-page", "csr", "satp", "fence"]
const REFILLS = ["tlb-refill-fetch", "tlb-refill-load", "tlb-refill-store"]
const CASES: readonly Case[] = [
  { machine: { mode: "trap", mmu: "shadow" }, seeds: 20, causes: [...FAULTS, "shadow-load", "shadow-store"] },
  { machine: { mode: "trap", mmu: "nested" }, seeds: 6, causes: [...FAULTS, "first-touch"] },
  { machine: { mode: "assist", mmu: "nested" }, seeds: 2, causes: ["first-touch", "wait"] },
  { machine: { mode: "trap", mmu: "softtlb" }, seeds: 4, causes: ["tlb-write", "satp"] },
  {
    machine: { mode: "trap", mmu: "softtlb", guest: "refills" },
    seeds: 6,
    causes: [...REFILLS, "tlb-modified", "tlb-write"],
    refills: 2_500,
  },
  { machine: { mode: "assist", mmu: "softtlb", guest: "refills" }, seeds: 4, causes: ["tlb-write"], refills: 1_000 },
]

describe("a hostile guest", () => {
  const image = neighbourImage()
  const alone = neighbourAlone(image, engineOf)

  for (const { machine, seeds, causes, refills = 0 } of CASES) {
    it(
      `in ${machine.mode} under ${machine.mmu}${machine.guest === undefined ? "" : `, which ${machine.guest}`}: never throws in the host, ends as on its own machine, stays in its frames and leaves its neighbour alone`,
      { timeout: 240_000 },
      () => {
        const met = new Set<string>()
        let instructions = 0
        let refilled = 0
        for (let seed = 1; seed <= seeds; seed += 1) {
          const result = runHostile({ seed, instructions: INSTRUCTIONS, machine, neighbour: image, engineOf })
          expect({ seed, seen: result.seen, neighbour: result.neighbour, breaches: result.breaches }).toEqual({
            ...{ seed, seen: result.wanted, neighbour: alone, breaches: [] },
          })
          for (const cause of result.causes) met.add(cause)
          instructions += result.instructions
          refilled += result.refills
        }
        expect(instructions).toBeGreaterThan((seeds * INSTRUCTIONS) / 4)
        expect(refilled).toBeGreaterThanOrEqual(refills)
        for (const cause of causes) expect([...met]).toContain(cause)
      },
    )
  }
})

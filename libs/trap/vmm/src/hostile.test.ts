/** Guests that mean harm: nothing they do is an error of the host, touches another VM, or reads differently than on their own machine. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { Board } from "@backplane/trap-board/board"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readImage } from "@backplane/compute-image/image"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { architectureOfBoard, architectureOfVm } from "./architecture-state.ts"
import { audit } from "./audit.ts"
import { hostileImage, HOSTILE_MEMORY_BYTES } from "./suite/hostile-image.ts"
import { machineBytesFor, Vmm } from "./vmm.ts"
import type { BootImage } from "@backplane/trap-board/board-types"

const SEEDS = 40
/** 40 guests of 25,000: a million instructions. */
const INSTRUCTIONS = 25_000
const SLICE = 5_000
const NEIGHBOUR_BYTES = 16 << 20

function neighbourImage(): BootImage {
  const guest = readManifest().guests.find(({ name }) => name === "timer")!
  const memory = { base: 0x8000_0000n, bytes: BigInt(NEIGHBOUR_BYTES) }
  const image = readImage(readFileSync(imagePath(guest)), { memory, symbols: [] })
  if (image.kind === "rejection") throw new Error(image.reason)
  return image
}

const startOf = (seed: number): BootImage["start"] => (seed % 2 === 0 ? "machine" : "supervisor")

describe("a hostile guest", () => {
  it(
    "never throws in the host, ends as on its own machine, stays in its frames and leaves its neighbour alone",
    { timeout: 240_000 },
    () => {
      const neighbour = { image: neighbourImage(), vcpus: 1, memoryBytes: NEIGHBOUR_BYTES, mode: "trap" } as const
      const alone = new Vmm(new WasmEngine({ memoryBytes: machineBytesFor(neighbour), cpus: 1 }))
      const expected = alone.create(neighbour)!
      expected.run(10_000_000)
      const wanted = architectureOfVm(expected, alone.machineSwitch)
      const exits = new Set<string>()
      let instructions = 0
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const hostile = { image: hostileImage(seed, startOf(seed)), vcpus: 1, memoryBytes: HOSTILE_MEMORY_BYTES, mode: "trap" } as const
        const memoryBytes = machineBytesFor(neighbour) + machineBytesFor(hostile)
        const vmm = new Vmm(new WasmEngine({ memoryBytes, cpus: 1 }))
        const bad = vmm.create(hostile)!
        const good = vmm.create(neighbour)!
        for (let turn = 0; turn < INSTRUCTIONS / SLICE; turn += 1) {
          bad.run(SLICE)
          good.run(SLICE)
        }
        const board = new Board(new WasmEngine({ memoryBytes: HOSTILE_MEMORY_BYTES, cpus: 1 }), hostile.image)
        board.run(INSTRUCTIONS)
        const own = { count: board.instructions(), state: architectureOfBoard(board) }
        expect({ seed, count: bad.instructions(), state: architectureOfVm(bad, vmm.machineSwitch) }).toEqual({ seed, ...own })
        good.run(10_000_000)
        expect(audit(vmm)).toEqual([])
        expect({ seed, state: architectureOfVm(good, vmm.machineSwitch) }).toEqual({ seed, state: wanted })
        for (const cause of bad.ledger.exits().keys()) exits.add(cause)
        instructions += bad.instructions()
      }
      // It must have done something: else this says nothing.
      expect(instructions).toBeGreaterThan((SEEDS * INSTRUCTIONS) / 4)
      for (const cause of [
        "shadow-load",
        "shadow-store",
        "io-load",
        "io-store",
        "load-access",
        "store-access",
        "satp",
        "fence",
        "csr",
        "load-page",
      ]) {
        expect([...exits]).toContain(cause)
      }
    },
  )
})

/** CPUs that serve themselves: every single operation is trap/csr's, and whole guests do not notice. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { CSR_SLOT, CSR_SLOTS } from "@backplane/compute-engine/layout"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { PRIVILEGED_WORDS } from "@backplane/compute-contract/privileged"
import { readImage } from "@backplane/compute-image/image"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { Slot, SLOTS } from "@backplane/trap-csr/csr-file"
import { Board } from "./board.ts"
import { checkServed } from "./suite/served-laws.ts"
import type { EngineOptions } from "@backplane/compute-contract/engine"

const MEMORY_BYTES = 16 << 20
const INSTRUCTIONS_MAX = 50_000_000
const engineOf = (options: EngineOptions): WasmEngine => new WasmEngine(options)

describe("a CPU that serves itself", () => {
  it("has the slots of trap/csr", () => {
    const slots = new Map(Object.entries(Slot).map(([name, slot]) => [name.toUpperCase(), slot]))
    for (const [name, slot] of Object.entries(CSR_SLOT)) expect([name, slots.get(name)]).toEqual([name, slot])
    expect([CSR_SLOTS, PRIVILEGED_WORDS]).toEqual([SLOTS, SLOTS])
  })

  it("does with every privileged instruction what the model does, in every state", { timeout: 120_000 }, () => {
    const { wrong, cases, served } = checkServed(engineOf, { seed: 1, cases: 20_000 })
    expect(wrong).toBeNull()
    expect(served / cases).toBeGreaterThan(0.2)
  })
})

describe("a guest whose CPUs serve themselves", () => {
  for (const guest of readManifest().guests.filter(({ name, console }) => name !== "bench" && console !== null)) {
    it(`${guest.name} ends as on a board that sees everything`, { timeout: 60_000 }, () => {
      const memory = { base: 0x8000_0000n, bytes: BigInt(MEMORY_BYTES) }
      const image = readImage(readFileSync(imagePath(guest)), { memory, symbols: ["tohost", "fromhost"] })
      if (image.kind === "rejection") throw new Error(image.reason)
      const [inside, outside] = (["inside", "outside"] as const).map((served) => {
        const board = new Board(new WasmEngine({ memoryBytes: MEMORY_BYTES, cpus: guest.cpus }), image, { served })
        board.console.feed(new TextEncoder().encode(guest.stdin ?? ""))
        const stop = board.run(guest.maxInstructions ?? INSTRUCTIONS_MAX)
        return { stop, exits: [...board.exits()], harts: board.harts.map((hart) => hart.capture()), hash: board.hash() }
      })
      expect(inside).toEqual(outside)
    })
  }
})

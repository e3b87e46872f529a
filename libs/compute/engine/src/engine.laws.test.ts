/** The engine does what the instruction table says, for every extension, on random programs. */
import { describe, expect, it } from "vitest"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { Random } from "@backplane/foundation-base/random"
import { WasmEngine } from "./engine.ts"
import { COMPARE_MEMORY_BYTES, firstDifference } from "./suite/compare.ts"
import { DATA_POINTERS, generateProgram } from "@backplane/compute-riscv/generate"
import { INTERLEAVE_MEMORY_BYTES, firstInterleavedDifference } from "./suite/interleave.ts"
import { checkVainRounds } from "./suite/vain-rounds.ts"
import { ENGINE_VARIANTS } from "./suite/variants.ts"
import type { Extension } from "@backplane/compute-riscv/instruction"

const EXTENSIONS: readonly (readonly Extension[])[] = [
  ["I"],
  ["M"],
  ["A"],
  ["C"],
  ["Zba", "Zbb", "Zbs"],
  ["I", "M", "A", "C", "Zifencei", "Zba", "Zbb", "Zbs"],
]
const PROGRAMS = 60
const INSTRUCTIONS = 300

describe.each(ENGINE_VARIANTS)("random programs end as in the reference: registers, memory, pc and counts; $build", ({ build, make }) => {
  for (const extensions of EXTENSIONS) {
    it(extensions.join(" "), () => {
      const engine = make({ memoryBytes: COMPARE_MEMORY_BYTES, cpus: 1 })
      for (let program = 0; program < (build === "functional" ? PROGRAMS : PROGRAMS / 4); program++) {
        const difference = firstDifference(engine, { extensions, instructions: INSTRUCTIONS, seed: `${extensions.join("")}-${program}` })
        expect(difference).toBeUndefined()
      }
    })
  }
})

describe("random bytes as code", () => {
  it("end in an exit every time, and never in a failure of the host", () => {
    const engine = new WasmEngine({ memoryBytes: COMPARE_MEMORY_BYTES, cpus: 1 })
    const random = new Random("bytes")
    const kinds = new Set<string>()
    for (let round = 0; round < 300; round++) {
      engine.writeMemory(
        RAM_BASE,
        Uint8Array.from({ length: 4096 }, () => random.below(256)),
      )
      for (let register = 1; register < 32; register++)
        engine.writeRegister(0, register, RAM_BASE + BigInt(random.below(COMPARE_MEMORY_BYTES)))
      engine.writePc(0, RAM_BASE + BigInt(2 * random.below(2048)))
      const exit = engine.run(0, 1000)
      expect(exit.retired).toBeLessThanOrEqual(1000)
      kinds.add(exit.kind)
    }
    expect([...kinds]).toContain("exception")
  })
})

describe("a CPU that moves to another engine in mid-run", () => {
  // Without atomics: a move breaks the reservation, as the manual allows, so an SC may go the other way.
  it("ends in the same state as one that stayed", () => {
    const random = new Random("move")
    for (let round = 0; round < 20; round++) {
      const memory = new Uint8Array(COMPARE_MEMORY_BYTES)
      memory.set(generateProgram(random, { extensions: ["I", "M", "C", "Zbb"], instructions: 400 }), 0xf00)
      const start = (): WasmEngine => {
        const engine = new WasmEngine({ memoryBytes: COMPARE_MEMORY_BYTES, cpus: 1 })
        engine.writeMemory(RAM_BASE, memory)
        for (let register = 1; register < 32; register++) engine.writeRegister(0, register, RAM_BASE + 0x8000n + BigInt(register))
        for (const pointer of DATA_POINTERS) engine.writeRegister(0, pointer, RAM_BASE + 0x9000n)
        engine.writePc(0, RAM_BASE + 0xf00n)
        return engine
      }
      const stayed = start()
      const end = stayed.run(0, 10_000)
      const from = start()
      from.run(0, random.between(1, 200))
      const to = new WasmEngine({ memoryBytes: COMPARE_MEMORY_BYTES, cpus: 2 })
      to.writeMemory(RAM_BASE, from.readMemory(RAM_BASE, COMPARE_MEMORY_BYTES))
      to.restoreCpu(1, from.captureCpu(0))
      expect(to.run(1, 10_000)).toMatchObject({ kind: end.kind, pc: end.pc })
      expect(to.captureCpu(1)).toEqual(stayed.captureCpu(0))
      expect(to.readMemory(RAM_BASE, COMPARE_MEMORY_BYTES)).toEqual(stayed.readMemory(RAM_BASE, COMPARE_MEMORY_BYTES))
    }
  })
})

describe("a CPU that says it came round in its kernel in vain", () => {
  it.each([1, 2, 3, 4])("comes back to that very state, and is found where it does nothing: seed %i", (seed) => {
    const { wrong, claims, idle } = checkVainRounds((options) => new WasmEngine(options), { seed, loops: 150 })
    expect(wrong).toBeNull()
    expect(claims).toBeGreaterThan(50)
    expect(idle).toBeGreaterThan(5)
  })
})

describe.each(ENGINE_VARIANTS)("two CPUs on one memory; $build", ({ make }) => {
  it("do in random slices what the reference does: LR, SC, AMOs and stores that break reservations", () => {
    const engine = make({ memoryBytes: INTERLEAVE_MEMORY_BYTES, cpus: 2 })
    for (let round = 0; round < 60; round++) expect(firstInterleavedDifference(engine, `interleave-${round}`)).toBeUndefined()
  })
})

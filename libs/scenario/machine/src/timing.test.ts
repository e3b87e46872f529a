import { describe, expect, it } from "vitest"
import { Rejection } from "./rejection.ts"
import { machineSpecOf, resolveMachineSpec } from "./resolve.ts"
import { PRESETS, resolveTiming } from "./timing-presets.ts"

describe("cost tables", () => {
  it("left out: functional, with the costs of modern", () => {
    const { timing } = resolveMachineSpec({})
    expect(timing).toEqual({ fidelity: "functional", preset: "modern", ...PRESETS.modern })
    expect(machineSpecOf(resolveMachineSpec({}))).toEqual(resolveMachineSpec({}))
  })

  it("a preset gives what is not given, group by group", () => {
    const timing = resolveTiming({ fidelity: "timed", preset: "disco1997", tlb: { missCycles: 9 }, threadsPerCore: 2 })
    expect([timing.memory.localNanoseconds, timing.memory.remoteNanoseconds]).toEqual([300, 900])
    expect(timing.tlb).toEqual({ entries: 64, ways: 64, missCycles: 9 })
    expect(timing.threadsPerCore).toBe(2)
  })

  it.each([
    ["timed, for a machine of services", { fidelity: "timed" }, "timing.fidelity"],
    ["an unknown preset", { preset: "best" }, "timing.preset"],
    ["an unknown cost", { bus: { colour: 1 } }, "timing.bus.colour"],
    ["ways that do not divide", { firstLevel: { ways: 3 } }, "timing.firstLevel.ways"],
    ["a second level of 3 × 2^n", { secondLevel: { bytes: 3_145_728 } }, "timing.secondLevel.ways"],
    ["a TLB of 3 sets", { tlb: { entries: 48, ways: 16 } }, "timing.tlb.ways"],
    ["remote memory nearer than local", { memory: { remoteNanoseconds: 10 } }, "timing.memory.remoteNanoseconds"],
  ])("refuses %s by its field", (_, timing, field) => {
    const refused = ((): unknown => {
      try {
        return resolveMachineSpec({ timing })
      } catch (error) {
        return error
      }
    })()
    expect(refused).toBeInstanceOf(Rejection)
    expect((refused as Rejection).message).toContain(field)
  })

  it("remote memory is farther than local, and a third hop farther than that, in every preset", () => {
    for (const { memory } of Object.values(PRESETS)) {
      expect(memory.remoteNanoseconds).toBeGreaterThan(memory.localNanoseconds)
      expect(memory.remoteDirtyNanoseconds).toBeGreaterThan(memory.remoteNanoseconds)
    }
  })
})

import { describe, expect, it } from "vitest"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { makeTimedEngine, type TimedEngine } from "@backplane/compute-engine/timed-engine"
import { encode } from "@backplane/compute-riscv/encode"
import { timingParameters } from "@backplane/memory-timing/timing-parameters"
import { resolveTiming } from "@backplane/scenario-machine/timing-presets"
import { TimedMachine } from "./timed-machine.ts"

const EBREAK = 0x00100073
const CSRR_A0_CYCLE = 0xc0002573
const CSRR_A0_MHARTID = 0xf1402573
const WFI = 0x10500073
/** addi a0, a0, n */
const add = (n: number): number => encode("addi", { rd: 10, rs1: 10, immediate: n })

function engine(threadsPerCore = 1): TimedEngine {
  const spec = resolveTiming({ fidelity: "timed", preset: "disco1997", threadsPerCore })
  return makeTimedEngine({ memoryBytes: 65_536, cpus: 2 }, timingParameters(spec, { nodes: threadsPerCore === 2 ? 1 : 2 }))
}

function image(...words: readonly number[]) {
  const data = Uint8Array.from(words.flatMap((word) => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24]))
  return { entry: RAM_BASE, segments: [{ address: RAM_BASE, data }] }
}

describe("the timed multiprocessor", () => {
  it("gives each hart its number, and back what it returns", () => {
    const run = new TimedMachine(engine()).run({ image: image(add(40), EBREAK), cpus: [1, 0], parameters: [] })
    expect(run.results).toEqual([40, 41])
    expect(run.instructions).toBe(2)
  })

  it("answers with virtual time and the CPU's number", () => {
    // One line of code: 300 ns at 400 MHz before the first instruction, which is one cycle.
    const time = new TimedMachine(engine()).run({ image: image(add(0), CSRR_A0_CYCLE, EBREAK), cpus: [0], parameters: [] })
    expect(time.results).toEqual([120 + 1])
    expect(new TimedMachine(engine()).run({ image: image(CSRR_A0_MHARTID, EBREAK), cpus: [1], parameters: [] }).results).toEqual([1])
  })

  it("lets a node wait for another's memory, three times as long", () => {
    const run = new TimedMachine(engine()).run({ image: image(add(0), EBREAK), cpus: [0, 1], parameters: [] })
    expect(run.counters.map(({ localMisses, remoteMisses }) => [localMisses, remoteMisses])).toEqual([[1, 0], [0, 1]]) // prettier-ignore
    expect(run.counters[1]?.fetchStallCycles).toBeGreaterThanOrEqual(360)
  })

  it("lets two threads of a core issue one instruction a cycle between them", () => {
    const loop = [encode("addi", { rd: 12, immediate: 1000 }), encode("addi", { rd: 12, rs1: 12, immediate: -1 }), encode("bne", { rs1: 12, immediate: -4 })] // prettier-ignore
    const cycles = (cpus: readonly number[]): number =>
      new TimedMachine(engine(2)).run({ image: image(...loop, EBREAK), cpus, parameters: [] }).cycles
    expect(cycles([0])).toBe(120 + 1 + 2000)
    expect(cycles([0, 1])).toBeGreaterThan(3800)
    expect(cycles([0, 1])).toBeLessThanOrEqual(120 + 2 * 2001)
  })

  it("tells how warm a CPU is for a page, and a move makes it cold", () => {
    // Loads one word of page 4 and one of page 5.
    const load = [encode("lui", { rd: 11, immediate: 0x80004 << 12 }), encode("slli", { rd: 11, rs1: 11, immediate: 32 }), encode("srli", { rd: 11, rs1: 11, immediate: 32 }), encode("ld", { rd: 12, rs1: 11, immediate: 0 }), encode("lui", { rd: 13, immediate: 1 << 12 }), encode("add", { rd: 11, rs1: 11, rs2: 13 }), encode("ld", { rd: 12, rs1: 11, immediate: 0 })] // prettier-ignore
    const warm = engine()
    new TimedMachine(warm).run({ image: image(...load, EBREAK), cpus: [0], parameters: [] })
    expect(warm.timing.warmth(0, new Set([4, 5]))).toEqual({ firstLevelLines: 2, secondLevelLines: 2 })
    expect(warm.timing.warmth(1, new Set([4, 5]))).toEqual({ firstLevelLines: 0, secondLevelLines: 0 })
    warm.timing.migrate(4, 1)
    expect(warm.timing.warmth(0, new Set([4, 5]))).toEqual({ firstLevelLines: 1, secondLevelLines: 1 })
  })

  it("calls at every interval that all have passed", () => {
    const seen: number[] = []
    const each = (_: unknown, interval: number): void => void seen.push(interval)
    new TimedMachine(engine()).run({ image: image(add(0), EBREAK), cpus: [0], parameters: [] }, { interval: { cycles: 50, each } })
    expect(seen).toEqual([1, 2])
  })

  it("names what a bare program may not do", () => {
    const run = (word: number) => () => new TimedMachine(engine()).run({ image: image(word), cpus: [0], parameters: [] })
    expect(run(WFI)).toThrow(/CPU 0 at 0x80000000: system is not for a bare program/)
    expect(run(0)).toThrow(/exception is not for a bare program/)
  })
})

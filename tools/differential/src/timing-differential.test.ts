/** The timed engine agrees with the model of memory/timing to the cycle, and each of its planted bugs is found. */
import { describe, expect, it } from "vitest"
import { ENGINE_TIMED_WASM } from "@backplane/compute-engine/engine-timed-wasm"
import { decodeBase64 } from "@backplane/compute-engine/wasm-module"
import { buildEngine } from "@backplane/engine-build/build"
import { PLANTED_TIMING_BUGS } from "@backplane/engine-build/planted-timing-bugs"
import { plantedSources } from "@backplane/engine-build/planted-bugs"
import { SMALL, firstTimingDifference, type TimingCase } from "./timing-differential.ts"
import type { TimingParameters } from "@backplane/compute-contract/timing"

const BUILD_MILLISECONDS = 120_000

const machine = (seed: string, cpus: number, paged: boolean, more: Partial<TimingParameters> = {}): TimingCase => ({
  seed,
  cpus,
  paged,
  parameters: { ...SMALL, ...more },
  instructions: 2400,
})

const CASES: readonly TimingCase[] = [
  machine("alone", 1, true, { nodes: 1 }),
  machine("one node", 4, false, { nodes: 1 }),
  machine("two nodes", 4, true),
  machine("s4", 4, false),
  machine("threads", 4, true, { threadsPerCore: 2 }),
  machine("threads in one core", 2, false, { threadsPerCore: 2, nodes: 1, firstLevel: { sets: 32, ways: 2 } }),
  machine("hardly any second level", 2, false, { nodes: 1, secondLevel: { sets: 2, ways: 1, hitCycles: 9 } }),
  machine("updates", 4, true, { protocol: "update" }),
  machine("interleaved", 6, false, { nodes: 3, placement: "interleave", secondLevel: { sets: 128, ways: 4, hitCycles: 8 } }),
  machine("all on node 0, room enough", 4, true, { placement: "local", firstLevel: { sets: 64, ways: 4 }, secondLevel: { sets: 256, ways: 8, hitCycles: 9 } }),
] // prettier-ignore

/** A bug may also lead the module out of its memory. */
function differenceOrFailure(one: TimingCase, build: Parameters<typeof firstTimingDifference>[1]): string | undefined {
  try {
    return firstTimingDifference(one, build)
  } catch (error) {
    return String(error)
  }
}

describe("virtual time of the timed engine", () => {
  it.each(CASES)("is that of the model: $seed", (one) => {
    expect(firstTimingDifference(one, { binary: decodeBase64(ENGINE_TIMED_WASM) })).toBeUndefined()
  })

  it("with any planted bug is not", { timeout: BUILD_MILLISECONDS }, async () => {
    const { binary } = await buildEngine(plantedSources("timed"), [], "-O1")
    const found = (planted: number): string | undefined => {
      for (const one of CASES) {
        const difference = differenceOrFailure(one, { binary, planted })
        if (difference !== undefined) return difference
      }
      return undefined
    }
    const unnoticed = PLANTED_TIMING_BUGS.filter((_, index) => found(index + 1) === undefined)
    expect(unnoticed.map(({ bug }) => bug)).toEqual([])
  })
})

/** The judge and the draws of `backplane chaos kv`, and a short run on real processes. */
import { describe, expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { faultsOf, FlagError, isSound, optionsOf, runChaos, type ChaosReport } from "./kv-chaos.ts"
import { drawFault, FAULTS } from "./nemesis.ts"

const GOOD: ChaosReport = {
  ...{ seed: 1, kills: 1, gatewayKills: 0, pauses: 0, partitions: 0, seconds: 1, operations: 10, failed: 0, acknowledged_lost: 0 },
  ...{
    p50_ms: 1,
    p99_ms: 2,
    p999_ms: 3,
    max_ms: 4,
    slowest: [],
    tail: [],
    judge_seconds: 0,
    equal: true,
    checkers: { siblings: null },
    history: null,
  },
}

describe("chaos on real processes", () => {
  it("is sound only where nothing failed, nothing was lost, all became equal and no checker found anything", () => {
    expect(isSound(GOOD)).toBe(true)
    for (const bad of [{ failed: 1 }, { acknowledged_lost: 1 }, { equal: false }, { checkers: { siblings: "acknowledged write lost: v" } }])
      expect(isSound({ ...GOOD, ...bad }), JSON.stringify(bad)).toBe(false)
  })

  it("does only what it may, and each of it", () => {
    const random = new Random("chaos")
    const drawn = (faults: readonly (typeof FAULTS)[number][]): string[] =>
      [...new Set(Array.from({ length: 200 }, () => drawFault(random, faults)))].sort()
    expect(drawn(["kill"])).toEqual(["kill"])
    expect(drawn(["pause", "partition"])).toEqual(["partition", "pause"])
    expect(drawn(FAULTS)).toEqual([...FAULTS].sort())
  })

  it("names a fault that there is not, and what there is", () => {
    expect(faultsOf("kill,pause")).toEqual(["kill", "pause"])
    expect(() => faultsOf("kil")).toThrow('--faults has "kil": give some of kill,pause,partition')
  })

  it.each([
    [["--faults", "pause"], "--faults pause has no kill, and the run ends after --kills: give --duration"],
    [["--kills", "none"], "--kills is none: give a whole number, at least 1"],
    [["--history", "/no/such/folder/history"], "--history /no/such/folder/history cannot be written"],
    [["--kill", "3"], "--kill"],
  ])("refuses %j before anything is started", (args, reason) => {
    expect(() => optionsOf(args)).toThrow(FlagError)
    expect(() => optionsOf(args)).toThrow(reason)
  })

  it("ends after kills or after a time, as it is told", () => {
    expect(optionsOf([])).toMatchObject({ seed: 1, kills: 100, seconds: null, clients: 24, faults: FAULTS, history: null })
    expect(optionsOf(["--faults", "pause", "--duration", "5"])).toMatchObject({ seconds: 5, faults: ["pause"] })
  })

  it("replicas are killed under load: nothing fails, nothing is lost, all become equal", { timeout: 180_000 }, async () => {
    const report = await runChaos({ seed: 1, kills: 3, seconds: null, clients: 6, faults: ["kill"], history: null, say: () => undefined })
    expect(report.checkers).toEqual({ siblings: null, "last-writer": null, linearizable: null })
    expect(isSound(report)).toBe(true)
    expect([report.kills, report.pauses, report.partitions]).toEqual([3, 0, 0])
    expect(report.operations).toBeGreaterThan(50)
  })
})

import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { GrownFile, grownAfter, regrown } from "./grown-processes.ts"
import { planProcesses } from "./process-plan.ts"
import { SERVICES } from "./service-manifest.ts"

const NOTHING = { colocate: false, replacements: [], counts: new Map<string, number>() }
let home = ""
beforeEach(() => void (home = mkdtempSync(join(tmpdir(), "backplane-grown-"))))
afterEach(() => rmSync(home, { recursive: true, force: true }))

const again = (remembered: readonly string[], counts = new Map<string, number>()): ReturnType<typeof regrown> =>
  regrown(remembered, SERVICES, { plans: planProcesses(SERVICES, { ...NOTHING, counts }), counts })

// `kv shards add replica.3`, stack:down, stack:up: the store had four members, and three came.
describe("a shard that joined the store", () => {
  it("is started with the others the next time", () => {
    const { plans, notices } = again(["kv-shard-0", "kv-shard-3", "kv-shard-5"])
    expect(plans.map(({ name }) => name)).toEqual(["kv-shard-3", "kv-shard-5"])
    expect(notices).toEqual([])
  })

  it("is told of where a smaller number was asked for", () => {
    const { plans, notices } = again(["kv-shard-3"], new Map([["kv-shard", 3]]))
    expect(plans).toEqual([])
    expect(notices).toEqual([expect.stringContaining("kv-shard-3 is not started")])
    expect(again(["kv-shard-3"], new Map([["kv-shard", 4]])).notices).toEqual([])
  })

  it("is remembered from when it is started until it is switched off; what does not grow is not", () => {
    const state = (name: string, phase: "ready" | "off" | "stopped"): Parameters<typeof grownAfter>[2][number] => ({
      services: [name],
      phase,
    })
    const joined = grownAfter([], SERVICES, [state("kv-shard-3", "ready"), state("kv-shard-0", "ready"), state("numa-node-0", "ready")])
    expect(joined).toEqual(["kv-shard-0", "kv-shard-3"])
    expect(grownAfter(joined, SERVICES, [state("kv-shard-3", "stopped")])).toEqual(joined)
    const left = grownAfter(joined, SERVICES, [state("kv-shard-3", "off")])
    expect(left).toEqual(["kv-shard-0"])
    expect(grownAfter(left, SERVICES, [state("kv-shard-3", "stopped"), state("kv-shard-0", "stopped")])).toEqual(["kv-shard-0"])
  })

  it("is remembered in the data folder, and a file that cannot be read is as none", () => {
    new GrownFile(home).keep(["kv-shard-0", "kv-shard-3"])
    expect(new GrownFile(home).names).toEqual(["kv-shard-0", "kv-shard-3"])
    mkdirSync(join(home, "data"), { recursive: true })
    writeFileSync(join(home, "data", "grown.json"), "{")
    expect(new GrownFile(home).names).toEqual([])
  })
})

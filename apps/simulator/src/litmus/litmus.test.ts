import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { EnginePool } from "../coherence/shared-world.ts"
import { checkLitmus } from "./litmus-command.ts"
import { LitmusError, parseLitmus } from "./litmus-file.ts"
import { PLACEMENTS } from "./litmus-run.ts"
import { scOutcomes } from "./sc-outcomes.ts"

const FOLDER = fileURLToPath(new URL("../../litmus", import.meta.url))
const NAMES = readdirSync(FOLDER).sort()
const load = (name: string): ReturnType<typeof parseLitmus> => parseLitmus(readFileSync(`${FOLDER}/${name}`, "utf8"))
const pool = new EnginePool()

describe("litmus tests", () => {
  it.each(NAMES)("%s has no outcome outside sequential consistency, wherever threads and variables lie", (name) => {
    const reports = checkLitmus(name, load(name), { runs: 15, from: 1, placements: PLACEMENTS, storeBuffer: false }, pool)
    expect(reports.flatMap(({ placement, forbidden }) => forbidden.map((each) => ({ placement, ...each })))).toEqual([])
    // Interleavings are really different ones.
    expect(Math.max(...reports.map(({ seen }) => seen))).toBeGreaterThan(1)
  })

  it.each(NAMES)("%s: what its author forbids, the enumerator does not reach", (name) => {
    const test = load(name)
    expect(test.quantifier).toBe("~exists")
    for (const outcome of scOutcomes(test)) {
      const values = new Map(outcome.split(" ").map((pair) => pair.split("=") as [string, string]))
      const holds = test.condition.holds({
        register: (thread, register) => BigInt(values.get(`${thread}:x${register}`) ?? "0x0"),
        variable: (variable) => ({
          value: BigInt(values.get(variable) ?? "0x0"),
          bits: 8 * (test.variables.find((each) => each.name === variable)?.bytes ?? 4),
        }),
      })
      expect(holds, outcome).toBe(false)
    }
  })

  it("initial values are declared as in C: int, int32_t, uint64_t, or not at all", () => {
    const { variables } = parseLitmus("RISCV t\n{\nint x; int32_t y=2; uint64_t z; w=1;\n}\n P0 ;\n fence ;\nexists (x=1 /\\ y=1)")
    expect(variables.map(({ name, bytes, value }) => [name, bytes, value])).toEqual([
      ["w", 4, 1n],
      ["x", 4, 0n],
      ["y", 4, 2n],
      ["z", 8, 0n],
    ])
  })

  it("the enumerator knows exactly the three outcomes of store buffering", () => {
    expect([...scOutcomes(load("store-buffering.litmus"))].map((outcome) => outcome.slice(0, 19)).sort()).toEqual([
      "0:x8=0x0 1:x8=0x1 x",
      "0:x8=0x1 1:x8=0x0 x",
      "0:x8=0x1 1:x8=0x1 x",
    ])
  })

  it("an engine with store buffers is found out", () => {
    const options = { runs: 60, from: 1, placements: ["two-nodes", "same-page"] as const, storeBuffer: true }
    const reports = checkLitmus("", load("store-buffering.litmus"), options, pool)
    expect(reports.some(({ forbidden }) => forbidden.some(({ outcome }) => outcome.startsWith("0:x8=0x0 1:x8=0x0")))).toBe(true)
  })

  it.each([
    ["X86 SB\n{}\n P0 ;\nexists (true)", /the architecture is RISCV/],
    ["RISCV t\n P0 ;\nexists (x=1)", /in braces/],
    ["RISCV t\n{\n}\n P0 ;\n lw x5,0(x6) ;\n", /no condition/],
    ["RISCV t\n{\n}\n P0 ;\n frobnicate x5 ;\nexists (x=1)", /not frobnicate/],
    ["RISCV t\n{\n}\n P0 ;\n beq x5,x6,NOWHERE ;\nexists (x=1)", /no label NOWHERE/],
    ["RISCV t\n{\n0:x5=x;\n}\n P0 ;\n fence ;\nexists (0:x5=x)", /x is no number/],
    ["RISCV t\n{\n0:x99=1;\n}\n P0 ;\n fence ;\nexists (x=1)", /no register x99/],
  ])("says what is wrong with a file: %s", (text, message) => {
    expect(() => parseLitmus(text)).toThrow(message)
    expect(() => parseLitmus(text)).toThrow(LitmusError)
  })
})

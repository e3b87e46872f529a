/** The command line of `npm test` and the closing line that machines read. */
import { describe, expect, it } from "vitest"
import { countsLine, parseCounts } from "./counts.ts"
import { parsePlan, stepCommand } from "./steps.ts"

describe("the plan", () => {
  it("is every step when nothing is asked", () => {
    expect(parsePlan([])).toEqual({ plan: { steps: ["typecheck", "lint", "format", "vitest"], rest: [] } })
  })
  it("is the named steps in their fixed order, with the rest handed on", () => {
    expect(parsePlan(["--only", "vitest,lint", "libs/kv"])).toEqual({ plan: { steps: ["lint", "vitest"], rest: ["libs/kv"] } })
  })
  it("refuses an unknown step or argument and names the remedy", () => {
    expect(parsePlan(["--only", "tests"])).toEqual({ error: expect.stringContaining("use typecheck, lint, format, vitest") })
    expect(parsePlan(["libs/kv"])).toEqual({ error: expect.stringContaining("--only") })
  })
  it("lints the whole tree unless folders are named", () => {
    expect(stepCommand("lint", []).at(-1)).toBe(".")
    expect(stepCommand("lint", ["libs/kv"]).at(-1)).toBe("libs/kv")
  })
})

describe("the closing line", () => {
  it("names the skipped only when there are any", () => {
    expect(countsLine({ passed: 3, failed: 0, skipped: 0 })).toBe("3 passed, 0 failed")
    expect(countsLine({ passed: 3, failed: 1, skipped: 2 })).toBe("3 passed, 1 failed, 2 skipped")
  })
  it("is not made of what no run wrote", () => {
    expect(parseCounts("")).toBeNull()
    expect(parseCounts('{"passed":1,"failed":"0","skipped":0}')).toBeNull()
    expect(parseCounts('{"passed":1,"failed":0,"skipped":0}')).toEqual({ passed: 1, failed: 0, skipped: 0 })
  })
})

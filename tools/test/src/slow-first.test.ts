import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { SLOW_FILES, slowFirst } from "./slow-first.ts"

describe("the order of test files", () => {
  it("names files that are there, each once", () => {
    const root = join(import.meta.dirname, "../../..")
    expect(SLOW_FILES.filter((name) => !existsSync(join(root, name)))).toEqual([])
    expect(new Set(SLOW_FILES).size).toBe(SLOW_FILES.length)
  })

  it("puts the named ones in front, longest first, and leaves the others as they were", () => {
    const [longest = "", second = ""] = SLOW_FILES
    expect(slowFirst(["b.test.ts", second, "a.test.ts", longest], (name) => name)).toEqual([longest, second, "b.test.ts", "a.test.ts"])
  })
})

import { describe, expect, it } from "vitest"
import { trapLines } from "./vm-traps.ts"

describe("the last exits of a VM", () => {
  it("stand one a line, below their heads", () => {
    const trap = { cause: "load-page", pc: "0x80000102", va: "0x4000", instret: 812, time: 90210, cycles: 300 }
    const [head = "", line = "", ...more] = trapLines([trap])
    expect(more).toEqual([])
    expect(line.trim().split(/\s+/)).toEqual(["90210", "812", "0x80000102", "0x4000", "300", "load-page"])
    expect(head.indexOf("last exits")).toBe(line.indexOf("load-page"))
  })

  it.each([[[]], [undefined], [null]])("are said to be none where the node remembers none (%j)", (traps) => {
    expect(trapLines(traps)).toEqual([expect.stringContaining("no exit is remembered")])
  })
})

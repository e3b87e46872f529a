import { InvalidArgumentError } from "commander"
import { describe, expect, it } from "vitest"
import { checkNodes, checkSize, memoryNodes, pageNumber, placement, spaceName, spacePages, wholeNumbers } from "./memory-flags.ts"

describe("flags of memory", () => {
  it.each([
    ["a name that is empty", () => spaceName("")],
    ["a name with a slash", () => spaceName("a/b")],
    ["no page", () => spacePages("0")],
    ["more pages than a memory has", () => spacePages("99999")],
    ["nodes that are not given", () => wholeNumbers("")],
    ["a node that is missing in a list", () => wholeNumbers("0,,1")],
    ["half a page", () => wholeNumbers("1.5")],
    ["a node that none can be: nobody would answer", () => memoryNodes("0,31")],
    ["a page that none can be: nobody would answer", () => pageNumber("1073741825")],
    ["a placement that is none", () => placement("near")],
    ["a placement without its node", () => placement("local:")],
  ])("%s is refused by name of the flag", (_, parse) => {
    expect(parse).toThrow(InvalidArgumentError)
  })

  it("what the machine does not have is said of the flag that names it", () => {
    const nodes = [0, 1].map((node) => ({ node, frames: 1, free: 1, leased: 0, shared: 0, dead: false, level: "high" as const }))
    expect(() => checkNodes({ nodes }, { placement: { kind: "local", node: 9 } })).toThrow(
      "--placement: there is no node 9; the machine has nodes 0 to 1",
    )
    expect(() => checkNodes({ nodes }, { placement: { kind: "bind", nodes: [1, 2] } })).toThrow("--placement: there is no node 2")
    expect(() => checkNodes({ nodes }, { placement: { kind: "interleave" }, harts: [0, 7] })).toThrow("--harts: there is no node 7")
    expect(() => checkNodes({ nodes }, { placement: { kind: "local", node: 1 }, harts: [0, 1] })).not.toThrow()
    expect(() => checkSize({ pages: 5000, harts: [0, 1] })).toThrow(
      "--pages: a memory has at most 4096 pages, and 2 harts would go over 5000",
    )
    expect(() => checkSize({ pages: 10, harts: new Array<number>(65).fill(0) })).toThrow("--harts: at most 64, not 65")
  })
})

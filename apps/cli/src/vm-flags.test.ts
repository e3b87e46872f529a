/** What is wrong with the description of a VM is told by the flag that it came from. */
import { describe, expect, it } from "vitest"
import { byFlag, vmSpecOf, type VmFlags } from "./vm-flags.ts"

const IMAGES = { kernel: { hash: "0".repeat(64), bytes: 1 } }
const flags = (change: Partial<VmFlags>): VmFlags => ({ cpus: 1, memory: 16 << 20, mode: "trap", trapPath: "resident", ...change })

describe("the flags of a VM", () => {
  it("make its description", () => {
    const made = vmSpecOf("web-1", flags({ cpus: 2, node: "1", affinity: "2,3", irqAffinity: "10:1" }), IMAGES)
    expect(made).toMatchObject({ name: "web-1", cpus: 2, memoryBytes: 16 << 20, node: 1, affinity: [2, 3] })
    expect(made.irqAffinity).toEqual([{ source: 10, vcpus: [1] }])
  })

  it("are named where they cannot be", () => {
    for (const name of ["x y", "", "-a", "Alpha", "a".repeat(33)])
      expect(() => vmSpecOf(name, flags({}), IMAGES)).toThrow("is no name for a VM; give up to 32")
    expect(() => vmSpecOf("a", flags({ cpus: 99 }), IMAGES)).toThrow("--cpus: 99 vCPUs are too many")
    expect(() => vmSpecOf("a", flags({ memory: 3 }), IMAGES)).toThrow("--memory: ")
    expect(() => vmSpecOf("a", flags({ node: "one" }), IMAGES)).toThrow("--node: one is not a whole number")
    expect(() => vmSpecOf("a", flags({ mode: "trap", mmu: "walk" }), IMAGES)).toThrow("--mmu: walk is that of mode native")
  })

  it("are named where a machine refuses what they say", () => {
    expect(byFlag("vm.node: there is no node 9; the nodes are 0 to 1")).toBe("--node: there is no node 9; the nodes are 0 to 1")
    expect(byFlag("vm.memoryBytes: too many")).toBe("--memory: too many")
    expect(byFlag("name: there is a VM alpha already")).toBe("name: there is a VM alpha already")
  })
})

import { describe, expect, it } from "vitest"
import { machineSpecOf, resolveMachineSpec } from "./resolve.ts"

describe("rules of spaces in a scenario", () => {
  it("reach the machine as they were given, and are checked again there", () => {
    const memory = { swapPages: 0, spaces: [{ name: "m", follow: true }, { name: "n", migrate: true, hotMisses: 4 }] } // prettier-ignore
    const spec = resolveMachineSpec({ memory, jobs: [] })
    expect(machineSpecOf(JSON.parse(JSON.stringify(spec))).memory).toEqual(memory)
  })

  it("are refused for a name that has some already, an unknown rule, a node that is not there and a name that no job can give", () => {
    const refused = (...spaces: readonly object[]): (() => unknown) => {
      return () => resolveMachineSpec({ memory: { swapPages: 0, spaces }, jobs: [] })
    }
    expect(refused({ name: "m" }, { name: "n" }, { name: "m" })).toThrow(/memory\.spaces\[2\]\.name.*unique/)
    expect(refused({ name: "m", fallow: true })).toThrow(/fallow/)
    expect(refused({ name: "m", placement: { kind: "local", node: 1 } })).toThrow(/memory\.spaces\[0\]\.placement.*no node 1/)
    expect(refused({ name: "m", placement: { kind: "bind", nodes: [0, 3] } })).toThrow(/no node 3/)
    expect(refused({ name: "a space" })).toThrow(/memory\.spaces\[0\]\.name/)
  })
})

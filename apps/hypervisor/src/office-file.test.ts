import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { OfficeFile, type KeptEntry } from "./office-file.ts"

const ENTRY: KeptEntry = {
  spec: resolveMachineSpec({ name: "demo" }),
  origin: 17,
  places: [{ actor: actorId("node.0"), instance: "numa-node-0", incarnation: "a", epoch: 2, running: true }],
}

let folder = ""
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "backplane-office-"))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe("the office's file", () => {
  it("gives a later life of the same run what an earlier one wrote, and leaves no half-written file", () => {
    new OfficeFile(folder, "run-1").write([ENTRY])
    expect(new OfficeFile(folder, "run-1").read()).toEqual([ENTRY])
    expect(readdirSync(folder)).toEqual(["machines.json"])
  })

  it("gives another run nothing, and clears away what the machines had kept, and only that", () => {
    new OfficeFile(folder, "run-1").write([ENTRY])
    for (const name of ["demo", "store", ".images"]) mkdirSync(join(folder, name))
    expect(new OfficeFile(folder, "run-2").read()).toEqual([])
    expect(readdirSync(folder).sort()).toEqual([".images", "machines.json", "store"])
  })

  it("clears away what a machine had kept that has ended, and nothing of others", () => {
    for (const name of ["demo", "demo-2", "store"]) mkdirSync(join(folder, name))
    new OfficeFile(folder, "run-1").forget("demo")
    new OfficeFile(folder, "run-1").forget("never-there")
    expect(readdirSync(folder).sort()).toEqual(["demo-2", "store"])
  })

  it("does not begin over a damaged file: it names the file and the remedy", () => {
    writeFileSync(join(folder, "machines.json"), '{"run":"run-1","machines":[{}')
    expect(() => new OfficeFile(folder, "run-1").read()).toThrow(/machines\.json is damaged \(.*\): remove it/)
    expect(existsSync(join(folder, "machines.json"))).toBe(true)
  })

  it("without a data folder keeps nothing", () => {
    const file = new OfficeFile(null, "run-1")
    file.write([ENTRY])
    expect(file.read()).toEqual([])
  })
})

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { claimPort } from "./port-claim.ts"

const folder = mkdtempSync(join(tmpdir(), "backplane-claims-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
/** Alive as long as this test, and not this process. */
const OTHER = process.ppid
/** Beyond what Linux gives out. */
const DEAD = 2 ** 30

describe("a claim on a port", () => {
  it("goes to one of two live processes, and stays with it", () => {
    expect(claimPort(4001, OTHER, folder)).toBe(true)
    expect(claimPort(4001, process.pid, folder)).toBe(false)
    expect(claimPort(4001, OTHER, folder)).toBe(true)
  })

  it("of a dead process is void", () => {
    expect(claimPort(4002, DEAD, folder)).toBe(true)
    expect(claimPort(4002, process.pid, folder)).toBe(true)
    expect(claimPort(4002, OTHER, folder)).toBe(false)
  })

  it("that nobody can read counts for nothing", () => {
    writeFileSync(join(folder, "backplane-port-4003.pid"), "?")
    expect(claimPort(4003, process.pid, folder)).toBe(true)
  })

  it("is not needed where no file can be made", () => {
    expect(claimPort(4004, process.pid, join(folder, "missing"))).toBe(true)
  })
})

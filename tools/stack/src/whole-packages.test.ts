/** Packages made one file: what is taken is the same, only from there. */
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { makeWholePackages, wholePackagesFlags } from "./whole-packages.ts"

const INSTALLED = join(import.meta.dirname, "../../../node_modules")
let root = ""
let modules = ""

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "backplane-whole-"))
  modules = join(root, "node_modules")
  mkdirSync(modules)
  cpSync(join(INSTALLED, "typebox"), join(modules, "typebox"), { recursive: true })
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** What a program that checks something says, and from how many files of the package it was made. */
function checked(flags: readonly string[]): { readonly said: string; readonly files: number } {
  const program = join(root, "program.mjs")
  writeFileSync(
    program,
    `import { registerHooks } from "node:module"
     let files = 0
     registerHooks({ load: (url, context, next) => ((files += url.includes("typebox") ? 1 : 0), next(url, context)) })
     const { Type } = await import("typebox")
     const { Compile } = await import("typebox/compile")
     const { Value } = await import("typebox/value")
     const schema = Type.Object({ n: Type.Integer({ minimum: 1 }), s: Type.Optional(Type.Enum(["a", "b"])) }, { additionalProperties: false })
     const values = [{ n: 1 }, { n: 1, s: "b" }, { n: 0 }, { n: 1, s: "c" }, { n: 1, more: 1 }, null]
     const checker = Compile(schema)
     const said = values.map((value) => [checker.Check(value), Value.Check(schema, value), [...checker.Errors(value)].map((each) => each.instancePath + " " + each.keyword)])
     console.log(JSON.stringify({ said: JSON.stringify(said), files }))`,
  )
  const run = spawnSync(process.execPath, [...flags, program], { encoding: "utf8", cwd: root, timeout: 60_000 })
  expect(run.stderr).toBe("")
  return JSON.parse(run.stdout) as { said: string; files: number }
}

describe("packages made whole", () => {
  it("give the same from a few files, by every name that we import", { timeout: 120_000 }, async () => {
    expect(wholePackagesFlags(modules)).toEqual([])
    const before = checked(wholePackagesFlags(modules))
    await makeWholePackages(modules)
    await makeWholePackages(modules)
    expect(wholePackagesFlags(modules)).toHaveLength(1)
    const after = checked(wholePackagesFlags(modules))
    expect(after.said).toBe(before.said)
    expect(JSON.parse(after.said)).toHaveLength(6)
    expect(before.files).toBeGreaterThan(500)
    expect(after.files).toBeLessThan(10)
  })

  it("are as good as absent where they cannot be made, and leave nothing behind", { timeout: 60_000 }, async () => {
    const other = join(root, "other")
    mkdirSync(join(other, "typebox"), { recursive: true })
    writeFileSync(join(other, "typebox/package.json"), '{"version":"9.9.9"}')
    await expect(makeWholePackages(other)).rejects.toThrow()
    expect(wholePackagesFlags(other)).toEqual([])
    expect(readdirSync(join(other, ".cache/backplane"))).toEqual([])
  })
})

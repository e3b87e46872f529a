/** The one-process type check gives the verdict of the compiler: a planted error is found, in its own project only. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import { projectFiles, typecheckProject } from "./typecheck.ts"

const OPTIONS = { strict: true, noEmit: true, module: "nodenext", allowImportingTsExtensions: true, types: [], lib: ["ES2023"] }
let root = ""

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), text)
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "backplane-typecheck-"))
  for (const name of ["sound", "unsound", "impure"]) {
    write(`libs/a/${name}/package.json`, JSON.stringify({ name: `@backplane/a-${name}`, type: "module" }))
    write(`libs/a/${name}/tsconfig.json`, JSON.stringify({ compilerOptions: OPTIONS, include: ["src"] }))
  }
  write("libs/a/sound/src/use.ts", 'import { wrong } from "../../unsound/src/wrong.ts"\nexport const right: string = wrong\n')
  write("libs/a/unsound/src/wrong.ts", "export const wrong: string = 1\n")
  write("libs/a/impure/src/timer.ts", "setTimeout(() => {}, 1)\n")
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

it("finds every package, and the tests as the last project", () => {
  const folders = ["impure", "sound", "unsound"].map((name) => join("libs/a", name, "tsconfig.json"))
  expect(projectFiles(root, [])).toEqual([...folders, "tools/test/tsconfig.tests.json"])
  expect(projectFiles(root, ["libs/a/sound"])).toEqual([join("libs/a/sound/tsconfig.json")])
})

it("reports an error once, in the project that owns the file", () => {
  const parsed = new Map()
  const errors = (name: string): readonly string[] => typecheckProject(root, `libs/a/${name}/tsconfig.json`, parsed).errors
  expect(errors("sound")).toEqual([])
  expect(errors("unsound")).toEqual([expect.stringContaining("TS2322")])
})

it("refuses a timer in a package whose types are empty", () => {
  expect(typecheckProject(root, "libs/a/impure/tsconfig.json", new Map()).errors).toEqual([expect.stringContaining("setTimeout")])
})

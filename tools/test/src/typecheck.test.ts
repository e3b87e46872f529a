/** The type check gives the verdict of the compiler: a planted error is found, in its own project only, by either of its two ways. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { nativeCompiler, typecheckNatively } from "./typecheck-native.ts"
import { typecheckInPrograms } from "./typecheck-programs.ts"
import { projectFiles } from "./typecheck.ts"

const OPTIONS = {
  strict: true,
  noEmit: true,
  module: "nodenext",
  moduleDetection: "force",
  allowImportingTsExtensions: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  noUnusedLocals: true,
  erasableSyntaxOnly: true,
  skipLibCheck: true,
  types: [] as readonly string[],
  lib: ["ES2023"],
}

/** What each package says, by name, and the errors that are to be found in it: all, in order. */
const PACKAGES: readonly { readonly name: string; readonly text: string; readonly errors: readonly string[] }[] = [
  { name: "sound", text: 'import { wrong } from "../../unsound/src/file.ts"\nexport const right: string = wrong\n', errors: [] },
  { name: "unsound", text: "export const wrong: string = 1\n", errors: ["TS2322"] },
  { name: "impure", text: "setTimeout(() => {}, 1)\n", errors: ["setTimeout"] },
  { name: "inexact", text: "export const inexact: { readonly of?: string } = { of: undefined }\n", errors: ["TS2375"] },
  { name: "unchecked", text: "export const first = (all: readonly string[]): string => all[0]\n", errors: ["TS2322"] },
  { name: "unused", text: "const unused = 1\n", errors: ["TS6133"] },
  { name: "emitting", text: "export enum Colour {\n  Red,\n}\n", errors: ["TS1294"] },
  { name: "unparsed", text: "export const half =\n", errors: ["TS1109"] },
  { name: "lost", text: 'import { gone } from "../../sound/src/gone.ts"\nexport const lost = gone\n', errors: ["TS2307"] },
  // Brings a timer into its own program, and so may use it; `impure` still has none.
  { name: "timely", text: '/// <reference types="clock" />\nexport const timer = setTimeout\n', errors: [] },
  { name: "planting", text: "declare global {\n  var planted: number\n}\nexport const grown = planted\n", errors: [] },
  { name: "poaching", text: "export const poached = planted\n", errors: ["planted"] },
  {
    name: "spread",
    text: 'export const spread: { readonly deep: { readonly of: string } } = { deep: { of: 1 } }\nexport const far: number = "far"\n',
    errors: ["TS2322", "TS2322"],
  },
]

let root = ""

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), text)
}

const projectOf = (name: string): string => join("libs/a", name, "tsconfig.json")

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "backplane-typecheck-"))
  write("node_modules/@types/clock/package.json", JSON.stringify({ name: "@types/clock", version: "1.0.0", types: "index.d.ts" }))
  write("node_modules/@types/clock/index.d.ts", "declare function setTimeout(run: () => void, milliseconds: number): void\n")
  for (const { name, text } of PACKAGES) {
    write(`libs/a/${name}/package.json`, JSON.stringify({ name: `@backplane/a-${name}`, type: "module" }))
    write(projectOf(name), JSON.stringify({ compilerOptions: OPTIONS, include: ["src"], exclude: ["src/**/*.test.ts"] }))
    write(`libs/a/${name}/src/file.ts`, text)
    write(`libs/a/${name}/src/file.test.ts`, `export const tried: string = ${name === "sound" ? 1 : '""'}\n`)
  }
  const tests = { compilerOptions: { ...OPTIONS, types: ["clock"] }, include: ["../../libs/**/*.test.ts"] }
  write("tools/test/tsconfig.tests.json", JSON.stringify(tests))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

it("finds every package, and the tests as the last project", () => {
  const projects = PACKAGES.map(({ name }) => projectOf(name)).toSorted()
  expect(projectFiles(root, [])).toEqual([...projects, "tools/test/tsconfig.tests.json"])
  expect(projectFiles(root, ["libs/a/sound"])).toEqual([projectOf("sound")])
})

const native = nativeCompiler()
const ways = [
  { way: "a program for each package", check: typecheckInPrograms },
  ...(native === null
    ? []
    : [
        {
          way: "the native compiler",
          check: (of: string, projects: readonly string[]) => typecheckNatively(native, of, projects),
        },
      ]),
]

describe.each(ways)("by $way", ({ check }) => {
  it("each error is reported once, in the project that owns the file, and nothing else", () => {
    const verdicts = new Map(check(root, projectFiles(root, [])).map((verdict) => [verdict.project, verdict]))
    for (const { name, errors } of PACKAGES)
      expect(verdicts.get(projectOf(name)), name).toMatchObject({
        filesCount: 1,
        errors: errors.map((error) => expect.stringContaining(error)),
      })
    const tests = verdicts.get("tools/test/tsconfig.tests.json")
    expect(tests).toMatchObject({
      filesCount: PACKAGES.length,
      errors: [expect.stringContaining("sound/src/file.test.ts(1,14): error TS2322")],
    })
  })

  it("an option that there is not is an error", () => {
    write("libs/b/wrong/tsconfig.json", JSON.stringify({ compilerOptions: { ...OPTIONS, stricter: true }, include: ["src"] }))
    write("libs/b/wrong/src/file.ts", "export const fine = 1\n")
    expect(check(root, ["libs/b/wrong/tsconfig.json"]).flatMap(({ errors }) => errors)).toContainEqual(expect.stringContaining("stricter"))
  })

  it("a package checked by itself has the verdict that it has among the others", () => {
    expect(check(root, [projectOf("timely")])[0]?.errors).toEqual([])
    expect(check(root, [projectOf("impure")])[0]?.errors).toEqual([expect.stringContaining("setTimeout")])
  })
})

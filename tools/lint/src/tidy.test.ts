/** The tree keeps the habits of the house, and each habit's check catches its planted offence. */
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { CHECKS, importedModules, packageOf, type Package, type SourceFile, type Tree } from "./tidy.ts"
import { readWorkingTree } from "./working-tree.ts"

const CHECKOUT = join(import.meta.dirname, "../../..")

describe("the tree is tidy", () => {
  const tree = readWorkingTree(CHECKOUT)
  it.each(Object.entries(CHECKS))("%s", (_, check) => {
    expect(check(tree)).toEqual([])
  })
})

const LAWFUL_README = "# a\n\nOwns: the thing.\nDoes not own: the rest.\nMay import: nothing.\n"
const LAWFUL: Package = {
  folder: "libs/a/b",
  name: "@backplane/a-b",
  type: "model",
  scope: "a",
  manifest: { dependencies: { typebox: "1.0.0" } },
}

/** The first declares the second, which declares a package of others. */
const NEIGHBOURS: readonly Package[] = [
  { ...LAWFUL, manifest: { dependencies: { "@backplane/c-d": "0.1.0" } } },
  { ...LAWFUL, folder: "libs/c/d", name: "@backplane/c-d" },
]

function treeOf(files: readonly SourceFile[], packages: readonly Package[] = []): Tree {
  return { files, packages, rootDependencies: new Set(["vitest"]) }
}

/** The offence of each check, and a text of the same kind that is lawful. */
const PLANTED: Record<keyof typeof CHECKS, { readonly bad: Tree; readonly good: Tree }> = {
  "only what the architecture names lies at the top level": {
    bad: treeOf([{ path: "scratch/notes.md", text: "" }]),
    good: treeOf([{ path: ".ci/run", text: "" }]),
  },
  "no file names a machine's path or a registry": {
    bad: treeOf([{ path: "a.ts", text: `const x = "/${"wo" + "rk"}/main"` }]),
    good: treeOf([{ path: "a.ts", text: "// libs/work/main and apps/root/x" }]),
  },
  "every package says what it owns and has both tags": {
    bad: treeOf([{ path: "libs/a/b/README.md", text: "# a\n\nOwns: \nDoes not own: \n" }], [LAWFUL]),
    good: treeOf([{ path: "libs/a/b/README.md", text: LAWFUL_README }], [LAWFUL]),
  },
  "there are no barrels": {
    bad: treeOf([{ path: "libs/a/b/src/index.ts", text: "" }]),
    good: treeOf([{ path: "libs/a/b/src/index-of-pages.ts", text: "" }]),
  },
  "an open task has owner and condition, a silenced rule its reason": {
    bad: treeOf([{ path: "a.ts", text: `// ${"TO" + "DO"} later` }]),
    good: treeOf([{ path: "a.ts", text: `// ${"TO" + "DO"}(memory): drop this when shards split` }]),
  },
  "a package declares what it imports": {
    bad: treeOf([{ path: "libs/a/b/src/x.ts", text: 'import { y } from "@backplane/c-d/y"\n' }], [LAWFUL]),
    good: treeOf([{ path: "libs/a/b/src/x.ts", text: 'import { T } from "typebox"\nimport { fs } from "node:fs"\n' }], [LAWFUL]),
  },
  "a package imports what it declares of the workspace": {
    bad: treeOf([{ path: "libs/a/b/src/x.ts", text: '// "@backplane/c-d/y"\n' }], [...NEIGHBOURS]),
    good: treeOf([{ path: "libs/a/b/src/x.test.ts", text: 'import { y } from "@backplane/c-d/y"\n' }], [...NEIGHBOURS]),
  },
  "what is exported is used": {
    bad: treeOf([{ path: "a.ts", text: "export function lonely(): void {}\nexport const used = 1\nvoid used\n" }]),
    good: treeOf([
      { path: "a.ts", text: "export function met(): void {}\nexport type Own = 1\nexport const its: Own = 1\n" },
      { path: "a.test.ts", text: "met(its)\n" },
    ]),
  },
  "every version is pinned exactly": {
    bad: treeOf([], [{ ...LAWFUL, manifest: { dependencies: { typebox: "^1.0.0" } } }]),
    good: treeOf([], [LAWFUL]),
  },
}

describe("each check catches its offence", () => {
  it.each(Object.entries(PLANTED))("%s", (name, { bad, good }) => {
    const check = CHECKS[name as keyof typeof CHECKS]
    expect(check(bad)).not.toEqual([])
    expect(check(good)).toEqual([])
  })
})

describe("imports are found", () => {
  it("in every form, but not in comments", () => {
    const text = [
      'import a from "a"',
      "import {",
      "  b,",
      '} from "@s/b/c"',
      'export { d } from "d"',
      '// import e from "e"',
      'await import("f/g")',
      'import "h"',
    ].join("\n")
    expect(importedModules(text)).toEqual(["a", "@s/b/c", "d", "f/g", "h"])
  })
  it("by the package that owns the module", () => {
    expect(["@s/b/c", "f/g", "./x.ts", "node:fs", "fs/promises"].map(packageOf)).toEqual(["@s/b", "f", null, null, null])
  })
})

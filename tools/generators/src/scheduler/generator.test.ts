import { expect, it } from "vitest"
import { FALLBACK, POLICY_NAMES } from "@backplane/scenario-machine/machine-spec"
import scheduler, { TAKEN } from "./generator.mjs"

/** A tree in memory. */
function treeOf(...folders: readonly string[]): {
  readonly files: Map<string, string>
  exists(path: string): boolean
  write(path: string, text: string): void
} {
  const files = new Map<string, string>()
  return { files, exists: (path) => folders.includes(path), write: (path, text) => void files.set(path, text) }
}

it("fills in the name everywhere", () => {
  const tree = treeOf()
  scheduler(tree, { name: "very-fair-2" })
  expect([...tree.files.keys()].sort()).toEqual(
    ["README.md", "package.json", "src/main.ts", "src/very-fair-2.laws.test.ts", "src/very-fair-2.ts", "tsconfig.json"].map(
      (file) => `apps/very-fair-2/${file}`,
    ),
  )
  const texts = [...tree.files.values()]
  expect(texts.filter((text) => /__\w+__/.test(text))).toEqual([])
  expect(tree.files.get("apps/very-fair-2/src/very-fair-2.ts")).toContain("class VeryFair2 implements")
})

it("refuses what is no name, and a folder that is there", () => {
  expect(() => scheduler(treeOf(), { name: "My Sched" })).toThrow('name: "My Sched" is no name; use lower case letters, digits and dashes')
  expect(() => scheduler(treeOf("apps/mine"), { name: "mine" })).toThrow("name: apps/mine is there already; take another name or remove it")
})

it("refuses the name of a policy of ours, under which no service could attach", () => {
  expect(TAKEN).toEqual([...POLICY_NAMES, FALLBACK])
  for (const name of TAKEN) expect(() => scheduler(treeOf(), { name })).toThrow(`name: ${name} is a policy of ours; take another name`)
})

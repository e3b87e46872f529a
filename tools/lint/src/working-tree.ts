/** Reads the checkout for the tidy checks: the files git knows or would add, and the packages. */
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { workspacePackages } from "../packages.mjs"
import type { Package, SourceFile, Tree } from "./tidy.ts"

/** Binary and bulk files say nothing about style. */
const TEXT = /\.(ts|tsx|mjs|js|json|md|ya?ml|html|css|txt|sh|conf|toml)$|(^|\/)(\.ci\/run|\.gitignore|\.npmrc|LICENSE)$/

export function readWorkingTree(root: string): Tree {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 << 20,
  })
  const paths = listed.split("\0").filter((path) => path !== "" && existsSync(join(root, path)))
  const files: readonly SourceFile[] = paths.map((path) => ({ path, text: TEXT.test(path) ? readFileSync(join(root, path), "utf8") : "" }))
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Package["manifest"]
  const packages: readonly Package[] = workspacePackages(root)
  return { files, packages, rootDependencies: new Set(Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })) }
}

/** The workspace packages as the lint rules need them: folder, name, type and scope, read from each package.json. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** Folders that hold packages, with the depth at which they lie. The same as `workspaces` of the root package.json. */
const ROOTS = [
  { root: "apps", depth: 1 },
  { root: "libs", depth: 2 },
  { root: "infra", depth: 1 },
  { root: "tools", depth: 1 },
]

/**
 * @param {string} workspace folder of the checkout
 * @returns {{ folder: string, name: string, type: string, scope: string, manifest: Record<string, any> }[]} ordered by folder
 */
export function workspacePackages(workspace) {
  const folders = ROOTS.flatMap(({ root, depth }) => foldersAt(workspace, root, depth))
  return folders.flatMap((folder) => {
    const path = join(workspace, folder, "package.json")
    if (!existsSync(path)) return []
    const manifest = JSON.parse(readFileSync(path, "utf8"))
    const tags = manifest.nx?.tags ?? []
    return [{ folder, name: manifest.name, type: tagValue(tags, "type"), scope: tagValue(tags, "scope"), manifest }]
  })
}

function tagValue(tags, kind) {
  return tags.find((tag) => tag.startsWith(`${kind}:`))?.slice(kind.length + 1) ?? ""
}

function foldersAt(workspace, root, depth) {
  const path = join(workspace, root)
  if (!existsSync(path)) return []
  const names = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
  const folders = names.map((entry) => `${root}/${entry.name}`).sort()
  return depth === 1 ? folders : folders.flatMap((folder) => foldersAt(workspace, folder, depth - 1))
}

/** Where a Node.js new enough to run TypeScript is: this process, or the program that an optional dependency brought. Plain JavaScript. */
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** Runs .ts files directly. */
export const NODE_MAJOR_MIN = 24

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..")

/** Path of a Node.js of at least NODE_MAJOR_MIN, or null. */
export function findNode(root = ROOT) {
  if (Number(process.versions.node.split(".")[0]) >= NODE_MAJOR_MIN) return process.execPath
  const platform = process.platform === "win32" ? "win" : process.platform
  const program = process.platform === "win32" ? "node.exe" : "node"
  const path = join(root, "node_modules", `node-${platform}-${process.arch}`, "bin", program)
  return existsSync(path) ? path : null
}

export function nodeHint() {
  const have = `this is Node.js ${process.versions.node} on ${process.platform}-${process.arch}`
  const how =
    process.platform === "darwin"
      ? "brew install node@24 (and put it first on PATH)"
      : "install Node.js 24 from nodejs.org or with nvm install 24"
  return `Node.js ${NODE_MAJOR_MIN} or newer is needed; ${have}, and npm brought no newer one. Remedy: ${how}, then run the command again`
}

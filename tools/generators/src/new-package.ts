/**
 * Makes the folder of a new workspace package with its tags: `node tools/generators/src/new-package.ts <folder> <type> <scope> [dependency…]`.
 *
 * Only the frame (package.json, tsconfig.json, README.md); never overwrites a file.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const TYPES = ["base", "actor", "contract", "model", "machine", "runtime", "simulation", "telemetry", "app", "simulator", "tool"]
/** Kinds of package that may see Node.js itself. */
const WITH_NODE = new Set(["runtime", "telemetry", "app", "simulator", "tool"])

/** `libs/schedule/contract` → `@backplane/schedule-contract`; `apps/cli` → `@backplane/app-cli` (an app may bear a library's name). */
function packageName(folder: string): string {
  const [top, ...rest] = folder.split("/")
  return `@backplane/${(top === "apps" ? ["app", ...rest] : rest).join("-")}`
}

function main(args: readonly string[]): number {
  const [folder, type, scope, ...dependencies] = args
  if (folder === undefined || type === undefined || scope === undefined || !TYPES.includes(type)) {
    console.error(`usage: new-package <folder> <${TYPES.join("|")}> <scope> [dependency…]`)
    return 2
  }
  const projectType = type === "app" || type === "simulator" ? { projectType: "application" } : {}
  const manifest = {
    name: packageName(folder),
    version: "0.1.0",
    private: true,
    license: "Apache-2.0",
    type: "module",
    exports: { "./*": "./src/*.ts" },
    dependencies: Object.fromEntries(dependencies.map((name) => [name, name.startsWith("@backplane/") ? "0.1.0" : "*"])),
    nx: { ...projectType, tags: [`type:${type}`, `scope:${scope}`], targets: { typecheck: {} } },
  }
  const up = folder
    .split("/")
    .map(() => "..")
    .join("/")
  const tsconfig = {
    extends: `${up}/tsconfig.base.json`,
    ...(WITH_NODE.has(type) ? { compilerOptions: { types: ["node"] } } : {}),
    include: ["src"],
    exclude: ["src/**/*.test.ts"],
  }
  mkdirSync(join(folder, "src"), { recursive: true })
  write(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`)
  write(join(folder, "tsconfig.json"), `${JSON.stringify(tsconfig, null, 2)}\n`)
  write(join(folder, "README.md"), `# ${packageName(folder)}\n\nOwns: \nDoes not own: \nMay import: \n`)
  return 0
}

function write(path: string, text: string): void {
  if (!existsSync(path)) writeFileSync(path, text)
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2))

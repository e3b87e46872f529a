/**
 * A small workspace in a temporary folder that the house's lint rules are run over: packages of every kind, two subsystems.
 *
 * Not the real tree: what the rules refuse must not depend on which packages exist today.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

/** The checkout this file belongs to. */
export const CHECKOUT = join(import.meta.dirname, "../../..")

/** Every kind of package. */
const PACKAGES: readonly (readonly [folder: string, type: string, scope: string])[] = [
  ["libs/foundation/base", "base", "shared"],
  ["libs/foundation/actor", "actor", "shared"],
  ["libs/foundation/runtime", "runtime", "shared"],
  ["libs/foundation/simulation", "simulation", "shared"],
  ["libs/compute/contract", "contract", "compute"],
  ["libs/compute/node", "machine", "compute"],
  ["libs/trap/contract", "contract", "trap"],
  ["libs/trap/vmm", "model", "trap"],
  ["libs/trap/hypervisor", "machine", "trap"],
  ["apps/server", "app", "apps"],
]

export interface Offence {
  readonly file: string
  readonly rule: string
}

export interface FixtureWorkspace {
  /** Writes `text` to a file of the workspace. */
  plant(file: string, text: string): void
  /** Runs eslint once over all and returns what it refused. Throws when eslint itself failed. */
  lint(): readonly Offence[]
  dispose(): void
}

/** `libs/trap/vmm` → `@backplane/trap-vmm`, `apps/server` → `@backplane/server`. */
function nameOf(folder: string): string {
  return `@backplane/${folder.split("/").slice(1).join("-")}`
}

function write(root: string, file: string, text: string): void {
  const path = join(root, file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

export function createFixtureWorkspace(): FixtureWorkspace {
  const root = mkdtempSync(join(tmpdir(), "backplane-lint-"))
  symlinkSync(join(CHECKOUT, "node_modules"), join(root, "node_modules"), "dir")
  write(root, "nx.json", readFileSync(join(CHECKOUT, "nx.json"), "utf8"))
  write(root, "package.json", JSON.stringify({ name: "fixture", private: true, workspaces: ["apps/*", "libs/*/*"] }))
  for (const [folder, type, scope] of PACKAGES) {
    const projectType = type === "app" ? { projectType: "application" } : {}
    const nx = { ...projectType, tags: [`type:${type}`, `scope:${scope}`], targets: {} }
    const manifest = { name: nameOf(folder), version: "0.1.0", type: "module", exports: { "./*": "./src/*.ts" }, nx }
    write(root, `${folder}/package.json`, JSON.stringify(manifest))
    write(root, `${folder}/src/thing.ts`, "export const thing = 1\n")
  }
  return {
    plant: (file, text) => write(root, file, text),
    lint: () => lint(root),
    dispose: () => rmSync(root, { recursive: true, force: true }),
  }
}

function lint(root: string): readonly Offence[] {
  const eslint = join(CHECKOUT, "node_modules/eslint/bin/eslint.js")
  const config = join(CHECKOUT, "tools/lint/eslint.config.mjs")
  // nx keeps its cache beside the graph it belongs to: never in the checkout's own.
  const env = { ...process.env, NX_DAEMON: "false", NX_WORKSPACE_ROOT_PATH: root, NX_CACHE_DIRECTORY: join(root, ".nx/cache") }
  const run = spawnSync(process.execPath, [eslint, "-c", config, "-f", "json", "."], { cwd: root, encoding: "utf8", env, timeout: 60_000 })
  if (run.status !== 0 && run.status !== 1) throw new Error(`eslint failed: ${run.stderr}${run.stdout}`)
  const start = run.stdout.indexOf("[{")
  if (start < 0) throw new Error(`eslint said nothing: ${run.stderr}${run.stdout}`)
  return offencesOf(root, JSON.parse(run.stdout.slice(start)) as readonly EslintResult[])
}

interface EslintResult {
  readonly filePath: string
  readonly messages: readonly { readonly ruleId: string | null; readonly message: string }[]
}

function offencesOf(root: string, results: readonly EslintResult[]): readonly Offence[] {
  return results.flatMap(({ filePath, messages }) =>
    messages.map(({ ruleId, message }) => ({ file: filePath.slice(root.length + 1), rule: ruleId ?? message })),
  )
}

/**
 * Packages of hundreds of small files, made one once: a service of the stack then starts with about half of the CPU time.
 *
 * typebox alone is 683 of the 1,053 modules of a shard, each looked for, read and linked by itself; a process that is started again takes that time from those
 * that still answer. They are made into a few files below `node_modules/.cache`, by version, and Node.js is told to take these (`--import`). Where they
 * are not there, because nobody made them or they could not be, everything is as without.
 */
import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const MODULES = join(import.meta.dirname, "../../../node_modules")
const PACKAGE = "typebox"
/** What we import of it, and the file that it becomes. All of it: a program with two copies of a package would be wrong. */
const ENTRIES: Readonly<Record<string, string>> = { [PACKAGE]: "index", [`${PACKAGE}/compile`]: "compile", [`${PACKAGE}/value`]: "value" }
const HOOK = "hook.mjs"

/** What Node.js is given to take them; nothing where they are not there. `modules` is the folder of the installed packages. */
export function wholePackagesFlags(modules = MODULES): readonly string[] {
  const hook = join(folderOf(modules), HOOK)
  return existsSync(hook) ? [`--import=${pathToFileURL(hook).href}`] : []
}

/** Makes them where they are not there. Rejects where that cannot be: nothing is worse than before then. */
export async function makeWholePackages(modules = MODULES): Promise<void> {
  const folder = folderOf(modules)
  if (existsSync(join(folder, HOOK))) return
  const made = `${folder}.${randomBytes(4).toString("hex")}`
  mkdirSync(made, { recursive: true })
  try {
    const { rolldown } = await import("rolldown")
    const input = Object.fromEntries(Object.values(ENTRIES).map((name) => [name, join(modules, PACKAGE, "build", fileOf(name))]))
    const bundle = await rolldown({ input, platform: "node", logLevel: "silent" })
    await bundle.write({ dir: made, entryFileNames: "[name].mjs", chunkFileNames: "[name].mjs" })
    await bundle.close()
    writeFileSync(join(made, HOOK), hookText())
    // Whole or not at all: another stack may be making the same.
    renameSync(made, folder)
  } catch (error) {
    rmSync(made, { recursive: true, force: true })
    if (!existsSync(join(folder, HOOK))) throw error
  }
}

function fileOf(name: string): string {
  return name === "index" ? "index.mjs" : join(name, "index.mjs")
}

function folderOf(modules: string): string {
  const { version } = JSON.parse(readFileSync(join(modules, PACKAGE, "package.json"), "utf8")) as { version: string }
  return join(modules, ".cache/backplane", `${PACKAGE}-${version}`)
}

function hookText(): string {
  const files = Object.entries(ENTRIES).map(([specifier, name]) => `  [${JSON.stringify(specifier)}, "./${name}.mjs"],\n`)
  return `// Made by tools/stack/src/whole-packages.ts.
import { registerHooks } from "node:module"

const files = new Map([
${files.join("")}])
registerHooks({
  resolve: (specifier, context, next) => {
    const file = files.get(specifier)
    return file === undefined ? next(specifier, context) : { url: new URL(file, import.meta.url).href, format: "module", shortCircuit: true }
  },
})
`
}

/**
 * A service made one file, with all that it imports: a process that is started again answers in half of the CPU time.
 *
 * A shard is 400 modules, ours and those of packages, and to find, read and link them one by one is two thirds of what its start takes from those that
 * still answer. They are made into a few files below `node_modules/.cache/backplane`, under a name that is drawn from what they were made of: who
 * has changed a source since is started from the sources, as is everybody where nothing was made.
 *
 * Invariants:
 * S1 What is started is made of the sources as they are now: their sizes and times are looked at before each start.
 * S2 A module finds its own place: `import.meta` says what it says of the source. What cannot be told so is not made.
 */
import { createHash, randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, isAbsolute, join, sep } from "node:path"
import { pathToFileURL } from "node:url"
import type { OutputChunk, Plugin } from "rolldown"
import { wholePackagesFlags } from "./whole-packages.ts"

const ROOT = join(import.meta.dirname, "../../..")
/** Services that users wait for when they are killed. */
const WHOLE = ["kv-shard", "gateway"]
/** Packages that load compiled code from beside themselves. */
const APART = ["lmdb"]
const ENTRY = "main.mjs"
const MADE_OF = "made-of.json"
const PACKAGES = `${sep}node_modules${sep}`
/** A file that is no module any more is looked for in vain, which is another state too. */
const GONE = "gone"

const PLACE = /\bimport\.meta\.(?:dirname|filename|url|main)\b|\b__(?:dir|file)name\b/g

type Print = readonly (readonly [file: string, print: string])[]

/** Where the checkout is, and which services of it. */
export interface Making {
  readonly root: string
  readonly names: readonly string[]
}

const HERE: Making = { root: ROOT, names: WHOLE }

/** Makes those that are not there as the sources are now. Rejects where one cannot be made: it is started from its sources then, as before. */
export async function makeWholeServices({ root, names }: Making = HERE): Promise<void> {
  for (const name of names) if (wholeService(root, name) === null) await makeWhole(root, name)
}

/** What Node.js is given for `args`, a service's flags and its main module relative to the checkout: from one file where that is there. */
export function startArguments(args: readonly string[], { root, names }: Making = HERE): readonly string[] {
  const main = args.at(-1) ?? ""
  const name = names.find((each) => main === mainOf(each))
  const whole = name === undefined ? null : wholeService(root, name)
  return whole === null ? [...wholePackagesFlags(), ...args] : [...args.slice(0, -1), whole]
}

function mainOf(name: string): string {
  return `apps/${name}/src/main.ts`
}

/** The file of the service, or null where there is none that is made of the sources as they are now (S1). */
function wholeService(root: string, name: string): string | null {
  const folder = folderOf(root)
  const made = existsSync(folder) ? readdirSync(folder).filter((each) => each.startsWith(`${name}-`)) : []
  for (const each of made) {
    const before = readPrint(join(folder, each, MADE_OF))
    const now = before?.map(([file]): [string, string] => [file, printOf(file)])
    if (now !== undefined && each === `${name}-${digestOf(now)}`) return join(folder, each, ENTRY)
  }
  return null
}

async function makeWhole(root: string, name: string): Promise<void> {
  const folder = folderOf(root)
  const made = join(folder, `.${name}.${randomBytes(4).toString("hex")}`)
  mkdirSync(made, { recursive: true })
  try {
    const { rolldown, VERSION } = await import("rolldown")
    const input = { main: join(root, mainOf(name)) }
    const began = Date.now()
    const bundle = await rolldown({ input, platform: "node", external: APART, plugins: [placesKept(input.main)], logLevel: "silent" })
    const { output } = await bundle.write({ dir: made, entryFileNames: ENTRY, chunkFileNames: "[name]-[hash].mjs" })
    await bundle.close()
    const chunks = output.filter((each): each is OutputChunk => each.type === "chunk")
    const print = sourcesOf(chunks, root).map((file): [string, string] => [file, printOf(file)])
    // One that was written while it was read may be in it as it was before.
    if (print.some(([file]) => statSync(file).mtimeMs >= began)) throw new Error(`a source of ${name} is being changed`)
    writeFileSync(join(made, MADE_OF), JSON.stringify({ rolldown: VERSION, print }))
    const place = join(folder, `${name}-${digestOf(print)}`)
    forgetOld(folder, name, place)
    renameSync(made, place)
  } catch (error) {
    rmSync(made, { recursive: true, force: true })
    // Somebody else made the same.
    if (wholeService(root, name) === null) throw error
  }
}

/** A process that runs may still load a part of what it was started from, so what is old stays for a day. */
const OLD_MILLISECONDS = 24 * 3600 * 1000

function forgetOld(folder: string, name: string, present: string): void {
  for (const each of readdirSync(folder)) {
    const path = join(folder, each)
    const isOurs = each.startsWith(`${name}-`) || each.startsWith(`.${name}.`)
    if (isOurs && path !== present && Date.now() - statSync(path).mtimeMs > OLD_MILLISECONDS) rmSync(path, { recursive: true, force: true })
  }
}

/** Sources of ours, and of each package what says that it is another one now: an installer writes its `package.json` anew. */
function sourcesOf(chunks: readonly OutputChunk[], root: string): readonly string[] {
  const modules = chunks.flatMap(({ moduleIds }) => moduleIds).filter((id) => isAbsolute(id))
  const files = modules.map((file) => (file.includes(PACKAGES) ? packageOf(file) : file))
  return [...new Set([...files, import.meta.filename, join(root, "package-lock.json")])]
}

function packageOf(file: string): string {
  const folder = dirname(file)
  const description = join(folder, "package.json")
  // A folder within a package may have one that only says how its files are written.
  return dirname(folder).endsWith("node_modules") || /node_modules[\\/]@[^\\/]+$/.test(dirname(folder)) ? description : packageOf(folder)
}

function printOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false })
  return found === undefined ? GONE : `${found.size} ${found.mtimeMs}`
}

function digestOf(print: Print): string {
  return createHash("sha256").update(JSON.stringify(print)).digest("hex").slice(0, 16)
}

function readPrint(path: string): Print | null {
  try {
    return (JSON.parse(readFileSync(path, "utf8")) as { readonly print: Print }).print
  } catch {
    return null
  }
}

function folderOf(root: string): string {
  return join(root, "node_modules/.cache/backplane/whole-services")
}

/** S2: what a module says of its own place is written into it; only the main module is the main one. */
function placesKept(main: string): Plugin {
  return {
    name: "places-kept",
    transform: (code, id) => {
      const places: Readonly<Record<string, string | boolean>> = {
        "import.meta.dirname": dirname(id),
        "import.meta.filename": id,
        "import.meta.url": pathToFileURL(id).href,
        "import.meta.main": id === main,
        // Of modules that are not written as ours are, where they do not say it themselves.
        ...(/\b(?:const|let|var) __(?:dir|file)name\b/.test(code) ? {} : { __dirname: dirname(id), __filename: id }),
      }
      const told = code.replaceAll(PLACE, (name) => (name in places ? JSON.stringify(places[name]) : name))
      const left = id.includes(PACKAGES) ? null : /\bimport\.meta\b/.exec(told)
      if (left !== null) throw new Error(`${id} asks import.meta for what one file for all cannot say`)
      return told === code ? null : { code: told }
    },
  }
}

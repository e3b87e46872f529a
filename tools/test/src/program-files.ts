/**
 * The files of a program and why they are in it, from what `tsc --explainFiles` prints.
 *
 * A file sees the same in a large program as in a small one, but for global declarations, which are every file's: so projects may share a program
 * when the same files with global declarations come in by each of them.
 */
import { readFileSync } from "node:fs"
import { resolve } from "node:path"

/** What the compiler says of errors, here of those that a parse finds: `file(line,column): error TS1: text`, or without a file. */
export const FILE_ERROR = /^(.+?)\(\d+,\d+\): error TS\d+: /
export const GLOBAL_ERROR = /^error TS\d+: /

export interface ProgramFiles {
  /** What each file brings in itself. Absolute paths. */
  readonly brings: ReadonlyMap<string, readonly string[]>
  /** Files that the options bring in: the library and `types`. */
  readonly ofOptions: readonly string[]
  readonly all: readonly string[]
}

/** Lines without indentation are files, from `root`; those below them the reasons. */
export function programFiles(root: string, output: string): ProgramFiles {
  const brings = new Map<string, string[]>()
  const ofOptions: string[] = []
  const all: string[] = []
  const bring = (from: string, file: string): void => void brings.set(from, [...(brings.get(from) ?? []), file])
  for (const line of output.split(/\r?\n/)) {
    if (line === "" || FILE_ERROR.test(line) || GLOBAL_ERROR.test(line)) continue
    if (!line.startsWith(" ")) {
      all.push(resolve(root, line))
      continue
    }
    const file = all.at(-1) ?? ""
    const from = / from file '(.+?)'(?: with packageId '.*')?$/.exec(line)?.[1]
    if (from !== undefined) bring(resolve(root, from), file)
    const target = /^\s*File redirects to file '(.+)'$/.exec(line)?.[1]
    if (target !== undefined) bring(file, resolve(root, target))
    if (/^\s*(Library '.+' specified in|Entry point of type library|Entry point for implicit type library|Default library)/.test(line))
      ofOptions.push(file)
  }
  return { brings, ofOptions, all }
}

/** Returns what says which files with global declarations come in by `files`, beside those that come in by the options. */
export function globalsOf({ brings, ofOptions, all }: ProgramFiles): (files: readonly string[]) => ReadonlySet<string> {
  const everywhere = reached(brings, ofOptions)
  const globals = new Set(all.filter((file) => !everywhere.has(file) && isGlobal(file)))
  return (files) => {
    const own = reached(
      brings,
      files.map((file) => resolve(file)),
    )
    return new Set([...globals].filter((file) => own.has(file)))
  }
}

function reached(brings: ProgramFiles["brings"], from: readonly string[]): ReadonlySet<string> {
  const found = new Set(from)
  // A set hands out what is added while it is gone through.
  for (const file of found) for (const next of brings.get(file) ?? []) found.add(next)
  return found
}

/** Whether every file of a program sees something of `file` without importing it. */
function isGlobal(file: string): boolean {
  const text = readFileSync(file, "utf8")
  if (/\bdeclare\s+(global\b|module\s*["'])/.test(text)) return true
  // Other files are modules, whatever they hold (`moduleDetection: force`).
  return /\.d\.[cm]?ts$/.test(file) && !/^\s*(import|export)\b/m.test(text)
}

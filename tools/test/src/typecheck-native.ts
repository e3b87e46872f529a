/**
 * The type check by TypeScript's native compiler, which has no interface but its command line.
 *
 * Projects of equal options that see equal globals (`program-files.ts`) go into one program: the library and what they share is bound and inferred
 * once. Errors of files that are no project's own are left to the project that owns them.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, resolve } from "node:path"
import { FILE_ERROR, GLOBAL_ERROR, globalsOf, programFiles } from "./program-files.ts"
import { readProject, type Project, type ProjectVerdict } from "./typecheck-project.ts"

const OUTPUT_BYTES_MAX = 256 * 1024 * 1024
const DEADLINE_MS = 600_000
/** To list a program's files costs a third of checking it: not for fewer projects. */
const TOGETHER_MIN = 3

/** Path of the compiler's executable; null where the package for this platform is not installed. */
export function nativeCompiler(): string | null {
  try {
    const manifest = createRequire(import.meta.url).resolve(`@typescript/typescript-${process.platform}-${process.arch}/package.json`)
    return join(dirname(manifest), "lib", process.platform === "win32" ? "tsc.exe" : "tsc")
  } catch {
    return null
  }
}

/** One verdict for each project, in their order. Throws where the compiler does not run. */
export function typecheckNatively(compiler: string, root: string, projects: readonly string[]): readonly ProjectVerdict[] {
  const read = projects.map((project) => readProject(root, project))
  const checked = read.filter(({ files }) => files.length > 0)
  const groups = grouped(checked, optionsText).flatMap((group) => withEqualGlobals(compiler, root, group))
  const found = new Map(groups.flatMap((group) => [...checkGroup(compiler, root, group)]))
  return read.map(({ project, files, errors }) => ({
    project,
    filesCount: files.length,
    errors: [...errors, ...(found.get(project) ?? [])],
  }))
}

function grouped(projects: readonly Project[], textOf: (project: Project) => string): readonly (readonly Project[])[] {
  const groups = new Map<string, Project[]>()
  for (const project of projects) {
    const text = textOf(project)
    groups.set(text, [...(groups.get(text) ?? []), project])
  }
  return [...groups.values()]
}

/** Equal for projects whose files are checked by equal rules. */
function optionsText({ options }: Project): string {
  // Where the options stand says nothing.
  const { configFilePath: _path, pathsBasePath: _base, ...rest } = options
  return JSON.stringify(Object.entries(rest).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function withEqualGlobals(compiler: string, root: string, group: readonly Project[]): readonly (readonly Project[])[] {
  if (group.length < TOGETHER_MIN) return group.map((project) => [project])
  const listing = compile(compiler, root, group, ["--listFilesOnly", "--explainFiles"])
  const program = programFiles(root, listing.output)
  const listed = new Set(program.all)
  const isWhole = group.every(({ files }) => files.every((file) => listed.has(resolve(file))))
  // A list that is not whole says nothing of who sees what; and of a program with a file that cannot be parsed nothing else is said.
  if (!isWhole || errorsIn(listing.output).length > 0) return group.map((project) => [project])
  const globals = globalsOf(program)
  return grouped(group, ({ files }) => [...globals(files)].toSorted().join("\n"))
}

/** The errors of each project. */
function checkGroup(compiler: string, root: string, group: readonly Project[]): ReadonlyMap<string, readonly string[]> {
  const { output, status } = compile(compiler, root, group, ["--noEmit"])
  const errors = errorsIn(output)
  // No verdict is none: a compiler that was killed or refused its arguments has found nothing.
  if (status !== 0 && errors.length === 0) throw new Error(`${compiler}: ended with ${status}\n${output}`)
  const owners = new Map(group.flatMap(({ project, files: own }) => own.map((file) => [resolve(file), project] as const)))
  const found = new Map(group.map(({ project }) => [project, [] as string[]]))
  for (const error of errors) {
    const file = FILE_ERROR.exec(error)?.[1]
    // What is wrong with no file is wrong with them all.
    const projects = file === undefined ? found.keys() : [owners.get(resolve(root, file)) ?? ""]
    for (const project of projects) found.get(project)?.push(error)
  }
  return found
}

/** Each with the lines that explain it. */
function errorsIn(output: string): readonly string[] {
  const errors: string[] = []
  for (const line of output.split(/\r?\n/)) {
    if (FILE_ERROR.test(line) || GLOBAL_ERROR.test(line)) errors.push(line)
    else if (/^\s+\S/.test(line) && errors.length > 0) errors.push(`${errors.pop()}\n${line}`)
  }
  return errors
}

/** Runs the compiler on one program of all files of `group`. Throws where it does not run or is killed. */
function compile(compiler: string, root: string, group: readonly Project[], args: readonly string[]): { output: string; status: number } {
  // Below node_modules of the root, so that the `types` of the options are found from there.
  const cache = join(root, "node_modules/.cache")
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, "typecheck-"))
  try {
    const config = join(folder, "tsconfig.json")
    writeFileSync(config, JSON.stringify({ extends: group[0]?.path, files: group.flatMap(({ files }) => files), include: [] }))
    // One thread: its checkers share nothing, so more of them cost half as much again; lint and format have the other core.
    const all = ["-p", config, "--pretty", "false", "--singleThreaded", ...args]
    const run = spawnSync(compiler, all, { cwd: root, encoding: "utf8", maxBuffer: OUTPUT_BYTES_MAX, timeout: DEADLINE_MS })
    if (run.status === null) throw new Error(`${compiler}: ${run.error?.message ?? `ended by ${run.signal}`}\n${run.stderr ?? ""}`)
    return { output: run.stdout + run.stderr, status: run.status }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

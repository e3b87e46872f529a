/**
 * Type checks every package and all tests: `node tools/test/src/typecheck.ts [folder…]`.
 *
 * The verdict of `tsc -p` for each package, only sooner: by TypeScript's native compiler, packages of equal options in one program
 * (`typecheck-native.ts`); where there is none for this platform, or with `BACKPLANE_TYPECHECK=javascript`, by a program for each package
 * (`typecheck-programs.ts`). Not a build: nothing is ever emitted.
 */
import { existsSync } from "node:fs"
import { join, relative, resolve, sep } from "node:path"
import { workspacePackages } from "@backplane/lint/packages.mjs"
import { nativeCompiler, typecheckNatively } from "./typecheck-native.ts"
import { typecheckInPrograms } from "./typecheck-programs.ts"
import type { ProjectVerdict } from "./typecheck-project.ts"

/** tsconfig files of all packages (or of those whose folder starts with one of `only`), the tests' last. */
export function projectFiles(root: string, only: readonly string[]): readonly string[] {
  const wanted = (folder: string): boolean => only.length === 0 || only.some((prefix) => folder.startsWith(prefix.replace(/\/$/, "")))
  const packages = workspacePackages(root).filter(({ folder }) => wanted(folder))
  const projects = packages.map(({ folder }) => join(folder, "tsconfig.json")).filter((path) => existsSync(join(root, path)))
  return only.length === 0 ? [...projects, "tools/test/tsconfig.tests.json"] : projects
}

/** One verdict for each project, in their order. */
export function typecheck(root: string, projects: readonly string[]): readonly ProjectVerdict[] {
  const compiler = process.env["BACKPLANE_TYPECHECK"] === "javascript" ? null : nativeCompiler()
  return compiler === null ? typecheckInPrograms(root, projects) : typecheckNatively(compiler, root, projects)
}

function main(args: readonly string[]): number {
  const root = join(import.meta.dirname, "../../..")
  const only = args.map((each) => relative(root, resolve(each)).split(sep).join("/"))
  const verdicts = typecheck(root, projectFiles(root, only))
  const unsound = verdicts.filter(({ errors }) => errors.length > 0)
  for (const error of new Set(unsound.flatMap(({ errors }) => errors))) console.error(error)
  const filesCount = verdicts.reduce((sum, verdict) => sum + verdict.filesCount, 0)
  console.log(`typecheck: ${verdicts.length - unsound.length} of ${verdicts.length} projects sound, ${filesCount} files`)
  return unsound.length === 0 ? 0 : 1
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2))

/**
 * Type checks every package and all tests in one process: `node tools/test/src/typecheck.ts [folder…]`.
 *
 * The same verdict as `tsc -p` for each package, only sooner: files are parsed once for all programs, and a program reports only its own
 * package's files, because the others have their own program. Not a build: nothing is ever emitted.
 */
import { existsSync } from "node:fs"
import { dirname, join, relative, resolve, sep } from "node:path"
import typescript from "typescript"
import { workspacePackages } from "@backplane/lint/packages.mjs"

export interface ProjectVerdict {
  /** Path of the tsconfig, relative to the root. */
  readonly project: string
  readonly filesCount: number
  /** Formatted messages; empty when the project is sound. */
  readonly errors: readonly string[]
}

/** Parsed files, shared by all programs. The key holds what a parse depends on. */
type ParsedFiles = Map<string, typescript.SourceFile | undefined>

/** tsconfig files of all packages (or of those whose folder starts with one of `only`), the tests' last. */
export function projectFiles(root: string, only: readonly string[]): readonly string[] {
  const wanted = (folder: string): boolean => only.length === 0 || only.some((prefix) => folder.startsWith(prefix.replace(/\/$/, "")))
  const packages = workspacePackages(root).filter(({ folder }) => wanted(folder))
  const projects = packages.map(({ folder }) => join(folder, "tsconfig.json")).filter((path) => existsSync(join(root, path)))
  return only.length === 0 ? [...projects, "tools/test/tsconfig.tests.json"] : projects
}

export function typecheckProject(root: string, project: string, parsed: ParsedFiles): ProjectVerdict {
  const path = join(root, project)
  const format: typescript.FormatDiagnosticsHost = {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => root,
    getNewLine: () => "\n",
  }
  const text = (all: readonly typescript.Diagnostic[]): readonly string[] =>
    all.map((each) => typescript.formatDiagnostic(each, format).trimEnd())

  const read = typescript.readConfigFile(path, (name) => typescript.sys.readFile(name))
  if (read.error !== undefined) return { project, filesCount: 0, errors: text([read.error]) }
  const config = typescript.parseJsonConfigFileContent(read.config, typescript.sys, dirname(path), undefined, path)
  if (config.fileNames.length === 0) return { project, filesCount: 0, errors: [] }
  const host = sharingHost(config.options, parsed)
  const program = typescript.createProgram({ rootNames: config.fileNames, options: config.options, host })
  const own = new Set(config.fileNames.map((name) => resolve(name)))
  const files = program.getSourceFiles().filter((file) => own.has(resolve(file.fileName)))
  const diagnostics = [
    ...config.errors,
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...files.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ]
  return { project, filesCount: files.length, errors: text(diagnostics) }
}

function sharingHost(options: typescript.CompilerOptions, parsed: ParsedFiles): typescript.CompilerHost {
  const host = typescript.createCompilerHost(options, true)
  const parse = host.getSourceFile.bind(host)
  host.getSourceFile = (name, languageVersion, onError) => {
    const format =
      typeof languageVersion === "object" ? `${languageVersion.languageVersion}/${languageVersion.impliedNodeFormat}` : languageVersion
    const key = `${name}|${format}`
    if (!parsed.has(key)) parsed.set(key, parse(name, languageVersion, onError))
    return parsed.get(key)
  }
  return host
}

function main(args: readonly string[]): number {
  const root = join(import.meta.dirname, "../../..")
  const only = args.map((each) => relative(root, resolve(each)).split(sep).join("/"))
  const projects = projectFiles(root, only)
  const parsed: ParsedFiles = new Map()
  const verdicts = projects.map((project) => typecheckProject(root, project, parsed))
  const unsound = verdicts.filter(({ errors }) => errors.length > 0)
  for (const error of new Set(unsound.flatMap(({ errors }) => errors))) console.error(error)
  const filesCount = verdicts.reduce((sum, verdict) => sum + verdict.filesCount, 0)
  console.log(`typecheck: ${projects.length - unsound.length} of ${projects.length} projects sound, ${filesCount} files`)
  return unsound.length === 0 ? 0 : 1
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2))

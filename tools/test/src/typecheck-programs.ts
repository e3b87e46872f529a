/**
 * The type check by TypeScript's JavaScript interface: a program for each project, one after the other.
 *
 * Files are parsed once for all programs, and a program reports only its own package's files, because the others have their own program.
 */
import { resolve } from "node:path"
import typescript from "typescript"
import { errorTexts, readProject, type ProjectVerdict } from "./typecheck-project.ts"

/** Parsed files, shared by all programs. The key holds what a parse depends on. */
type ParsedFiles = Map<string, typescript.SourceFile | undefined>

export function typecheckInPrograms(root: string, projects: readonly string[]): readonly ProjectVerdict[] {
  const parsed: ParsedFiles = new Map()
  return projects.map((project) => typecheckProject(root, project, parsed))
}

function typecheckProject(root: string, project: string, parsed: ParsedFiles): ProjectVerdict {
  const { options, files: rootNames, errors } = readProject(root, project)
  if (rootNames.length === 0) return { project, filesCount: 0, errors }
  const program = typescript.createProgram({ rootNames, options, host: sharingHost(options, parsed) })
  const own = new Set(rootNames.map((name) => resolve(name)))
  const files = program.getSourceFiles().filter((file) => own.has(resolve(file.fileName)))
  const diagnostics = [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...files.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ]
  return { project, filesCount: files.length, errors: [...errors, ...errorTexts(root, diagnostics)] }
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

/** A tsconfig as the compiler reads it, and what came of checking it. */
import { dirname, join } from "node:path"
import typescript from "typescript"

export interface ProjectVerdict {
  /** Path of the tsconfig, relative to the root. */
  readonly project: string
  readonly filesCount: number
  /** Formatted messages; empty when the project is sound. */
  readonly errors: readonly string[]
}

export interface Project {
  readonly project: string
  /** Absolute. */
  readonly path: string
  readonly options: typescript.CompilerOptions
  /** Absolute paths of the files that are its own: the ones it reports on. */
  readonly files: readonly string[]
  /** What is wrong with the tsconfig itself. */
  readonly errors: readonly string[]
}

/** `project`: path of its tsconfig from `root`. Never throws for a wrong one. */
export function readProject(root: string, project: string): Project {
  const path = join(root, project)
  const read = typescript.readConfigFile(path, (name) => typescript.sys.readFile(name))
  if (read.error !== undefined) return { project, path, options: {}, files: [], errors: errorTexts(root, [read.error]) }
  const { options, fileNames, errors } = typescript.parseJsonConfigFileContent(read.config, typescript.sys, dirname(path), undefined, path)
  return { project, path, options, files: fileNames, errors: fileNames.length === 0 ? [] : errorTexts(root, errors) }
}

export function errorTexts(root: string, diagnostics: readonly typescript.Diagnostic[]): readonly string[] {
  const format: typescript.FormatDiagnosticsHost = {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => root,
    getNewLine: () => "\n",
  }
  return diagnostics.map((each) => typescript.formatDiagnostic(each, format).trimEnd())
}

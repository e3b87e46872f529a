/**
 * The habits that neither the compiler nor a lint rule can see: what lies at the top, what a package must have, what a file may not name.
 *
 * Each check is a function from a tree to findings, so that the test can plant an offence. Not for the form of code: that is eslint's.
 */
import { builtinModules } from "node:module"
import typescript from "typescript"

/** One tracked file. */
export interface SourceFile {
  /** Relative to the root, with forward slashes. */
  readonly path: string
  readonly text: string
}

export interface Package {
  readonly folder: string
  readonly name: string
  readonly type: string
  readonly scope: string
  readonly manifest: {
    readonly exports?: unknown
    readonly dependencies?: Readonly<Record<string, string>>
    readonly devDependencies?: Readonly<Record<string, string>>
    readonly optionalDependencies?: Readonly<Record<string, string>>
  }
}

export interface Tree {
  readonly files: readonly SourceFile[]
  readonly packages: readonly Package[]
  /** Third-party packages that the root package.json offers to all. */
  readonly rootDependencies: ReadonlySet<string>
}

const TOP_LEVEL = new Set([
  "nx.json",
  "package.json",
  "package-lock.json",
  "tsconfig.base.json",
  "apps",
  "libs",
  "infra",
  "tools",
  "README.md",
  "LICENSE",
])

/** Only what the architecture names, and dot-files, lie at the top. */
function topLevelFindings(tree: Tree): readonly string[] {
  const names = new Set(tree.files.map((file) => file.path.split("/")[0] ?? file.path))
  return [...names]
    .filter((name) => !name.startsWith(".") && !TOP_LEVEL.has(name))
    .map((name) => `${name}: does not belong at the top level`)
}

/** Written in two halves so that this file does not offend itself. */
const FOREIGN = [
  {
    what: "a path of somebody's machine",
    pattern: new RegExp(`(^|[\\s"'\`=(:])/(?:${["wo" + "rk", "ro" + "ot", "ho" + "me", "Us" + "ers"].join("|")})/\\w`),
  },
  { what: "a path in the temporary folder (use os.tmpdir())", pattern: new RegExp(`["'\`]/${"tm" + "p"}/\\w`) },
  {
    what: "the address of a package registry",
    pattern: new RegExp(["registry\\.npm" + "js\\.org", "registry\\.yarn" + "pkg", "/art" + "ifactory/"].join("|")),
  },
]

/** No tracked file knows on which machine it was written. */
function foreignPathFindings(tree: Tree): readonly string[] {
  return tree.files.flatMap(({ path, text }) =>
    FOREIGN.flatMap(({ what, pattern }) => {
      const line = text.split("\n").findIndex((each) => pattern.test(each))
      return line < 0 ? [] : [`${path}:${line + 1}: ${what}`]
    }),
  )
}

/** A line such as `Owns: the run queues.` with something said after the colon; bold or in a list as well. */
const OWNS = /^[\s*_-]*Owns[*_]*:[*_ ]*\w/im
const DOES_NOT_OWN = /^[\s*_-]*Does not own[*_]*:[*_ ]*\w/im
const MAY_IMPORT = /^[\s*_-]*May import[*_]*:[*_ ]*\w/im

/** Every package says in its README what it owns, what not and what it may import, and carries both tags. */
function packageFrameFindings(tree: Tree): readonly string[] {
  const texts = new Map(tree.files.map((file) => [file.path, file.text]))
  return tree.packages.flatMap(({ folder, type, scope }) => {
    const readme = (texts.get(`${folder}/README.md`) ?? "").replaceAll("`", "")
    return [
      ...(OWNS.test(readme) ? [] : [`${folder}/README.md: lacks a line "Owns: …"`]),
      ...(DOES_NOT_OWN.test(readme) ? [] : [`${folder}/README.md: lacks a line "Does not own: …"`]),
      ...(MAY_IMPORT.test(readme) ? [] : [`${folder}/README.md: lacks a line "May import: …"`]),
      ...(type === "" ? [`${folder}/package.json: nx.tags lacks type:…`] : []),
      ...(scope === "" ? [`${folder}/package.json: nx.tags lacks scope:…`] : []),
    ]
  })
}

/** A name is imported from the file that owns it: no index.ts. */
function barrelFindings(tree: Tree): readonly string[] {
  return tree.files
    .filter(({ path }) => /(^|\/)index\.ts$/.test(path))
    .map(({ path }) => `${path}: no barrels; name the file for its one idea`)
}

/** A task left open has an owner and a condition; a silenced rule has a reason. */
function loneNoteFindings(tree: Tree): readonly string[] {
  const task = new RegExp(`\\b(?:${"TO" + "DO"}|${"FIX" + "ME"})\\b(?!\\([a-z-]+\\): .* when )`)
  const silenced = new RegExp(`${"eslint-" + "disable"}(?!.* -- \\S)`)
  return tree.files
    .filter(({ path }) => /\.(ts|mjs)$/.test(path))
    .flatMap(({ path, text }) =>
      text
        .split("\n")
        .flatMap((line, index) => [
          ...(task.test(line) ? [`${path}:${index + 1}: an open task names its owner and its condition: (owner): … when …`] : []),
          ...(silenced.test(line) ? [`${path}:${index + 1}: a silenced rule gives its reason after --`] : []),
        ]),
    )
}

const BUILTINS = new Set(builtinModules)

/** Module names of static imports and exports, of `import()` and of `import("…")` types. */
export function importedModules(text: string): readonly string[] {
  return typescript.preProcessFile(text, true, false).importedFiles.map((file) => file.fileName)
}

/** `@scope/name/file` → `@scope/name`; null for relative and built-in modules. */
export function packageOf(module: string): string | null {
  if (module.startsWith(".") || module.startsWith("/") || module.startsWith("node:")) return null
  const parts = module.split("/")
  const name = module.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? module)
  return BUILTINS.has(name) ? null : name
}

/** What a package imports it declares: with its name in its own package.json. Tests may use what the root offers. */
function declarationFindings(tree: Tree): readonly string[] {
  return tree.packages.flatMap((owner) => {
    const { dependencies, devDependencies, optionalDependencies } = owner.manifest
    const declared = new Set(Object.keys({ ...dependencies, ...optionalDependencies }))
    const forTests = new Set([...declared, ...Object.keys(devDependencies ?? {}), ...tree.rootDependencies])
    const sources = tree.files.filter(({ path }) => path.startsWith(`${owner.folder}/src/`) && path.endsWith(".ts"))
    const findings = sources.flatMap(({ path, text }) => {
      // Suites and benches run under vitest or by hand: like tests they may lean on the workspace's tools.
      const allowed =
        /(\.test|\.bench|suite)\.ts$/.test(path) || owner.type === "tool" || path.includes("/conformance/") ? forTests : declared
      const names = importedModules(text).flatMap((module) => packageOf(module) ?? [])
      return names
        .filter((name) => name !== owner.name && !allowed.has(name))
        .map((name) => `${owner.folder}/package.json: lacks ${name} (${path})`)
    })
    return [...new Set(findings)]
  })
}

/** What a package declares of the workspace it imports, in code or in a test: else its manifest says more than is true, and is built for more. */
function idleDeclarationFindings(tree: Tree): readonly string[] {
  const workspace = new Set(tree.packages.map(({ name }) => name))
  return tree.packages.flatMap(({ folder, manifest }) => {
    const { dependencies, devDependencies, optionalDependencies } = manifest
    const declared = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies }).filter((name) => workspace.has(name))
    const sources = tree.files.filter(({ path }) => path.startsWith(`${folder}/`) && CODE.test(path))
    const imported = new Set(sources.flatMap(({ text }) => importedModules(text).flatMap((module) => packageOf(module) ?? [])))
    return declared.filter((name) => !imported.has(name)).map((name) => `${folder}/package.json: declares ${name}, and nothing imports it`)
  })
}

const CODE = /\.(ts|mts|mjs|js)$/
const EXPORTED = /^export (?:async )?(?:abstract )?(?:const|let|function\*?|class|interface|type) ([A-Za-z_$][\w$]*)/gm

/** An exported name that stands nowhere else, not even in its own file, is dead. By its text alone: one that is mentioned by chance gets away. */
function deadExportFindings(tree: Tree): readonly string[] {
  const code = tree.files.filter(({ path }) => CODE.test(path))
  const times = new Map<string, number>()
  for (const { text } of code) for (const [word] of text.matchAll(/[A-Za-z_$][\w$]*/g)) times.set(word, (times.get(word) ?? 0) + 1)
  return code.flatMap(({ path, text }) =>
    [...text.matchAll(EXPORTED)]
      .filter(([, name]) => name !== undefined && times.get(name) === 1)
      .map(([, name]) => `${path}: exports ${name}, and nobody uses it`),
  )
}

/** A range would let two installations differ. */
function versionFindings(tree: Tree): readonly string[] {
  return tree.packages.flatMap(({ folder, manifest }) =>
    Object.entries({ ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies })
      .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
      .map(([name, version]) => `${folder}/package.json: ${name} "${version}" is not an exact version`),
  )
}

export const CHECKS = {
  "only what the architecture names lies at the top level": topLevelFindings,
  "no file names a machine's path or a registry": foreignPathFindings,
  "every package says what it owns and has both tags": packageFrameFindings,
  "there are no barrels": barrelFindings,
  "an open task has owner and condition, a silenced rule its reason": loneNoteFindings,
  "a package declares what it imports": declarationFindings,
  "a package imports what it declares of the workspace": idleDeclarationFindings,
  "what is exported is used": deadExportFindings,
  "every version is pinned exactly": versionFindings,
} as const

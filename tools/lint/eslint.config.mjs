/**
 * The rules of the house that a compiler does not know: who imports whom, what pure packages may not touch, how long a file may be.
 *
 * Used as `eslint -c tools/lint/eslint.config.mjs .` from the root. No rule here needs type information, so a run stays quick.
 * The rules are proved by planted offences in `src/lint.test.ts`.
 */
process.env.NX_DAEMON = "false"

const { createProjectGraphAsync } = await import("@nx/devkit")
const nx = (await import("@nx/eslint-plugin")).default
const tseslint = (await import("typescript-eslint")).default
const { PURE_TYPES, TEST_CONSTRAINTS, sourceConstraints } = await import("./boundaries.mjs")
const { pureRules, sourceSyntax, testSyntax } = await import("./restrictions.mjs")
const { workspacePackages } = await import("./packages.mjs")

// The boundary rule silently does nothing without a cached graph: make it here, fresh, for whoever starts eslint.
await createProjectGraphAsync({ exitOnError: false, resetDaemonClient: false })

const packages = workspacePackages(process.cwd())
const TESTS = ["**/*.test.ts"]
/** Suites are tests that other packages' tests call: long functions of `describe` are their nature. */
const SUITES = ["**/suite.ts", "**/*-suite.ts", "**/suite/**/*.ts", "**/conformance/src/**/*.ts"]

const boundaries = (depConstraints) => ({
  "@nx/enforce-module-boundaries": ["error", { depConstraints, enforceBuildableLibDependency: false }],
})
const constraints = sourceConstraints(new Set(packages.map((each) => each.scope)))
const pureSources = packages.filter((each) => PURE_TYPES.has(each.type)).map((each) => `${each.folder}/src/**/*.ts`)

export default [
  {
    ignores: ["**/node_modules/**", "**/dist/**", ".nx/**", "coverage/**", ".backplane/**", "tmp/**", "**/assembly/**", "**/*.generated.*"],
  },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.ts"],
    languageOptions: { parser: tseslint.parser },
    plugins: { "@typescript-eslint": tseslint.plugin, "@nx": nx },
    rules: {
      ...boundaries(constraints),
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/ban-ts-comment": ["error", { "ts-expect-error": true }],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports", disallowTypeAnnotations: false }],
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "max-lines": ["error", { max: 500 }],
      "max-lines-per-function": ["error", { max: 70 }],
      "no-var": "error",
      "prefer-const": "error",
      eqeqeq: "error",
      "no-restricted-syntax": ["error", ...sourceSyntax],
    },
  },
  { files: pureSources, ignores: TESTS, rules: pureRules },
  { files: SUITES, rules: { "max-lines-per-function": "off" } },
  {
    files: TESTS,
    rules: {
      ...boundaries(TEST_CONSTRAINTS),
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/explicit-module-boundary-types": "off",
      // A test that plants a type error must say so, with the reason.
      "@typescript-eslint/ban-ts-comment": ["error", { "ts-expect-error": "allow-with-description" }],
      "max-lines-per-function": "off",
      "no-restricted-syntax": ["error", ...testSyntax],
    },
  },
]

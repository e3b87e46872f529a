/**
 * The steps of `npm test` and what its command line means. Pure: nothing is run here.
 *
 * `npm test` runs all; `npm test -- --only vitest libs/foundation` runs the named steps and hands the rest to the last of them.
 */

export type StepName = "typecheck" | "lint" | "format" | "vitest"

const STEP_NAMES: readonly StepName[] = ["typecheck", "lint", "format", "vitest"]

export interface Plan {
  readonly steps: readonly StepName[]
  /** What is handed to every chosen step: folders for the checks, anything for vitest. */
  readonly rest: readonly string[]
}

export type ParsedPlan = { readonly plan: Plan } | { readonly error: string } | { readonly help: string }

const HELP = `usage: npm test                                      all: ${STEP_NAMES.join(", ")}
       npm test -- --only vitest libs/foundation       one step, with what follows handed to it
       npm test -- --only typecheck,lint               several steps`

export function parsePlan(args: readonly string[]): ParsedPlan {
  if (args.includes("--help") || args.includes("-h")) return { help: HELP }
  const [first, value, ...rest] = args
  if (first === undefined) return { plan: { steps: STEP_NAMES, rest: [] } }
  if (first !== "--only") return { error: `unknown argument "${first}": the first one is --only <step>\n${HELP}` }
  const names = (value ?? "").split(",")
  const unknown = names.find((name) => !isStepName(name))
  if (unknown !== undefined) return { error: `--only "${unknown}" is not a step: use ${STEP_NAMES.join(", ")}` }
  return { plan: { steps: STEP_NAMES.filter((name) => names.includes(name)), rest } }
}

function isStepName(text: string): text is StepName {
  return (STEP_NAMES as readonly string[]).includes(text)
}

/** Command line of a step, relative to the root; the program is a JavaScript or TypeScript file for Node.js. */
export function stepCommand(step: StepName, rest: readonly string[]): readonly string[] {
  const folders = rest.length > 0 ? rest : ["."]
  switch (step) {
    case "typecheck":
      return ["tools/test/src/typecheck.ts", ...rest]
    case "lint":
      return ["node_modules/eslint/bin/eslint.js", "-c", "tools/lint/eslint.config.mjs", ...folders]
    case "format":
      return [
        "node_modules/prettier/bin/prettier.cjs",
        "--config",
        "tools/lint/prettier.json",
        "--log-level",
        "warn",
        "--check",
        ...folders,
      ]
    case "vitest":
      return ["node_modules/vitest/vitest.mjs", "run", "--config", "tools/test/vitest.config.ts", ...rest]
  }
}

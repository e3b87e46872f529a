/** `litmus`: runs litmus tests on nodes with shared memory, and holds every outcome against what sequential consistency allows. */
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { EnginePool } from "../coherence/shared-world.ts"
import { LitmusError, parseLitmus, type LitmusTest } from "./litmus-file.ts"
import { PLACEMENTS, runLitmus, type Placement } from "./litmus-run.ts"
import { scOutcomes, TooManyStates } from "./sc-outcomes.ts"
import { FlagError } from "../whole-flag.ts"

export interface LitmusReport {
  readonly file: string
  readonly name: string
  readonly placement: Placement
  readonly runs: number
  /** Outcomes that sequential consistency allows, and how many of them were seen. */
  readonly allowed: number
  readonly seen: number
  /** Outcomes that it does not allow, with the seeds that show them. */
  readonly forbidden: readonly { readonly outcome: string; readonly seed: number }[]
}

export interface LitmusSkip {
  readonly file: string
  readonly reason: string
}

export interface LitmusOptions {
  readonly runs: number
  readonly from: number
  readonly placements: readonly Placement[]
  readonly storeBuffer: boolean
}

export function checkLitmus(
  file: string,
  test: LitmusTest,
  { runs, from, placements, storeBuffer }: LitmusOptions,
  pool: EnginePool,
): readonly LitmusReport[] {
  const allowed = scOutcomes(test)
  return placements.map((placement) => {
    const seen = new Set<string>()
    const forbidden = new Map<string, number>()
    for (let seed = from; seed < from + runs; seed++) {
      const outcome = runLitmus(test, { placement, seed, storeBuffer, pool })
      if (allowed.has(outcome)) seen.add(outcome)
      else if (!forbidden.has(outcome)) forbidden.set(outcome, seed)
    }
    return {
      file,
      name: test.name,
      placement,
      runs,
      allowed: allowed.size,
      seen: seen.size,
      forbidden: [...forbidden].map(([outcome, seed]) => ({ outcome, seed })),
    }
  })
}

function isPlacement(text: string): text is Placement {
  return (PLACEMENTS as readonly string[]).includes(text)
}

export function litmusCommand(args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      placement: { type: "string", multiple: true },
      runs: { type: "string", default: "20" },
      from: { type: "string", default: "1" },
      "store-buffer": { type: "boolean", default: false },
      list: { type: "string" },
      json: { type: "boolean", default: false },
    },
  })
  const placements = (values.placement ?? PLACEMENTS).map((placement) => {
    if (!isPlacement(placement)) throw new FlagError(`--placement is one of ${PLACEMENTS.join(", ")}, not ${placement}`)
    return placement
  })
  const files = values.list === undefined ? positionals : [...positionals, ...readFileSync(values.list, "utf8").split("\n").filter(Boolean)]
  if (files.length === 0) throw new FlagError("files: give at least one .litmus file; some lie in apps/simulator/litmus")
  const options = { runs: Number(values.runs), from: Number(values.from), placements, storeBuffer: values["store-buffer"] }
  const pool = new EnginePool()
  const reports: LitmusReport[] = []
  const skipped: LitmusSkip[] = []
  for (const file of files) {
    try {
      for (const report of checkLitmus(file, parseLitmus(readFileSync(file, "utf8")), options, pool)) {
        reports.push(report)
        if (!values.json && (files.length <= 20 || report.forbidden.length > 0)) console.log(line(report))
      }
    } catch (error) {
      if (!(error instanceof LitmusError || error instanceof TooManyStates))
        throw new FlagError(`${file}: ${error instanceof Error ? error.message : String(error)}`)
      // One file that is no test is an error; in a suite it is counted and the others run.
      if (files.length === 1) throw new FlagError(`${file}: ${error.message}`)
      skipped.push({ file, reason: error.message })
    }
  }
  const forbidden = reports.filter((report) => report.forbidden.length > 0)
  if (values.json)
    console.log(
      JSON.stringify({
        tests: files.length - skipped.length,
        runs: reports.length * options.runs,
        forbidden: forbidden.length,
        skipped,
        reports: files.length <= 100 ? reports : forbidden,
      }),
    )
  else
    console.log(
      `${files.length - skipped.length} tests, ${reports.length * options.runs} runs: ${forbidden.length === 0 ? "no outcome outside sequential consistency" : `${forbidden.length} with outcomes outside sequential consistency`}${skipped.length === 0 ? "" : `; ${skipped.length} files are no tests for this machine`}`,
    )
  return forbidden.length === 0 ? 0 : 1
}

function line({ name, placement, runs, allowed, seen, forbidden }: LitmusReport): string {
  const wrong = forbidden.map(({ outcome, seed }) => `\n  NOT ALLOWED  ${outcome}  (seed ${seed})`).join("")
  return `${name}  ${placement}: ${seen} of ${allowed} allowed outcomes in ${runs} runs${wrong}`
}

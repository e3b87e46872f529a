/** `compare`: the table and the picture. */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { comparisonSvg } from "@backplane/scenario-picture/comparison-svg"
import { contenders, scoreOf, type Comparison, type Score } from "./compare.ts"
import { wholeFlag } from "./whole-flag.ts"

export function compareCommand(args: readonly string[]): number {
  const text = { type: "string" } as const
  const { values } = parseArgs({
    args: [...args],
    options: { sets: text, cpus: text, jobs: text, "max-run": text, "max-wset": text, peeks: text, svg: text, json: { type: "boolean" } },
  })
  const comparison: Comparison = {
    sets: wholeFlag("--sets", values.sets ?? "300", 1),
    cpus: wholeFlag("--cpus", values.cpus ?? "8", 1),
    jobs: wholeFlag("--jobs", values.jobs ?? "24", 1),
    maxRun: wholeFlag("--max-run", values["max-run"] ?? "200", 0),
    maxWorkingSet: wholeFlag("--max-wset", values["max-wset"] ?? "60", 0),
    peeks: (values.peeks ?? "1,2,5,10,20,30").split(",").map((peek) => wholeFlag("--peeks", peek, 1)),
  }
  const scores: Score[] = []
  for (const contender of contenders(comparison.peeks)) {
    scores.push(scoreOf(contender, comparison))
    process.stderr.write(`\r${scores.length} of ${comparison.peeks.length + 3} policies done`)
  }
  process.stderr.write("\n")
  if (values.svg !== undefined) writeFileSync(values.svg, pictureOf(comparison, scores))
  console.log(
    values.json === true
      ? JSON.stringify({ comparison, scores: scores.map(({ makespans: _, ...score }) => score) })
      : tableOf(comparison, scores),
  )
  return 0
}

function pictureOf({ sets, jobs, cpus }: Comparison, scores: readonly Score[]): string {
  const results = scores.map(({ label, makespanMean, busy, warm }) => ({
    policy: label,
    makespan: makespanMean,
    utilisation: busy,
    warm: busy === 0 ? 0 : warm / busy,
  }))
  return comparisonSvg(`${jobs} jobs on ${cpus} CPUs, mean of ${sets} drawn sets`, results)
}

function tableOf({ sets, jobs, cpus, maxRun, maxWorkingSet }: Comparison, scores: readonly Score[]): string {
  const best = scores.filter((score) => score.label.startsWith("mqms-steal")).reduce((a, b) => (b.makespanMean < a.makespanMean ? b : a))
  const warm = scores.at(-1) as Score
  const wins = warm.makespans.filter((makespan, set) => makespan < (best.makespans[set] ?? 0)).length
  const losses = warm.makespans.filter((makespan, set) => makespan > (best.makespans[set] ?? 0)).length
  const rows = scores.map((score) =>
    [
      score.label.padEnd(22),
      score.makespanMean.toFixed(1).padStart(9),
      score.makespanMedian.toFixed(1).padStart(9),
      `${(100 * score.busy).toFixed(1)} %`.padStart(9),
      `${(100 * score.warm).toFixed(1)} %`.padStart(9),
      score.migrationsMean.toFixed(1).padStart(11),
    ].join(""),
  )
  return [
    `${jobs} jobs (run ≤ ${maxRun}, working set ≤ ${maxWorkingSet}) on ${cpus} CPUs, ${sets} drawn sets; makespan in ticks`,
    `${"policy".padEnd(22)}${"mean".padStart(9)}${"median".padStart(9)}${"busy".padStart(9)}${"warm".padStart(9)}${"migrations".padStart(11)}`,
    ...rows,
    `mqms-warm against ${best.label}: ${(100 * (warm.makespanMean / best.makespanMean - 1)).toFixed(1)} % makespan; ${wins} sets shorter, ${losses} longer`,
  ].join("\n")
}

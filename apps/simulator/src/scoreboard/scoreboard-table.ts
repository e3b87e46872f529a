/** A board as text: a row a contender, the best of each column marked. */
import { columnOf, type Column } from "./columns.ts"
import type { Board, Figure, Score } from "./scoreboard.ts"

const LABEL = 16
const CELL = 18

export function tableOf({ workload, sets, scores }: Board, columnNames: readonly string[] = workload.columns): string {
  const columns = columnNames.map(columnOf).filter(({ name }) => scores.some(({ figures }) => (figures[name] ?? null) !== null))
  const label = Math.max(LABEL, ...scores.map(({ contender }) => contender.length + 2))
  const width = (column: Column): number => Math.max(CELL, column.name.length + 2)
  return [
    `${workload.name}: ${workload.question} (${sets === 1 ? "1 set" : `${sets} sets; median ± half of the middle half's width`}; * best)`,
    `${"".padEnd(label)}${columns.map((column) => column.name.padStart(width(column))).join("")}`,
    ...scores.map(
      (score) =>
        `${score.contender.padEnd(label)}${columns.map((column) => cellOf(score, column, scores).padStart(width(column))).join("")}`,
    ),
    ...scores.flatMap(notesOf),
  ].join("\n")
}

function cellOf(score: Score, column: Column, scores: readonly Score[]): string {
  const figure = score.figures[column.name]
  if (figure === null || figure === undefined) return "–"
  const best = bestOf(column, scores)
  const isBest = figure.median === best && canBeBest(score)
  return `${isBest ? "* " : ""}${textOf(figure, column)}`
}

/** Null: neither way is better, or all are alike. */
export function bestOf({ name, better }: Column, scores: readonly Score[]): number | null {
  const medians = scores.filter(canBeBest).flatMap(({ figures }) => figures[name]?.median ?? [])
  if (better === null || new Set(medians).size < 2) return null
  return better === "less" ? Math.min(...medians) : Math.max(...medians)
}

const canBeBest = ({ failures, isReference }: Score): boolean => failures.sets === 0 && isReference !== true

function textOf({ median, spread }: Figure, { unit }: Column): string {
  const digits = unit === "ratio" ? 3 : unit === "percent" ? 1 : median < 100 ? 1 : 0
  const sign = unit === "percent" ? " %" : ""
  return `${median.toFixed(digits)}${sign} ±${(spread / 2).toFixed(digits)}`
}

function notesOf({ contender, failures, refusals }: Score): readonly string[] {
  const refused = Object.entries(refusals).map(([verdict, count]) => `${verdict} ${count}`)
  return [
    ...(failures.sets > 0 ? [`  ${contender}: ${failures.sets} sets had no end; ${failures.first ?? ""}`] : []),
    ...(refused.length > 0 ? [`  ${contender}: refused decisions, all sets: ${refused.join(", ")}`] : []),
  ]
}

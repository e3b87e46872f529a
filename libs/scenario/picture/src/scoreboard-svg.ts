/** Policies on workloads as a table of shades: each cell says its figure, and how far it is from the best of its workload. */
import { decimal, element, escapeXml, picture, text } from "./svg-text.ts"

export interface ScoreCell {
  readonly policy: string
  /** Null: this policy has no figure here. */
  readonly value: number | null
}

export interface ScoreColumn {
  readonly workload: string
  /** What the figures are. */
  readonly measure: string
  readonly better: "less" | "more"
  /** Null: all are alike. */
  readonly best: number | null
  /** The same policies in the same order in every column. */
  readonly cells: readonly ScoreCell[]
}

const LABEL = 120
const CELL = 92
const ROW = 26
const HEAD = 92
/** From the best to twice as bad and beyond. */
const SHADES = 5
const STYLE = [
  ".s0{fill:#2a8a57;fill-opacity:.75}.s1{fill:#2a8a57;fill-opacity:.4}.s2{fill:#2a8a57;fill-opacity:.15}",
  ".s3{fill:#d9822b;fill-opacity:.25}.s4{fill:#d9822b;fill-opacity:.55}.none{fill:#8b949e;fill-opacity:.15}",
  ".small{font-size:11px}",
].join("")

export function scoreboardSvg(title: string, columns: readonly ScoreColumn[]): string {
  const policies = columns[0]?.cells.map(({ policy }) => policy) ?? []
  const width = LABEL + columns.length * CELL + 16
  const height = HEAD + policies.length * ROW + 34
  const body = [
    text({ x: 16, y: 26, class: "head" }, title),
    text({ x: 16, y: 46, class: "faint" }, "green: the best of its workload or near it; orange: far from it; medians over the drawn sets"),
    ...columns.flatMap((column, index) => columnSvg(column, LABEL + index * CELL)),
    ...policies.map((policy, row) => text({ x: LABEL - 10, y: HEAD + row * ROW + 17, anchor: "end" }, policy)),
  ]
  return picture({ width, height, title, description: columns.map(describe).join(" "), style: STYLE }, body)
}

function columnSvg(column: ScoreColumn, x: number): readonly string[] {
  const middle = x + CELL / 2
  return [
    text({ x: middle, y: HEAD - 24, anchor: "middle" }, column.workload),
    text({ x: middle, y: HEAD - 9, anchor: "middle", class: "faint small" }, column.measure),
    ...column.cells.flatMap(({ policy, value }, row) => {
      const y = HEAD + row * ROW
      const words = value === null ? "–" : decimal(value >= 100 ? Math.round(value) : value)
      const title = element("title", {}, escapeXml(`${policy} on ${column.workload}: ${column.measure} ${words}`))
      return [
        element("rect", { x: x + 2, y: y + 2, width: CELL - 4, height: ROW - 4, rx: 3, class: shadeOf(value, column) }, title),
        text({ x: middle, y: y + 17, anchor: "middle" }, `${words}${value !== null && value === column.best ? " ★" : ""}`),
      ]
    }),
  ]
}

/** By the ratio to the best: equal, within 5 %, within 25 %, up to twice, beyond. */
export function shadeOf(value: number | null, { best, better }: Pick<ScoreColumn, "best" | "better">): string {
  if (value === null || best === null) return "none"
  const [worse, good] = better === "less" ? [value, best] : [best, value]
  const ratio = good === 0 ? (worse === 0 ? 1 : Infinity) : worse / good
  return `s${[1, 1.05, 1.25, 2].filter((limit) => ratio > limit).length % SHADES}`
}

function describe({ workload, measure, best, cells }: ScoreColumn): string {
  const figures = cells.map(({ policy, value }) => `${policy} ${value === null ? "none" : decimal(value)}`).join(", ")
  return `${workload}, ${measure}${best === null ? "" : `, best ${decimal(best)}`}: ${figures}.`
}

/** What a figure in virtual time is: a table, a picture, and the numbers that tests and benches look at. The same start, the same figure. */
import { barChartSvg, type BarChart } from "@backplane/scenario-picture/bar-chart-svg"
import { lineChartSvg, type LineChart } from "@backplane/scenario-picture/line-chart-svg"

export interface VirtualFigure {
  /** Small letters and hyphens, stable. */
  readonly name: string
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
  /** What was published, what differs, what to look at. */
  readonly notes: readonly string[]
  readonly chart: LineChart | BarChart
  /** By name, exact. */
  readonly values: Readonly<Record<string, number>>
}

/** `short` is for tests: fewer points, less work, the same shape. */
export type FigureSize = "full" | "short"

/** For a person: title, table, notes. */
export function figureText({ title, columns, rows, notes }: VirtualFigure): string {
  const cells = [columns, ...rows.map((row) => row.map(String))]
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  ")
  return [title, ...cells.map((row) => `  ${line(row)}`), ...notes.map((note) => `  ${note}`)].join("\n")
}

export function figureSvg({ chart }: VirtualFigure): string {
  return "series" in chart ? lineChartSvg(chart) : barChartSvg(chart)
}

export const percentOf = (share: number): string => `${(Math.round(share * 1000) / 10).toFixed(1)} %`
export const round = (value: number, digits = 2): number => Math.round(value * 10 ** digits) / 10 ** digits

/** A headline: a claim about schedulers that a command runs, with a table, a picture and a verdict. */

export interface HeadlineOptions {
  /** Drawn sets, where there is something to draw. */
  readonly sets: number
}

export interface HeadlineResult {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
  /** Whether the claim holds in these runs. */
  readonly holds: boolean
  /** What was found, in one sentence. */
  readonly verdict: string
  readonly svg: string
}

export interface Headline {
  readonly name: string
  readonly claim: string
  run(options: HeadlineOptions): HeadlineResult
}

const DIGITS = 3

export function headlineTable({ columns, rows }: Pick<HeadlineResult, "columns" | "rows">): string {
  const cells = [columns, ...rows.map((row) => row.map(cellText))]
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? "").length)))
  return cells
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart((widths[column] ?? 0) + 2)))
        .join("")
        .trimEnd(),
    )
    .join("\n")
}

function cellText(cell: string | number): string {
  if (typeof cell === "string") return cell
  if (Number.isInteger(cell)) return String(cell)
  return Math.abs(cell) >= 100 ? cell.toFixed(0) : Math.abs(cell) >= 1 ? cell.toFixed(2) : cell.toFixed(DIGITS)
}

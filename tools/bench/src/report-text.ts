/** A report for people (a table) and for programs (one line of JSON, fields in a fixed order). */
import type { BenchReport, Figure } from "./bench.ts"

export function reportJson(report: BenchReport): string {
  const { cpus, node, commit, othersCpu } = report.machine
  const tables = report.presentations.map(({ name, title, columns, rows }) => ({ name, title, columns, rows }))
  return JSON.stringify({
    bench: report.bench,
    figures: report.figures.map(figureFields),
    ...(tables.length > 0 && { tables }),
    machine: { cpus, node, commit, othersCpu },
  })
}

export function reportTable(report: BenchReport): string {
  const rows = report.figures.map((figure) => [
    figure.name,
    `${short(figure.value)} ${figure.unit}`,
    `${short(Math.min(...figure.rounds))} … ${short(Math.max(...figure.rounds))}`,
    `${short(figure.baseline.value)} (${figure.baseline.name})`,
    `${short(figure.value / figure.baseline.value)} ×`,
    `${figure.better} is better`,
  ])
  const table = aligned([["figure", "median", "rounds", "baseline", "ratio", ""], ...rows])
  const { cpus, node, commit, othersCpu } = report.machine
  const others = othersCpu === null ? "not known" : `${Math.round(othersCpu * 100)} %`
  return [
    ...report.presentations.flatMap(({ text }) => [text, ""]),
    `bench ${report.bench}`,
    ...table,
    `${cpus} CPUs, Node.js ${node}, commit ${commit.slice(0, 12)}, other processes' share of the CPU: ${others}`,
  ].join("\n")
}

function figureFields(figure: Figure): Figure {
  const { name, value, unit, better, baseline, rounds } = figure
  return { name, value, unit, better, baseline: { name: baseline.name, value: baseline.value }, rounds }
}

/** Four digits, whole where it is large: 318000, 2.417. */
function short(value: number): string {
  return value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(4)))
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  )
}

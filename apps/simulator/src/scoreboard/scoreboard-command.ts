/** `sched-compare`: any policies on any workloads, as a table, JSON or a picture. */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { POLICY_NAMES } from "@backplane/scenario-machine/machine-spec"
import { WORKLOADS } from "@backplane/scenario-workloads/workloads"
import { scoreboardSvg } from "@backplane/scenario-picture/scoreboard-svg"
import { wholeFlag } from "../whole-flag.ts"
import { COLUMNS, columnOf } from "./columns.ts"
import { FALLBACK, type Contender } from "./contender.ts"
import { contendersOf } from "./own-policy.ts"
import { boardOf, type Board } from "./scoreboard.ts"
import { bestOf, tableOf } from "./scoreboard-table.ts"
import { workloadOf } from "./workload-of.ts"

const SETS_DEFAULT = 20

export async function scoreboardCommand(args: readonly string[]): Promise<number> {
  const text = { type: "string" } as const
  const flag = { type: "boolean" } as const
  const { values } = parseArgs({
    args: [...args],
    options: { policies: text, workloads: text, columns: text, seeds: text, from: text, svg: text, json: flag, list: flag },
  })
  if (values.list === true) return listWorkloads(values.json === true)
  const contenders = withFallback(await contendersOf(values.policies ?? POLICY_NAMES.join(",")))
  const workloads = values.workloads === undefined ? WORKLOADS : [...new Set(values.workloads.split(","))].map(workloadOf)
  const columns = values.columns === undefined ? undefined : columnsOf(values.columns)
  const sets = wholeFlag("--seeds", values.seeds ?? String(SETS_DEFAULT), 1)
  const firstSet = wholeFlag("--from", values.from ?? "0", 0)
  const boards = workloads.map((workload) => {
    const board = boardOf(workload, contenders, { sets, firstSet, onScore: (label) => progress(`${workload.name}: ${label}`) })
    progress("")
    if (values.json !== true) console.log(`${tableOf(board, columns)}\n`)
    return board
  })
  if (values.svg !== undefined) writeFileSync(values.svg, pictureOf(boards))
  if (values.json === true) console.log(JSON.stringify({ sets, firstSet, boards: boards.map(plainBoard) }))
  return 0
}

/** One line on a terminal, nothing anywhere else. */
function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`)
}

function listWorkloads(asJson: boolean): number {
  const listed = WORKLOADS.map(({ name, question, columns }) => ({ name, question, columns }))
  console.log(
    asJson ? JSON.stringify({ workloads: listed }) : listed.map(({ name, question }) => `${name.padEnd(16)} ${question}`).join("\n"),
  )
  return 0
}

/** The baseline of each table. */
function withFallback(contenders: readonly Contender[]): readonly Contender[] {
  return contenders.some(({ isSilent }) => isSilent) ? contenders : [FALLBACK, ...contenders]
}

function columnsOf(text: string): readonly string[] {
  return text === "all" ? COLUMNS.map(({ name }) => name) : text.split(",").map((name) => columnOf(name).name)
}

function plainBoard({ workload, scores }: Board): unknown {
  return {
    workload: workload.name,
    question: workload.question,
    columns: workload.columns,
    // What the columns' figures are: for whoever draws them without knowing ours.
    measures: workload.columns.map(columnOf).map(({ name, unit, better }) => ({ name, unit, better })),
    scores: scores.map(({ contender, figures, refusals, failures }) => ({ contender, figures, refusals, failures })),
  }
}

/** A cell shows the first column of its workload. */
function pictureOf(boards: readonly Board[]): string {
  return scoreboardSvg(
    "Policies on workloads",
    boards.map(({ workload, scores }) => {
      const column = columnOf(workload.columns[0] ?? "makespan")
      return {
        workload: workload.name,
        measure: column.name,
        better: column.better ?? "less",
        best: bestOf(column, scores),
        cells: scores.map(({ contender, figures, failures }) => ({
          policy: contender,
          value: failures.sets > 0 ? null : (figures[column.name]?.median ?? null),
        })),
      }
    }),
  )
}

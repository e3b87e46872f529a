/** The chosen policy beside the one in force and the built-in fallback, on drawn workloads in simulation: the running machine is not touched. */
import { act, look } from "./api.ts"
import { choices, part, reason, say, table } from "./elements.ts"

interface Measure {
  readonly name: string
  readonly unit: string
  readonly better: "less" | "more" | null
}

interface Score {
  readonly contender: string
  readonly figures: Readonly<Record<string, { readonly median: number; readonly spread: number } | null>>
}

interface Board {
  readonly question: string
  readonly measures: readonly Measure[]
  readonly scores: readonly Score[]
}

const SEEDS = 3

export async function startComparePanel(policies: () => readonly string[]): Promise<void> {
  const choice = part("workload") as HTMLSelectElement
  part("compare").addEventListener("click", () => void compare(policies(), choice.value))
  const { workloads } = await look<{ workloads: readonly { name: string; question: string }[] }>("/v1/scoreboard/workloads")
  choices(
    choice,
    workloads.map(({ name, question }) => [name, question]),
  )
}

async function compare(policies: readonly string[], workload: string): Promise<void> {
  const told = part("compare-told")
  const control = part("compare") as HTMLButtonElement
  control.disabled = true
  say(told, `${policies.join(" and ")} on ${SEEDS} drawn sets of ${workload}, in simulation…`)
  try {
    const { boards } = await act<{ boards: readonly Board[] }>("POST", "/v1/scoreboard", { policies, workload, seeds: SEEDS })
    const board = boards[0]
    if (board === undefined) return say(told, "nothing was compared", "bad")
    say(told, `${board.question} Medians of ${SEEDS} sets; * best`)
    part("compare-report").replaceChildren(tableOf(board))
  } catch (error) {
    say(told, reason(error), "bad")
  } finally {
    control.disabled = false
  }
}

export function tableOf({ measures, scores }: Board): HTMLTableElement {
  const best = measures.map((measure) => bestOf(measure, scores))
  return table(
    "policies compared",
    [
      "policy",
      ...measures.map(({ name, unit }) => (unit === "count" || unit === "ratio" ? name : `${name}, ${unit === "percent" ? "%" : unit}`)),
    ],
    scores.map(({ contender, figures }) => [
      contender,
      ...measures.map(({ name }, index) => {
        const figure = figures[name]
        if (figure === undefined || figure === null) return "–"
        const text = figure.median.toLocaleString("en", { maximumSignificantDigits: 3 })
        return figure.median === best[index] ? `* ${text}` : text
      }),
    ]),
  )
}

/** Null: neither way is better, or all are alike. */
function bestOf({ name, better }: Measure, scores: readonly Score[]): number | null {
  const medians = scores.flatMap(({ figures }) => figures[name]?.median ?? [])
  if (better === null || new Set(medians).size < 2) return null
  return better === "less" ? Math.min(...medians) : Math.max(...medians)
}

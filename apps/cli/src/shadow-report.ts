/** How a scheduler in shadow compares with those in force, as text. */

export interface Shadow {
  readonly epoch: number
  readonly policy: string
  readonly state: "under way" | "passed" | "rejected"
  readonly reason: string
  readonly fromTick: number
  readonly untilTick: number
  readonly periods: number
  readonly same: number
  readonly differences: Readonly<Record<string, number>>
  readonly refused: Readonly<Record<string, number>>
  readonly first: readonly {
    readonly tick: number
    readonly cpu: number
    readonly difference: string
    readonly active: string | null
    readonly shadow: string | null
  }[]
}

const MEANING: Readonly<Record<string, string>> = {
  task: "another task",
  cpu: "another task, which went to another CPU in that tick",
  slice: "the same task, another end of its slice",
  "shadow-silent": "no choice in shadow",
  "active-silent": "a choice in shadow only",
  preempt: "what runs would have been taken off",
}

/** Differences that are printed. */
const SHOWN_MAX = 12

export function shadowText(shadow: Shadow): string {
  const { policy, fromTick, untilTick, periods, same, differences, refused, first, state, reason } = shadow
  const share = periods === 0 ? "" : ` (${((100 * same) / periods).toFixed(1)} %)`
  const lines = [`${policy} in shadow, tick ${fromTick} to ${untilTick}: ${periods} choices, ${same} the same${share}`]
  for (const [kind, count] of Object.entries(differences))
    if (count > 0) lines.push(`  ${String(count).padStart(6)}  ${kind}: ${MEANING[kind] ?? ""}`)
  for (const [verdict, count] of Object.entries(refused)) lines.push(`  ${String(count).padStart(6)}  would have been refused: ${verdict}`)
  if (first.length > 0) lines.push("  first differences")
  for (const { tick, cpu, difference, active, shadow: other } of first.slice(0, SHOWN_MAX))
    lines.push(`    tick ${tick} CPU ${cpu}: ${active ?? "nothing"} in force, ${other ?? "nothing"} in shadow (${difference})`)
  if (state === "rejected") lines.push(`  it would not take over: ${reason}`)
  return lines.join("\n")
}

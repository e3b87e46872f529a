/** The four bugs of the wasted cores: planted, flagged by the monitor, mended. */
import { barChartSvg } from "@backplane/scenario-picture/chart-svg"
import type { Headline, HeadlineResult } from "./headline.ts"
import { FLAGGED_TICKS, WASTED_CASES, wastedRun, type WastedRun } from "./wasted-cores.ts"

export const wastedCoresHeadline: Headline = {
  name: "wasted-cores",
  claim:
    "each of the four bugs of “a decade of wasted cores” leaves CPUs idle beside work, is flagged by the monitor, and is gone when mended",
  run: (): HeadlineResult => {
    const runs = WASTED_CASES.map((one) => ({ one, planted: wastedRun(one, one.bug), mended: wastedRun(one, null) }))
    const row = (label: string, run: WastedRun): readonly (string | number)[] => [
      ...[label, run.makespan, `${(100 * run.wastedShare).toFixed(1)} %`, run.flagged],
      run.longest === null ? "–" : `CPU ${run.longest.cpu}, ticks ${run.longest.from}–${run.longest.to}, while ${run.longest.task} waits`,
    ]
    return {
      columns: ["case", "makespan", "idle beside work", `flagged (≥ ${FLAGGED_TICKS} ticks)`, "longest flagged"],
      rows: runs.flatMap(({ one, planted, mended }) => [row(one.bug, planted), row("  mended", mended)]),
      holds: runs.every(({ planted, mended }) => planted.flagged > 0 && mended.flagged === 0 && mended.makespan < planted.makespan),
      verdict: runs
        .map(
          ({ one, planted, mended }) =>
            `${one.bug} (${one.load}): ${planted.flagged} flagged, mended ${mended.flagged}, ${(planted.makespan / mended.makespan).toFixed(2)} times as long`,
        )
        .join("; "),
      svg: barChartSvg({
        title: "A decade of wasted cores",
        yLabel: "ticks until all is done: with the bug, and mended",
        bars: runs.flatMap(({ one, planted, mended }) => [
          { label: one.bug.replaceAll("-", " "), value: planted.makespan, isGood: false },
          { label: "mended", value: mended.makespan, isGood: true },
        ]),
      }),
    }
  },
}

/** Cache-aware stealing against stealing by chance at its best interval, over the shapes of the OSTEP programs. */
import { lineChartSvg } from "@backplane/scenario-picture/chart-svg"
import { ostepSets } from "@backplane/scenario-workloads/batch"
import { mean } from "@backplane/schedule-measure/percentiles"
import { contenderOf } from "../scoreboard/contender.ts"
import { boardOf } from "../scoreboard/scoreboard.ts"
import type { Headline, HeadlineOptions, HeadlineResult } from "./headline.ts"

const PEEKS = [1, 2, 5, 10, 20] as const
const SHAPES = [2, 4, 8].flatMap((cpus) =>
  [2, 3, 4].flatMap((each) => [30, 60, 100].map((maxWorkingSet) => ({ cpus, jobs: cpus * each, maxRun: 200, maxWorkingSet }))),
)

type Shape = (typeof SHAPES)[number]

export interface CachePoint {
  /** Mean makespans. */
  readonly steal: number
  readonly warm: number
  /** Sets on which mqms-warm ends sooner, and later. */
  readonly shorter: number
  readonly longer: number
}

export function cachePoint(shape: Shape, sets: number): CachePoint {
  const contenders = [...PEEKS.map((peek) => `mqms-steal@${peek}/ostep`), "mqms-warm@5"].map(contenderOf)
  const makespans = boardOf(ostepSets(shape), contenders, { sets }).scores.map(({ runs }) => runs.map(({ makespanTicks }) => makespanTicks))
  const warm = makespans.at(-1) ?? []
  const stealing = makespans.slice(0, -1).reduce((best, some) => (mean(some) < mean(best) ? some : best))
  return {
    steal: mean(stealing),
    warm: mean(warm),
    shorter: warm.filter((ticks, set) => ticks < (stealing[set] ?? 0)).length,
    longer: warm.filter((ticks, set) => ticks > (stealing[set] ?? 0)).length,
  }
}

export const cacheAwareHeadline: Headline = {
  name: "cache-aware",
  claim: "mqms-warm ends sooner than mqms-steal at its best interval, on OSTEP sets of every shape",
  run: ({ sets }: HeadlineOptions): HeadlineResult => {
    const points = SHAPES.map((shape) => ({
      shape: `${shape.cpus} CPUs, ${shape.jobs} jobs, sets ≤ ${shape.maxWorkingSet}`,
      ...cachePoint(shape, sets),
    }))
    const all = points.length * sets
    const longer = points.reduce((sum, point) => sum + point.longer, 0)
    return {
      columns: ["shape", "mqms-steal, best", "mqms-warm", "less", "sets shorter", "longer"],
      rows: points.map(({ shape, steal, warm, ...point }) => [
        shape,
        steal,
        warm,
        `${(100 * (1 - warm / steal)).toFixed(1)} %`,
        point.shorter,
        point.longer,
      ]),
      holds: points.every(({ steal, warm }) => warm < steal),
      verdict: `ahead on ${points.filter(({ steal, warm }) => warm < steal).length} of ${points.length} shapes; of ${all} single sets ${points.reduce((sum, { shorter }) => sum + shorter, 0)} shorter, ${longer} longer`,
      svg: lineChartSvg({
        title: "Cache-aware stealing on OSTEP sets of many shapes",
        xLabel: "shape: 2, 4 and 8 CPUs, from few to many jobs and small to large working sets",
        yLabel: "mean makespan, ticks",
        x: points.map((_, index) => index + 1),
        lines: [
          { name: "mqms-steal, best", values: points.map(({ steal }) => steal) },
          { name: "mqms-warm", values: points.map(({ warm }) => warm) },
        ],
      }),
    }
  },
}

/** Headlines that are one column of the scoreboard, read for two policies. */
import { barChartSvg } from "@backplane/scenario-picture/chart-svg"
import { WORKLOADS } from "@backplane/scenario-workloads/workloads"
import { contenderOf } from "../scoreboard/contender.ts"
import { boardOf } from "../scoreboard/scoreboard.ts"
import type { Headline, HeadlineOptions, HeadlineResult } from "./headline.ts"

interface BoardHeadline {
  readonly name: string
  readonly claim: string
  readonly workload: string
  readonly column: string
  readonly yLabel: string
  /** The claim is about the first two: `better` is below `than` by at least this factor. */
  readonly better: string
  readonly than: string
  readonly factorLeast: number
  /** Shown beside them. */
  readonly others: readonly string[]
}

function boardHeadline(about: BoardHeadline): Headline {
  const { name, claim, workload: wanted, column, better, than, factorLeast } = about
  return {
    name,
    claim,
    run: ({ sets }: HeadlineOptions): HeadlineResult => {
      const workload = WORKLOADS.find((one) => one.name === wanted)
      if (workload === undefined) throw new Error(`there is no workload ${wanted}`)
      const board = boardOf(workload, [better, than, ...about.others].map(contenderOf), { sets })
      const medianOf = (policy: string): number =>
        board.scores.find(({ contender }) => contender === policy)?.figures[column]?.median ?? NaN
      const factor = medianOf(than) / medianOf(better)
      return {
        columns: ["policy", `${column} (median of ${sets} sets)`, "middle half"],
        rows: board.scores.map(({ contender, figures }) => [contender, figures[column]?.median ?? "–", figures[column]?.spread ?? "–"]),
        holds: factor >= factorLeast,
        verdict: `${better} ${medianOf(better).toFixed(1)}, ${than} ${medianOf(than).toFixed(1)}: ${factor.toFixed(2)} times (claimed: ${factorLeast})`,
        svg: barChartSvg({
          title: claim.charAt(0).toUpperCase() + claim.slice(1),
          yLabel: about.yLabel,
          bars: board.scores.map(({ contender }) => ({ label: contender, value: medianOf(contender), isGood: contender === better })),
        }),
      }
    },
  }
}

export const shortTasksHeadline = boardHeadline({
  name: "short-tasks",
  claim: "short requests beside long ones end sooner under eevdf than under cfs, at the 99th percentile",
  workload: "bimodal",
  column: "response-p99",
  yLabel: "ticks from arrival to end, 99th percentile of requests of 2 ticks among some of 60",
  better: "eevdf",
  than: "cfs",
  factorLeast: 1.01,
  others: ["rr", "fifo", "mlfq", "credit"],
})

export const gangHeadline = boardHeadline({
  name: "gang",
  claim: "a VM whose vCPUs meet at barriers ends at least twice as soon under gang as under credit, beside hogs",
  workload: "barrier-vm",
  column: "response-p99",
  yLabel: "ticks until the last vCPU is done",
  better: "gang",
  than: "credit",
  factorLeast: 2,
  others: ["cfs", "eevdf", "rr"],
})

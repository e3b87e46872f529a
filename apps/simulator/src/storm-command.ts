/** `storm`: many swaps through all policies, machine after machine, and what came of it. */
import { parseArgs } from "node:util"
import { storm, type StormReport } from "./storm.ts"
import { wholeFlag } from "./whole-flag.ts"

/** A machine's scenario holds so many at most. */
const SWAPS_PER_MACHINE = 500

export function stormCommand(args: readonly string[]): number {
  const { values } = parseArgs({
    args: [...args],
    options: {
      swaps: { type: "string", default: "1000" },
      every: { type: "string", default: "10" },
      "kill-every": { type: "string", default: "5" },
      from: { type: "string", default: "1" },
      json: { type: "boolean", default: false },
    },
  })
  const swaps = wholeFlag("swaps", values.swaps, 1)
  const everySlices = wholeFlag("every", values.every, 1)
  const killEvery = wholeFlag("kill-every", values["kill-every"], 0)
  const from = wholeFlag("from", values.from, 0)
  const reports: StormReport[] = []
  for (let done = 0, seed = from; done < swaps; done += SWAPS_PER_MACHINE, seed++) {
    const report = storm({ seed, swaps: Math.min(SWAPS_PER_MACHINE, swaps - done), everySlices, killEvery })
    reports.push(report)
    if (!values.json)
      console.log(
        `seed ${seed}: ${report.swaps} swaps, ${report.kills} kills, ${report.ejections} ejections; lost ${report.lost}, begun again ${report.restarts}; gap p99 ${report.gapP99Slices} slices, most ${report.gapMostSlices}`,
      )
  }
  const isGood = reports.every(({ lost, restarts, gapP99Slices }) => lost === 0 && restarts === 0 && gapP99Slices <= 1)
  if (values.json) console.log(JSON.stringify({ swaps, everySlices, good: isGood, machines: reports }))
  else
    console.log(isGood ? `${swaps} swaps: no task lost or begun twice, gap at most a slice at p99` : "the storm broke something: see above")
  return isGood ? 0 : 1
}

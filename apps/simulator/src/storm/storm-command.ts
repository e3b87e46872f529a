/** `storm`: many swaps through all policies, machine after machine, and what came of it. */
import { parseArgs } from "node:util"
import { storm, type StormReport } from "./storm.ts"
import { wholeFlag } from "../whole-flag.ts"

/** A machine's scenario holds 1000 actions at most, and a swap brings up to three others. */
const SWAPS_PER_MACHINE = 250

/**
 * Nothing lost, begun again, run twice or outside its mask, all work done once, and CPUs waited a slice at most at p99. A killed scheduler is
 * back before it is missed: nobody is ejected who did nothing wrong.
 */
export function isSound(report: StormReport): boolean {
  const { lost, restarts, ticksTwice, ticksOutside, ticksWrong, dispatchesOutside, ejections, gapP99Slices } = report
  return lost + restarts + ticksTwice + ticksOutside + ticksWrong + dispatchesOutside + ejections === 0 && gapP99Slices <= 1
}

function verdictOf(reports: readonly StormReport[]): string {
  const sum = (of: (report: StormReport) => number): number => reports.reduce((total, report) => total + of(report), 0)
  const most = Math.max(...reports.map(({ gapP99Slices }) => gapP99Slices))
  return (
    `${sum(({ swaps }) => swaps)} swaps (${sum(({ sets }) => sets)} of a set of CPUs, ${sum(({ shadows }) => shadows)} through shadow), ` +
    `${sum(({ kills }) => kills)} schedulers killed, ${sum(({ gone }) => gone)} CPUs gone and come back: ` +
    `no task lost, begun again, run twice or outside its mask; all work done once; gap at p99 ${most} slices`
  )
}

export function stormCommand(args: readonly string[]): number {
  const { values } = parseArgs({
    args: [...args],
    options: {
      swaps: { type: "string", default: "1000" },
      every: { type: "string", default: "50" },
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
        `seed ${seed}: ${report.swaps} swaps, ${report.kills} kills in ${report.placesKilled} of ${report.places} places, ${report.ejections} ejections${report.prefetch ? ", pre-fetch" : ""}; ` +
          `lost ${report.lost}, begun again ${report.restarts}, ticks on two CPUs ${report.ticksTwice}, outside the mask ${report.ticksOutside + report.dispatchesOutside}, ` +
          `work not done or done too often ${report.ticksWrong}; gap p99 ${report.gapP99Slices} slices, most ${report.gapMostSlices}`,
      )
  }
  const isGood = reports.every(isSound)
  if (values.json) console.log(JSON.stringify({ swaps, everySlices, good: isGood, machines: reports }))
  else console.log(isGood ? verdictOf(reports) : "the storm broke something: see above")
  return isGood ? 0 : 1
}

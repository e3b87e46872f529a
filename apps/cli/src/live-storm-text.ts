/** A live storm as lines of text. */
import { isSound, type Gap, type LiveStormReport, type MachineReport } from "./live-storm.ts"

export function stormLine(report: MachineReport): string {
  const { seed, swaps, toService, sets, refused, kills, ejections, prefetch } = report
  const what = `${swaps} swaps (${toService} to the service, ${sets} of a set of CPUs, ${refused} refused)`
  const ledger =
    `lost ${report.lost}, begun again ${report.restarts}, ticks on two CPUs ${report.ticksTwice}, outside the mask ${report.ticksOutside}, ` +
    `work not done or done too often ${report.ticksWrong}`
  return `seed ${seed}: ${what}, ${kills} kills, ${ejections} ejections${prefetch ? ", pre-fetch" : ""}; ${ledger}`
}

function gapText({ p50Slices, p99Slices, mostSlices, count }: Gap): string {
  return `gap p50 ${p50Slices}, p99 ${p99Slices}, most ${mostSlices} slices (${count} dispatches)`
}

export function stormVerdict({ swaps, kills, seconds, good, gap, gapDisturbed, machines }: LiveStormReport): string {
  const done = `${swaps} swaps over NATS in ${seconds} s, ${kills} processes killed in the middle of one`
  const gaps = `after a swap: ${gapText(gap)}\nafter one in whose time a process was killed or not back yet: ${gapText(gapDisturbed)}`
  const broken = machines.filter((machine) => !isSound(machine)).map(({ seed }) => seed)
  if (good) return `${gaps}\n${done}: no task lost, begun again, run twice or outside its mask; all work done once`
  return `${gaps}\n${done}; the storm broke something: ${broken.length === 0 ? "CPUs waited more than a slice" : `see seed ${broken.join(", ")}`}`
}

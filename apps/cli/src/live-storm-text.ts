/** A live storm as lines of text. */
import { isSound, SLICE_TICKS, type Gap, type LiveStormReport, type MachineReport } from "./live-storm.ts"

/** Of a machine. */
const EXITS_MOST = 2

export function stormLine(report: MachineReport): string {
  const { seed, swaps, toService, sets, refused, kills, ejections, prefetch } = report
  const what = `${swaps} swaps (${toService} to the service, ${sets} of a set of CPUs, ${refused} refused)`
  const ledger =
    `lost ${report.lost}, begun again ${report.restarts}, ticks on two CPUs ${report.ticksTwice}, outside the mask ${report.ticksOutside}, ` +
    `work not done or done too often ${report.ticksWrong}`
  const exits = report.exits.slice(0, EXITS_MOST).map((exit) => `\n  ejected: ${exit}`).join("") // prettier-ignore
  return `seed ${seed}: ${what}, ${kills} kills, ${ejections} ejections${prefetch ? ", pre-fetch" : ""}; ${ledger}${exits}`
}

function gapText({ p50Slices, p99Slices, mostSlices, count }: Gap): string {
  return `gap p50 ${p50Slices}, p99 ${p99Slices}, most ${mostSlices} slices (${count} dispatches)`
}

const WORST_MOST = 5

function worstText({ machines, sliceMilliseconds }: LiveStormReport): string {
  const worst = machines
    .flatMap(({ seed, worstGaps }) => worstGaps.map((gap) => ({ seed, ...gap })))
    .sort((a, b) => b.ticks - a.ticks || a.seed - b.seed || a.tick - b.tick || a.cpu - b.cpu)
    .slice(0, WORST_MOST)
    .filter(({ ticks }) => ticks > SLICE_TICKS)
  return worst
    .map(
      ({ seed, cpu, job, ticks, tick, before, after }) =>
        `  ${((ticks / SLICE_TICKS) * sliceMilliseconds).toFixed(0)} ms: seed ${seed}, tick ${tick}, CPU ${cpu} beside ${job}, after ${before} → ${after}\n`,
    )
    .join("")
}

export function stormVerdict(report: LiveStormReport): string {
  const { swaps, kills, placesKilled, places, seconds, sliceMilliseconds, good, gap, gapDisturbed, gapStopped, machines } = report
  const done =
    `${swaps} swaps over NATS in ${seconds} s, slices of ${sliceMilliseconds} ms, ${kills} processes killed in the middle of one ` +
    `(in ${placesKilled} of ${places} places)`
  const gaps = `after a swap: ${gapText(gap)}\n${worstText(report)}after one in whose time a process was killed or not back yet: ${gapText(gapDisturbed)}\nafter one beside which the computer stood still for half a slice: ${gapText(gapStopped)}`
  const broken = machines.filter((machine) => !isSound(machine)).map(({ seed }) => seed)
  if (good) return `${gaps}\n${done}: no task lost, begun again, run twice or outside its mask; all work done once`
  return `${gaps}\n${done}; the storm broke something: ${broken.length === 0 ? "CPUs waited more than a slice" : `see seed ${broken.join(", ")}`}`
}

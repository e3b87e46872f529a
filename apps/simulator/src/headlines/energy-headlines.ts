/** What speed costs, and what it is worth to choose it. */
import { Random } from "@backplane/foundation-base/random"
import { lineChartSvg } from "@backplane/scenario-picture/chart-svg"
import { CAPACITY_MAX } from "@backplane/scenario-machine/power-spec"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { ENERGY_RUNGS, energyRung } from "@backplane/scenario-workloads/hardware"
import { mean } from "@backplane/schedule-measure/percentiles"
import { measuredRun } from "../scoreboard/measured-run.ts"
import type { Headline, HeadlineOptions, HeadlineResult } from "./headline.ts"

const CPUS = 4
/** For being on at all; for switching, which grows with the cube of the frequency; asleep. */
const STATIC_WATTS = 0.5
const SWITCHING_WATTS = 3.5
const ASLEEP_WATTS = 0.05
const CAPACITIES = [1024, 896, 768, 640, 512, 448, 384, 320, 256, 192, 128]

/** Joules of one batch at one speed, and when it was done. */
function batchAt(capacity: number): { readonly joules: number; readonly endTick: number; readonly secondsPerTick: number } {
  const watts = STATIC_WATTS + SWITCHING_WATTS * (capacity / CAPACITY_MAX) ** 3
  const spec = resolveMachineSpec({
    topology: { cpus: CPUS },
    cache: { size: 100, warmupTicks: 0, warmRate: 1 },
    schedule: { policy: "rr" },
    power: { kinds: [{ cpus: [], speeds: [{ capacity, watts }], idle: [{ watts: ASLEEP_WATTS, wakeTicks: 0 }] }] },
    jobs: Array.from({ length: 2 * CPUS }, (_, index) => ({ name: `t${index}`, run: 100, workingSet: 0 })),
  })
  const { metrics } = measuredRun(spec)
  return { joules: metrics.energy ?? 0, endTick: metrics.makespanTicks, secondsPerTick: spec.clock.tickCycles / spec.clock.cyclesPerSecond }
}

/** The same batch at each speed, and asleep until the slowest would be done. */
export const energyHeadline: Headline = {
  name: "energy",
  claim: "slower is cheaper down to a tipping point, and dearer below it",
  run: (): HeadlineResult => {
    const runs = CAPACITIES.map((capacity) => ({ capacity, ...batchAt(capacity) }))
    const horizon = Math.max(...runs.map(({ endTick }) => endTick))
    const curve = runs.map(({ capacity, joules, endTick, secondsPerTick }) => ({
      capacity,
      endTick,
      joules: joules + CPUS * ASLEEP_WATTS * (horizon - endTick) * secondsPerTick,
    }))
    const tipping = curve.reduce((best, point) => (point.joules < best.joules ? point : best))
    const at = curve.indexOf(tipping)
    const isCurve = curve.every(
      ({ joules }, index) =>
        index === 0 || (index <= at ? joules < (curve[index - 1]?.joules ?? 0) : joules > (curve[index - 1]?.joules ?? 0)),
    )
    // Where the derivative of (static − asleep + switching · f³) / f is 0.
    const expected = CAPACITY_MAX * Math.cbrt((STATIC_WATTS - ASLEEP_WATTS) / (2 * SWITCHING_WATTS))
    return {
      columns: ["capacity of 1024", "done at tick", "joules"],
      rows: curve.map(({ capacity, endTick, joules }) => [String(capacity), endTick, joules]),
      holds: isCurve && at > 0 && at < curve.length - 1,
      verdict: `the tipping point is at ${tipping.capacity} of 1024 with ${tipping.joules.toFixed(2)} J (worked out: ${expected.toFixed(0)}); at full speed ${curve[0]?.joules.toFixed(2)} J`,
      svg: lineChartSvg({
        title: "What a batch costs at each speed",
        xLabel: "capacity of 1024",
        yLabel: "joules, until the slowest would be done",
        x: curve.map(({ capacity }) => capacity),
        lines: [{ name: "joules", values: curve.map(({ joules }) => joules) }],
      }),
    }
  },
}

const LADDER_POLICIES = ["rr", "eas"] as const

export const energyAwareHeadline: Headline = {
  name: "energy-aware",
  claim: "eas spends less than rr at every load, on two fast CPUs and two slow",
  run: ({ sets }: HeadlineOptions): HeadlineResult => {
    const points = ENERGY_RUNGS.map((percent) => {
      const runs = LADDER_POLICIES.map((policy) =>
        Array.from({ length: Math.max(1, Math.ceil(sets / 4)) }, (_, set) => {
          const drawn = energyRung(percent, new Random(set).fork("energy"))
          return measuredRun(resolveMachineSpec({ ...drawn, seed: set, schedule: { policy } })).metrics
        }),
      )
      const joules = runs.map((some) => mean(some.map(({ energy }) => energy ?? 0)))
      return { percent, joules, late: runs.map((some) => mean(some.map(({ response }) => response.p99))) }
    })
    return {
      columns: [
        "load",
        ...LADDER_POLICIES.map((policy) => `${policy} joules`),
        "saved",
        ...LADDER_POLICIES.map((policy) => `${policy} response p99`),
      ],
      rows: points.map(({ percent, joules: [rr = 0, eas = 0], late }) => [
        `${percent} %`,
        rr,
        eas,
        `${(100 * (1 - eas / rr)).toFixed(0)} %`,
        ...late,
      ]),
      holds: points.every(({ joules: [rr = 0, eas = 0] }) => eas < rr),
      verdict: `saved from ${Math.min(...points.map(({ joules: [rr = 1, eas = 0] }) => Math.round(100 * (1 - eas / rr))))} to ${Math.max(...points.map(({ joules: [rr = 1, eas = 0] }) => Math.round(100 * (1 - eas / rr))))} %; the price is a later answer`,
      svg: lineChartSvg({
        title: "Joules over load",
        xLabel: "percent of what all CPUs can do",
        yLabel: "joules for the same work",
        x: points.map(({ percent }) => percent),
        lines: LADDER_POLICIES.map((name, index) => ({ name, values: points.map(({ joules }) => joules[index] ?? 0) })),
      }),
    }
  },
}

/** Tasks that answer: short beside long, and those that wait for each other's word. */
import type { Random } from "@backplane/foundation-base/random"
import { rounds } from "./parallel.ts"
import { PLAIN_CACHE, times, type DrawnJob, type Workload } from "./workload.ts"

const REQUESTS = 240
const SHORT_TICKS = 2
const LONG_TICKS = 60
/** Of a hundred requests. */
const LONG_PERCENT = 8
/** Of all CPU time. */
const LOAD = 0.85

export const bimodal: Workload = {
  name: "bimodal",
  question: "requests of 2 ticks among some of 60, CPUs 85 % busy: how long do the short ones take at the worst?",
  focus: "short",
  columns: ["response-p99", "response-p50", "wait-most", "makespan"],
  draw: (random) => {
    const cpus = 4
    const meanTicks = (LONG_TICKS * LONG_PERCENT + SHORT_TICKS * (100 - LONG_PERCENT)) / 100
    const arrivals = poissonArrivals(random, { count: REQUESTS, meanGap: meanTicks / (cpus * LOAD) })
    return {
      topology: { cpus },
      cache: PLAIN_CACHE,
      jobs: arrivals.map((arrival, index): DrawnJob => {
        const isLong = random.below(100) < LONG_PERCENT
        return { name: `${isLong ? "long" : "short"}-${index}`, run: isLong ? LONG_TICKS : SHORT_TICKS, workingSet: 0, arrival }
      }),
    }
  },
}

/** Ticks of arrivals whose gaps are drawn from an exponential distribution. */
export function poissonArrivals(random: Random, { count, meanGap }: { readonly count: number; readonly meanGap: number }): number[] {
  let at = 0
  return times(count, () => {
    at += -meanGap * Math.log(1 - random.unit())
    return Math.floor(at)
  })
}

/** After schbench (Chris Mason): messengers wake workers, which do a little and wait for the next word. */
export const wakeUp: Workload = {
  name: "wake-up",
  question: "messengers wake workers on CPUs full of hogs: how long from awake to running?",
  focus: "worker",
  columns: ["wake-p50", "wake-p99", "wake-p999", "response-p99"],
  draw: (random) => {
    const count = 15
    const workers = 5
    return {
      topology: { cpus: 4 },
      cache: PLAIN_CACHE,
      jobs: [
        ...times(2, (messenger) => [
          rounds(`messenger-${messenger}`, count, [
            ...times(workers, (worker) => ({ run: 1, signal: `m${messenger}-${worker}` })),
            { run: 1, sleep: random.between(10, 30) },
          ]),
          ...times(workers, (worker) =>
            rounds(`worker-${messenger}-${worker}`, count, [
              { run: 1, await: `m${messenger}-${worker}` },
              { run: random.between(1, 4), signal: `done-${messenger}` },
            ]),
          ),
        ]).flat(),
        ...times(6, (index): DrawnJob => ({ name: `hog-${index}`, run: random.between(250, 350), workingSet: 0 })),
      ],
    }
  },
}

/** Machines whose CPUs are not alike or not alone: hardware threads, and a table of power. */
import { PLAIN_CACHE, times, type DrawnJob, type DrawnMachine, type Workload } from "./workload.ts"
import { rounds } from "./parallel.ts"

export const smtPairs: Workload = {
  name: "smt",
  question: "four cores of two threads, vCPUs of two VMs and strangers: who shares a core with whom?",
  columns: ["makespan", "warm", "busy", "migrations"],
  draw: (random) => ({
    topology: { cpus: 8, threadsPerCore: 2 },
    cache: { size: 100, warmupTicks: 10, warmRate: 2 },
    jobs: [
      ...["left", "right"].flatMap((space) => {
        const stall = random.between(300, 700)
        const workingSet = random.between(50, 80)
        return times(3, (index): DrawnJob => ({ name: `${space}-${index}`, space, stall, workingSet, run: random.between(150, 250) }))
      }),
      ...times(random.between(1, 4), (index): DrawnJob => ({
        name: `stranger-${index}`,
        stall: random.between(0, 900),
        workingSet: random.between(20, 60),
        run: random.between(80, 250),
      })),
    ],
  }),
}

/**
 * Two fast CPUs and two slow ones. A fast one at its fastest does twice the work of a slow one for over five times the power; the slowest
 * speed of a slow one is past its tipping point. Figures of the kind that the energy model of Linux has for such chips.
 */
const BIG_LITTLE: NonNullable<DrawnMachine["power"]> = {
  kinds: [
    {
      cpus: [0, 1],
      speeds: [
        { capacity: 1024, watts: 4 },
        { capacity: 768, watts: 2.1 },
        { capacity: 512, watts: 1.1 },
      ],
      idle: [
        { watts: 0.4, wakeTicks: 0 },
        { watts: 0.05, wakeTicks: 2 },
      ],
    },
    {
      cpus: [2, 3],
      speeds: [
        { capacity: 512, watts: 0.75 },
        { capacity: 384, watts: 0.48 },
        { capacity: 256, watts: 0.4 },
      ],
      idle: [
        { watts: 0.1, wakeTicks: 0 },
        { watts: 0.01, wakeTicks: 1 },
      ],
    },
  ],
}

/** Percent of the work that all CPUs could do at their fastest. */
export const ENERGY_RUNGS = [10, 20, 30, 40, 50, 60, 70, 80, 90] as const
const PERIOD_TICKS = 60
const PERIODS = 12
const ENERGY_TASKS = 6
/** Work of all CPUs at their fastest in a period. */
const PERIOD_WORK = 3 * PERIOD_TICKS

/** Periodic tasks that together ask for so much of the machine. */
export function energyRung(percent: number, random: { between(low: number, high: number): number }): DrawnMachine {
  const share = (PERIOD_WORK * percent) / 100 / ENERGY_TASKS
  return {
    topology: { cpus: 4 },
    cache: PLAIN_CACHE,
    power: BIG_LITTLE,
    jobs: times(ENERGY_TASKS, (index) => {
      const run = Math.max(1, Math.round((share * random.between(70, 130)) / 100))
      return rounds(`t${index}`, PERIODS, [{ run, sleep: Math.max(1, PERIOD_TICKS - run) }], { arrival: index * 7 })
    }),
  }
}

export const energyLadder: Workload = {
  name: "energy",
  question: "periodic tasks from 10 to 90 % of the machine, on two fast CPUs and two slow: how many joules, how late?",
  columns: ["energy", "response-p99", "makespan"],
  draw: (random, set) => energyRung(ENERGY_RUNGS[set % ENERGY_RUNGS.length] ?? 50, random),
}

/** Tasks that only run: load, caches, masks and shares. */
import { PLAIN_CACHE, times, type DrawnJob, type Workload } from "./workload.ts"

/** The drawing of the OSTEP programs (chapter 10): set n is what they draw from seed n. */
export function ostepSets(shape: {
  readonly cpus: number
  readonly jobs: number
  readonly maxRun: number
  readonly maxWorkingSet: number
}): Workload {
  const { cpus, jobs, maxRun, maxWorkingSet } = shape
  return {
    name: "ostep",
    question: `${jobs} drawn jobs on ${cpus} CPUs with caches: done how soon, and how warm?`,
    columns: ["makespan", "busy", "warm", "migrations"],
    draw: () => ({ topology: { cpus }, draw: { count: jobs, maxRun, maxWorkingSet } }),
  }
}

export const imbalance: Workload = {
  name: "imbalance",
  question: "every fourth job is long: do queues that were dealt unevenly even out?",
  columns: ["makespan", "idle-beside-work", "jain", "migrations"],
  draw: (random) => ({
    topology: { cpus: 4 },
    cache: PLAIN_CACHE,
    jobs: times(16, (index) => ({
      name: `${index % 4 === 0 ? "long" : "short"}-${index}`,
      run: index % 4 === 0 ? random.between(160, 240) : random.between(20, 60),
      workingSet: 0,
    })),
  }),
}

/** Working sets per CPU, in hundredths of its cache: from far too small to twice too large. */
const FIT_RUNGS = [50, 80, 100, 125, 200] as const

export const cacheFit: Workload = {
  name: "cache-fit",
  question: "working sets from half to twice of what the caches hold: who keeps together what fits together?",
  columns: ["makespan", "warm", "migrations"],
  draw: (random, set) => {
    const perCpu = random.between(2, 4)
    const workingSet = Math.floor((FIT_RUNGS[set % FIT_RUNGS.length] ?? 100) / perCpu)
    return {
      topology: { cpus: 4 },
      cache: { size: 100, warmupTicks: 10, warmRate: 3 },
      jobs: times(4 * perCpu, (index) => ({ name: `t${index}`, run: random.between(100, 300), workingSet })),
    }
  },
}

export const weights: Workload = {
  name: "weights",
  question: "weights 1:2:4:8, one that joins late and one that leaves early: who gets what is due?",
  columns: ["lag", "jain", "wait-most"],
  draw: (random) => ({
    topology: { cpus: random.between(1, 2) },
    cache: PLAIN_CACHE,
    jobs: [
      ...[100, 200, 400, 800].map((weight): DrawnJob => ({ name: `w${weight}`, weight, run: 4 * weight, workingSet: 0 })),
      { name: "joiner", weight: 400, run: 800, workingSet: 0, arrival: random.between(200, 600) },
      { name: "leaver", weight: 400, run: random.between(60, 160), workingSet: 0 },
    ],
  }),
}

export const pinned: Workload = {
  name: "pinned",
  question: "every CPU full, and half of the tasks kept to one: is any CPU idle, or any task forgotten?",
  columns: ["makespan", "wait-most", "idle-beside-work", "lag"],
  draw: (random) => ({
    topology: { cpus: 4 },
    cache: PLAIN_CACHE,
    jobs: times(20, (index) => ({
      name: `${index % 2 === 0 ? "pinned" : "free"}-${index}`,
      run: random.between(40, 120),
      workingSet: 0,
      // Uneven on purpose: CPU 0 has as many of its own as all others together.
      affinity: index % 2 === 0 ? [random.chance(0.5) ? 0 : random.between(1, 3)] : [],
    })),
  }),
}

export const numaBound: Workload = {
  name: "numa",
  question: "large working sets on four nodes: who stays near its memory?",
  columns: ["makespan", "local", "migrations-node", "warm"],
  draw: (random) => ({
    topology: { nodes: 4, cpus: 8, remotePercent: 200 },
    cache: { size: 100, warmupTicks: 10, warmRate: 2 },
    jobs: times(24, (index) => ({
      name: `t${index}`,
      run: random.between(60, 240),
      workingSet: random.between(20, 60),
      stall: random.between(300, 800),
    })),
  }),
}

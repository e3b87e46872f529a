/** Tasks that wait for each other: trees that fork and join, barriers of one VM, many senders and receivers. */
import { PLAIN_CACHE, times, type DrawnJob, type Workload } from "./workload.ts"

type Phases = NonNullable<DrawnJob["phases"]>

/** A task that goes round its phases so many times. */
export function rounds(name: string, count: number, phases: Phases, more: Partial<DrawnJob> = {}): DrawnJob {
  return { name, run: count * phases.reduce((sum, { run }) => sum + run, 0), workingSet: 0, phases, ...more }
}

/** After hackbench (Linux, `tools/perf/bench/sched-messaging.c`): every sender writes to every receiver of its group. */
export const hackbench: Workload = {
  name: "hackbench",
  question: "groups in which every sender writes to every receiver: how soon is all said?",
  columns: ["makespan", "wake-p99", "migrations", "messages"],
  draw: (random) => {
    const members = random.between(3, 5)
    const count = 6
    return {
      topology: { cpus: 4 },
      cache: PLAIN_CACHE,
      jobs: times(3, (group) => [
        ...times(members, (index) =>
          rounds(
            `send-${group}-${index}`,
            count,
            times(members, (to) => ({ run: random.between(1, 2), signal: `g${group}-${to}` })),
          ),
        ),
        ...times(members, (index) => rounds(`receive-${group}-${index}`, count * members, [{ run: 1, await: `g${group}-${index}` }])),
      ]).flat(),
    }
  },
}

export const forkJoin: Workload = {
  name: "fork-join",
  question: "a tree that forks to twelve leaves of unequal work and joins again: how long is a round?",
  columns: ["makespan", "wake-p99", "busy", "migrations"],
  draw: (random) => {
    const count = 8
    const branches = 4
    const leaves = 3
    const root = rounds("root", count, [
      ...times(branches, (branch) => ({ run: 1, signal: `fork-${branch}` })),
      { run: 1, await: "join", count: branches },
    ])
    const trees = times(branches, (branch) => [
      rounds(`branch-${branch}`, count, [
        { run: 1, await: `fork-${branch}` },
        ...times(leaves, (leaf) => ({ run: 1, signal: `fork-${branch}-${leaf}` })),
        { run: 1, await: `join-${branch}`, count: leaves },
        { run: 1, signal: "join" },
      ]),
      ...times(leaves, (leaf) =>
        rounds(`leaf-${branch}-${leaf}`, count, [
          { run: 1, await: `fork-${branch}-${leaf}` },
          { run: random.between(4, 24), signal: `join-${branch}` },
        ]),
      ),
    ])
    return { topology: { cpus: 4 }, cache: PLAIN_CACHE, jobs: [root, ...trees.flat()] }
  },
}

/** vCPUs of one VM that meet at a barrier after every few ticks, and look for each other without sleeping. */
export const barrierVm: Workload = {
  name: "barrier-vm",
  question: "four vCPUs that meet at a barrier every 5 ticks, beside hogs: how long does the VM take?",
  focus: "vm",
  columns: ["response-p99", "jain", "busy", "makespan"],
  draw: (random) => {
    const size = 4
    const count = 60
    const member = (index: number): DrawnJob =>
      rounds(
        `vm-${index}`,
        count,
        [
          { run: random.between(3, 4), signal: "gate" },
          { run: 1, await: "gate", count: size, spin: true },
        ],
        { space: "vm", gang: { name: "vm", size } },
      )
    return {
      topology: { cpus: size },
      cache: PLAIN_CACHE,
      schedule: { sliceTicks: 30 },
      // In any order: in a queue that happened to hold the four side by side they would run together by luck.
      jobs: random.shuffled([
        ...times(size, member),
        ...times(random.between(5, 9), (index): DrawnJob => ({ name: `hog-${index}`, run: 1200, workingSet: 0 })),
      ]),
    }
  },
}

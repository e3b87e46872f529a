/** Real RV64 programs as tasks: each is a machine of one hart. Files are of `tools/guests/images`; the runner reads them. */
import { times, type DrawnJob, type Workload } from "./workload.ts"

/** Programs that end by themselves, and about how many ticks of 50,000 instructions they take. */
const SHORT = ["timer.elf", "paging.elf", "traps.elf", "selfmod.elf"] as const

export const guests: Workload = {
  name: "guests",
  question: "real RV64 machines, long and short, fast and slow: how soon are all done, and how many moves take a whole machine along?",
  columns: ["makespan", "busy", "migrations", "migrations-node"],
  draw: (random) => ({
    topology: { nodes: 2, cpus: 4 },
    cache: { size: 16, warmupTicks: 5, warmRate: 2 },
    jobs: [
      ...times(5, (index): DrawnJob => ({
        name: `bench-${index}`,
        guest: { file: "bench-short.elf", instructionsPerTick: random.between(40, 120) * 1000 },
      })),
      ...times(5, (index): DrawnJob => ({
        name: `short-${index}`,
        guest: { file: random.pick(SHORT), instructionsPerTick: random.between(1, 10) * 1000 },
        arrival: random.between(0, 40),
      })),
    ],
  }),
}

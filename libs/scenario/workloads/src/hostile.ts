/** Tasks that play against the scheduler, and a machine that does: its CPUs go and come. */
import type { Random } from "@backplane/foundation-base/random"
import { rounds } from "./parallel.ts"
import { PLAIN_CACHE, times, type DrawnMachine, type Workload } from "./workload.ts"

/** Zhou and others, "Scheduler Vulnerabilities and Attacks in Cloud Computing", 2011. */
export const thief: Workload = {
  name: "thief",
  question: "one that stops a tick before its slice ends, each time: does it get more than is due to it?",
  columns: ["lag", "jain", "wait-most"],
  draw: (random) => {
    const sliceTicks = random.between(6, 12)
    return {
      topology: { cpus: 1 },
      cache: PLAIN_CACHE,
      schedule: { sliceTicks },
      jobs: [
        rounds("thief", 60, [{ run: sliceTicks - 1, sleep: 1 }]),
        ...times(random.between(2, 4), (index) => ({ name: `hog-${index}`, run: 400, workingSet: 0 })),
      ],
    }
  },
}

const HOT_PLUG_CPUS = 6
/** The CPUs do not rest before this tick. */
const HOT_PLUG_TICKS = 500

export const hotPlug: Workload = {
  name: "hot-plug",
  question: "CPUs go off line and come back all the time, and one task in six may use one of them only: is any work left lying?",
  columns: ["makespan", "idle-beside-work", "wait-most", "lag", "migrations", "refused"],
  draw: (random) => ({
    topology: { cpus: HOT_PLUG_CPUS, nodes: 2 },
    cache: PLAIN_CACHE,
    jobs: times(18, (index) => ({
      name: `${index % 6 === 0 ? "pinned" : "free"}-${index}`,
      run: random.between(60, 200),
      workingSet: 0,
      affinity: index % 6 === 0 ? [random.below(HOT_PLUG_CPUS)] : [],
      ...(index % 3 === 1 && { phases: [{ run: random.between(4, 20), sleep: random.between(2, 12) }] }),
    })),
    actions: comings(random),
  }),
}

/** CPU 0 stays; the others are away for a while, often several at a time, and are all back in the end. */
function comings(random: Random): NonNullable<DrawnMachine["actions"]> {
  const goings: { atTick: number; cpu: { index: number; online: boolean } }[] = []
  for (let tick = random.between(5, 20); tick < HOT_PLUG_TICKS; tick += random.between(4, 24)) {
    const index = random.between(1, HOT_PLUG_CPUS - 1)
    goings.push({ atTick: tick, cpu: { index, online: false } }, { atTick: tick + random.between(6, 60), cpu: { index, online: true } })
  }
  const back = times(HOT_PLUG_CPUS, (index) => ({ atTick: HOT_PLUG_TICKS + 60, cpu: { index, online: true } }))
  return [...goings.sort((a, b) => a.atTick - b.atTick), ...back]
}

/** Tasks that play against the scheduler. */
import { rounds } from "./parallel.ts"
import { PLAIN_CACHE, times, type Workload } from "./workload.ts"

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

/**
 * The timed build only: several CPUs take turns in the order of their virtual time. Whoever is behind runs until it has passed the next one, so
 * accesses of different CPUs happen in the order of time, an instruction at a time; the same start gives the same run.
 *
 * Threads of one core issue one instruction a cycle between them: a thread waits while the core is taken, and runs freely while the other
 * stands still. Nothing else slows them down: what two threads gain over one comes from how often each stalls.
 */
import {
  CLOCK_BYTES, CLOCK_CORE, CLOCK_DEADLINE, CLOCK_RUNNABLE, CLOCK_SIBLING, CLOCK_TIME, CORE_ISSUE_FREE, COUNTER_ISSUE_WAIT, CPU_BYTES, LAYOUT_EXIT_KIND,
  LAYOUT_EXIT_RETIRED, STATES,
} from "./layout" // prettier-ignore
import { run } from "./module"
import { NEVER, clocks, count, timedCpus } from "./timing-state"

/** Retired by all CPUs in the last `runTogether`. */
let retiredTogether: f64 = 0

export function retiredByAll(): f64 {
  return retiredTogether
}

/** When the CPU can issue next. */
// @ts-ignore: decorator
@inline
function readyAt(clock: u32): u64 {
  const time = load<u64>(clock, CLOCK_TIME)
  const free = load<u64>(load<u32>(clock, CLOCK_CORE), CORE_ISSUE_FREE)
  return free > time ? free : time
}

/**
 * Runs all runnable CPUs until one leaves with something for the host (its index), or `budget` instructions have retired, or every one has
 * reached `until`, or none is runnable (all ones).
 */
export function runTogether(budget: f64, until: u64): u32 {
  retiredTogether = 0
  const end = clocks + timedCpus * CLOCK_BYTES
  while (retiredTogether < budget) {
    // The first two in time; ties go to whoever has waited longer, then to the lower number.
    let best: u32 = 0
    let bestReady = NEVER
    let bestTime = NEVER
    let next = NEVER
    for (let clock = clocks; clock < end; clock += CLOCK_BYTES) {
      if (load<u32>(clock, CLOCK_RUNNABLE) == 0) continue
      const ready = readyAt(clock)
      const time = load<u64>(clock, CLOCK_TIME)
      if (ready < bestReady || (ready == bestReady && time < bestTime)) {
        if (bestReady < next) next = bestReady
        best = clock
        bestReady = ready
        bestTime = time
      } else if (ready < next) next = ready
    }
    if (best == 0 || bestReady >= until) return 0xffff_ffff
    if (bestReady > bestTime) {
      count(best, COUNTER_ISSUE_WAIT, bestReady - bestTime)
      store<u64>(best, bestReady, CLOCK_TIME)
    }
    let deadline = next < until ? next : until
    const sibling = clocks + load<u32>(best, CLOCK_SIBLING) * CLOCK_BYTES
    if (sibling != best && load<u32>(sibling, CLOCK_RUNNABLE) != 0) {
      // Its readiness counts from its own time: the core is taken only while this thread issues.
      const time = load<u64>(sibling, CLOCK_TIME)
      if (time < deadline) deadline = time
    }
    store<u64>(best, deadline > bestReady ? deadline : bestReady + 1, CLOCK_DEADLINE)
    const index = (best - clocks) / CLOCK_BYTES
    const cpu = STATES + index * CPU_BYTES
    const left = budget - retiredTogether
    // One turn; the deadline is for nobody else.
    run(cpu, left < 1048576.0 ? u32(left) : 1048576)
    store<u64>(best, NEVER, CLOCK_DEADLINE)
    retiredTogether += f64(load<u32>(cpu, LAYOUT_EXIT_RETIRED))
    if (load<u32>(cpu, LAYOUT_EXIT_KIND) != 0) return index
  }
  return 0xffff_ffff
}

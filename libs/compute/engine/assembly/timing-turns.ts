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
import { NEVER, clocks, count, timedCpus, turns } from "./timing-state"

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

/** What the search looks at; NEVER: does not take part. */
function enterTurn(index: u32): void {
  const clock = clocks + index * CLOCK_BYTES
  store<u64>(turns + (index << 3), load<u32>(clock, CLOCK_RUNNABLE) != 0 ? readyAt(clock) : NEVER)
}

/** The two that come first, and when. Ties go to whoever has waited longer, then to the lower number. */
let best: u32 = 0
let bestReady: u64 = 0
let next: u64 = 0

function search(): void {
  let first: u32 = 0
  let firstReady = NEVER
  let second = NEVER
  for (let index: u32 = 0; index < timedCpus; index++) {
    const ready = load<u64>(turns + (index << 3))
    if (ready < firstReady || (ready == firstReady && ready != NEVER && timeOf(index) < timeOf(first))) {
      second = firstReady
      firstReady = ready
      first = index
    } else if (ready < second) second = ready
  }
  best = first
  bestReady = firstReady
  next = second
}

// @ts-ignore: decorator
@inline
function timeOf(index: u32): u64 {
  return load<u64>(clocks + index * CLOCK_BYTES, CLOCK_TIME)
}

/**
 * Runs all runnable CPUs until one leaves with something for the host (its index), or `budget` instructions have retired, or every one has
 * reached `until`, or none is runnable (all ones).
 */
export function runTogether(budget: f64, until: u64): u32 {
  retiredTogether = 0
  for (let index: u32 = 0; index < timedCpus; index++) enterTurn(index)
  while (retiredTogether < budget) {
    search()
    if (bestReady >= until) return 0xffff_ffff
    const index = best
    const clock = clocks + index * CLOCK_BYTES
    const time = load<u64>(clock, CLOCK_TIME)
    if (bestReady > time) {
      count(clock, COUNTER_ISSUE_WAIT, bestReady - time)
      store<u64>(clock, bestReady, CLOCK_TIME)
    }
    let deadline = next < until ? next : until
    const sibling = load<u32>(clock, CLOCK_SIBLING)
    if (sibling != index && load<u64>(turns + (sibling << 3)) != NEVER) {
      // Its readiness counts from its own time: the core is taken only while this thread issues.
      if (timeOf(sibling) < deadline) deadline = timeOf(sibling)
    }
    store<u64>(clock, deadline > bestReady ? deadline : bestReady + 1, CLOCK_DEADLINE)
    const cpu = STATES + index * CPU_BYTES
    const left = budget - retiredTogether
    // One turn; the deadline is for nobody else.
    run(cpu, left < 1048576.0 ? u32(left) : 1048576)
    store<u64>(clock, NEVER, CLOCK_DEADLINE)
    retiredTogether += f64(load<u32>(cpu, LAYOUT_EXIT_RETIRED))
    if (load<u32>(cpu, LAYOUT_EXIT_KIND) != 0) return index
    enterTurn(index)
    if (sibling != index) enterTurn(sibling)
  }
  return 0xffff_ffff
}

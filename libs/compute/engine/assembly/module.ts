/** What the host calls. Arguments are addresses of state blocks; everything wider goes through the state block. */
import {
  ACCESS_STORE, CPU_BYTES, EXIT_BUDGET, EXIT_EXCEPTION, EXIT_SYSTEM, FRAME_RESERVED, LAYOUT_EXIT_CAUSE, LAYOUT_EXIT_KIND, LAYOUT_EXIT_RETIRED, LAYOUT_PC, LAYOUT_RESERVATION, LAYOUT_SERVE, SERVE_TRAPS, STATES,
} from "./layout" // prettier-ignore
import { clearStopped } from "./access"
import { TIMED } from "./fidelity"
import { interpret } from "./interpreter"
import { goOnRound, leaveRound } from "./kernel-rounds"
import { flushWritesOf } from "./look-up"
import { clearWatchHit, cpuCount, setFrameFlag } from "./memory"
export { lookAtCall } from "./privileged"
import { LEFT, LOOK, RETIRED, beginServing, endServing, serveException, serveSystem } from "./privileged"
import { beforeDeadline, beginStretch, endStretch } from "./timing-state"
import { FAILED, failure, toMachine, translate } from "./translate"

export { afterDeviceWrite, configure, setFrameFlag } from "./memory"
export { flushAll, flushPage, flushWrites, selectTranslation } from "./look-up"
export { setFrameRights } from "./frame-rights"
export { installTranslation } from "./install"
export { fence } from "./tables"
export { findRound } from "./round"

/** Addresses whose frames are flagged for the run under way: at most one per CPU. */
const FLAGGED = u32(memory.data(4 * 256, 4))
let flaggedCount: u32 = 0

/** Another CPU's reservation must see this CPU's stores: its frame is flagged for the time of this run. */
function flagReservations(cpu: u32): void {
  for (let index: u32 = 0; index < cpuCount; index++) {
    const other = STATES + index * CPU_BYTES
    const reserved = load<u32>(other, LAYOUT_RESERVATION)
    if (other == cpu || reserved == 0) continue
    setFrameFlag(reserved, FRAME_RESERVED, 1)
    store<u32>(FLAGGED + (flaggedCount << 2), reserved)
    flaggedCount++
  }
  if (flaggedCount != 0) flushWritesOf(cpu)
}

function unflagReservations(): void {
  for (let index: u32 = 0; index < flaggedCount; index++) setFrameFlag(load<u32>(FLAGGED + (index << 2)), FRAME_RESERVED, 0)
  flaggedCount = 0
}

/** Small enough that a newly optimised interpreter is soon entered, large enough not to matter. */
const STRETCH: u32 = 1 << 18

export function run(cpu: u32, budget: u32): void {
  // The timed build breaks reservations where a line changes hands.
  if (!TIMED) flagReservations(cpu)
  clearStopped()
  clearWatchHit()
  let retired: u32 = 0
  const serves = !TIMED && (load<u32>(cpu, LAYOUT_SERVE) & SERVE_TRAPS) != 0
  if (!TIMED) goOnRound(cpu)
  if (serves) beginServing(cpu)
  do {
    let stretch = min<u32>(budget - retired, STRETCH)
    if (TIMED) stretch = beginStretch(cpu, stretch)
    interpret(cpu, load<u64>(cpu, LAYOUT_PC), stretch)
    if (TIMED) endStretch(cpu, load<u32>(cpu, LAYOUT_EXIT_RETIRED))
    retired += load<u32>(cpu, LAYOUT_EXIT_RETIRED)
    if (serves) {
      const answer = serve(cpu, retired)
      retired += answer & RETIRED ? 1 : 0
      if (answer & LOOK) break
    }
  } while (retired < budget && load<u32>(cpu, LAYOUT_EXIT_KIND) == 0 && (!TIMED || beforeDeadline(cpu)))
  store<u32>(cpu, retired, LAYOUT_EXIT_RETIRED)
  if (serves) endServing(cpu, retired)
  if (!TIMED) {
    leaveRound(cpu)
    unflagReservations()
  }
}

/** If the CPU does itself what it left for, it has not left. */
function serve(cpu: u32, retired: u32): u32 {
  const kind = load<u32>(cpu, LAYOUT_EXIT_KIND)
  const answer = kind == EXIT_SYSTEM ? serveSystem(cpu, retired) : kind == EXIT_EXCEPTION ? serveException(cpu, retired) : LEFT
  if (answer == LEFT) return LEFT
  clearStopped()
  store<u32>(cpu, EXIT_BUDGET, LAYOUT_EXIT_KIND)
  return answer
}

/** For the host's own look: machine address, or all ones with the cause in the exit fields. */
export function translateFor(cpu: u32, virtual: u64, access: u32): u64 {
  const physical = translate(cpu, virtual, access)
  const machine = physical == FAILED ? FAILED : toMachine(cpu, physical, access == ACCESS_STORE ? 1 : 0)
  if (machine == FAILED) store<u32>(cpu, failure, LAYOUT_EXIT_CAUSE)
  return machine
}

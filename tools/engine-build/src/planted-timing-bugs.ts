/** Deliberate bugs of the timed build: what it counts and costs goes wrong, what it computes does not. Caught by tools/differential. */
import type { PlantedBug } from "./planted-bugs.ts"

const bug = (name: string, module: string, right: string, wrong: string): PlantedBug => ({ bug: name, module, right, wrong })

export const PLANTED_TIMING_BUGS: readonly PlantedBug[] = [
  bug("a hit does not make a line the newest", "timing-protocol.ts", "    toFront(set, at, tag)\n    setDataFilters", "    if (!PLANTED) toFront(set, at, tag)\n    setDataFilters"),
  bug("the victim is the newest way but one", "timing-cache.ts", "  const victim = load<u32>(at)\n", "  if (PLANTED && at == last && ways > 1) at -= 4\n  const victim = load<u32>(at)\n"),
  bug("a store goes through without asking when the line is shared", "timing-cache.ts", "store<u32>(filter(core, 1, line), writable ? line : 0)", "store<u32>(filter(core, 1, line), writable || PLANTED ? line : 0)"),
  bug("the write filter stays open when another core reads", "timing-cache.ts", "  store<u32>(at, (line << 2) | SHARED)\n  closeWriteFilter(core, line)", "  store<u32>(at, (line << 2) | SHARED)\n  if (!PLANTED) closeWriteFilter(core, line)"),
  bug("the read filter stays open when a line is lost", "timing-cache.ts", "if (load<u32>(filter(core, 0, line)) == line)", "if (!PLANTED && load<u32>(filter(core, 0, line)) == line)"),
  bug("a line thrown out of the second level stays in the first", "timing-protocol.ts", "if (dropFirst(coreAt(index), gone) & 2) dirty = true", "if (!PLANTED && dropFirst(coreAt(index), gone) & 2) dirty = true"),
  bug("modified victims are forgotten", "timing-protocol.ts", "if ((victim & 3) != MODIFIED) return", "if (PLANTED || (victim & 3) != MODIFIED) return"),
  bug("lines thrown out are not written back", "timing-protocol.ts", "if (dirty) writeBack(clock, gone)", "if (dirty && !PLANTED) writeBack(clock, gone)"),
  bug("the only reader of a line gets it shared", "timing-protocol.ts", "return write ? MODIFIED : exclusive ? EXCLUSIVE : SHARED", "return write ? MODIFIED : exclusive && !PLANTED ? EXCLUSIVE : SHARED"),
  bug("a claim leaves the copies of other nodes", "timing-protocol.ts", "if (home != number) dropElsewhere(clock, number, line)", "if (home != number && !PLANTED) dropElsewhere(clock, number, line)"),
  bug("a third node costs no more than a second", "timing-protocol.ts", "owner == home || home == number ? remoteLatency : remoteDirtyLatency", "PLANTED || owner == home || home == number ? remoteLatency : remoteDirtyLatency"),
  bug("the bus is always free", "timing-protocol.ts", "store<u64>(node, now() + u64(busOccupancy), NODE_BUS_FREE)", "if (!PLANTED) store<u64>(node, now() + u64(busOccupancy), NODE_BUS_FREE)"),
  bug("memory is always free", "timing-protocol.ts", "store<u64>(node, now() + u64(memoryOccupancy), NODE_MEMORY_FREE)", "if (!PLANTED) store<u64>(node, now() + u64(memoryOccupancy), NODE_MEMORY_FREE)"),
  bug("first touch is by node 0", "timing-protocol.ts", "placement == PLACEMENT_FIRST_TOUCH ? toucher", "placement == PLACEMENT_FIRST_TOUCH ? (PLANTED ? 0 : toucher)"),
  bug("copies of a page survive a store", "timing-protocol.ts", "  store<u32>(at, 0)\n  count(clock, COUNTER_COLLAPSES, 1)", "  if (!PLANTED) store<u32>(at, 0)\n  count(clock, COUNTER_COLLAPSES, 1)"),
  bug("pages count for the wrong node", "timing-protocol.ts", "((frame * nodeCount + node) << 3)", "((frame * nodeCount + (PLANTED ? 0 : node)) << 3)"),
  bug("pages thrown out of the TLB stay in the look-up TLB", "timing-tlb.ts", "      store<u64>(entryOf(base + BANK_READ, virtual), -1)", "      if (!PLANTED) store<u64>(entryOf(base + BANK_READ, virtual), -1)"),
  bug("the code under way runs on when its page leaves the TLB", "timing-tlb.ts", "  const lost = pageLost\n", "  const lost = pageLost && !PLANTED\n"),
  bug("a line of code that was thrown out runs on", "interpreter.ts", "fetchLine = select<u32>(0, NO_LINE, slot == u32(cpu + LAYOUT_SCRATCH))", "fetchLine = select<u32>(0, PLANTED ? fetchLine : NO_LINE, slot == u32(cpu + LAYOUT_SCRATCH))"),
  bug("who is ahead may run on", "timing-turns.ts", "let deadline = next < until ? next : until", "let deadline = next + (PLANTED ? 30 : 0) < until ? next + (PLANTED ? 30 : 0) : until"),
  bug("threads of a core issue together", "timing-turns.ts", "return free > time ? free : time", "return free > time && !PLANTED ? free : time"),
  bug("a thread holds the core while it stands still", "timing-state.ts", "now == stallEnd ? stallIssue : now, CORE_ISSUE_FREE", "now == stallEnd && !PLANTED ? stallIssue : now, CORE_ISSUE_FREE"),
] // prettier-ignore

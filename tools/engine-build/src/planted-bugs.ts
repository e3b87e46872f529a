/** Deliberate bugs of the engine: one build carries all of them, `plant(n)` wakes one. What no law catches, no law checks. */
import { engineSources, type Fidelity } from "./build.ts"
import { PLANTED_PRIVILEGED_BUGS } from "./planted-privileged-bugs.ts"
import { PLANTED_TIMING_BUGS } from "./planted-timing-bugs.ts"

export interface PlantedBug {
  readonly bug: string
  /** Module of the engine's sources, and the text in it that goes wrong. */
  readonly module: string
  readonly right: string
  /** In place of `right`; `PLANTED` is true while this bug is awake. */
  readonly wrong: string
}

/** An expression that is different while awake. */
const instead = (bug: string, module: string, right: string, wrong: string): PlantedBug => ({
  bug,
  module,
  right,
  wrong: `(PLANTED ? ${wrong} : ${right})`,
})
const rather = (bug: string, module: string, right: string, wrong: string): PlantedBug => ({ bug, module, right, wrong })

export const PLANTED_BUGS: readonly PlantedBug[] = [
  instead("sraw shifts zeros in", "interpreter.ts", "i64(i32(a) >> i32(b))", "i64(i32(u32(a) >> u32(b)))"),
  instead("mulhsu takes both as signed", "interpreter.ts", "multiplyHighSignedUnsigned(a, b)", "multiplyHighSigned(a, b)"),
  rather("divw overflow yields 0", "arithmetic.ts", "? -a : a / b\n}\n\nexport function divideUnsignedWord", "? (PLANTED ? -a & i32.MAX_VALUE : -a) : a / b\n}\n\nexport function divideUnsignedWord"),
  rather("jalr writes rd before it reads rs1", "interpreter.ts", "case OP_JALR_4: {", "case OP_JALR_4: { if (PLANTED) store<i64>(cpu + load<u8>(ip, 1), i64(base + u64((ip - slot) >>> 2)) + 4, 8);"),
  instead("AMO results are not sign-extended", "interpreter.ts", "i64(load<i32>(host))", "i64(load<u32>(host))"),
  instead("writes of x0 land in x1", "records.ts", "((rd - 1) & 31) << 3", "(rd == 0 ? 0 : ((rd - 1) & 31) << 3)"),
  rather("the value of a straddling fault is the first page", "fetch.ts", "stopWithFailure(cpu, ACCESS_FETCH, virtual)\n    return 0\n  }\n  if (protection", "stopWithFailure(cpu, ACCESS_FETCH, PLANTED ? pc : virtual)\n    return 0\n  }\n  if (protection"),
  rather("A and D are never set", "translate.ts", "if (updated != entry)", "if (!PLANTED && updated != entry)"),
  rather("SC ignores the reservation", "access.ts", "if (reserved != host)", "if (!PLANTED && reserved != host)"),
  rather("another CPU's store leaves the reservation", "memory.ts", "if (cpu == writer) continue", "if (PLANTED || cpu == writer) continue"),
  rather("changed code stays decoded", "code-cache.ts", "if (slot == 0) return\n", "if (PLANTED || slot == 0) return\n"),
  rather("only the first halfword of changed code is forgotten", "code-cache.ts", "offset < 2 ? 0 : (offset - 2) >>> 1", "PLANTED ? offset >>> 1 : offset < 2 ? 0 : (offset - 2) >>> 1"),
  rather("the end of a page counts as an instruction", "interpreter.ts", "case OP_PAGE_END: { left++;", "case OP_PAGE_END: { if (!PLANTED) left++;"),
  rather("a flush of one page does nothing", "look-up.ts", "if (load<u32>(key) == 0) continue", "if (PLANTED || load<u32>(key) == 0) continue"),
  rather("addresses that are not canonical translate", "translate.ts", "if (u64((i64(virtual) << 25) >> 25) != virtual)", "if (!PLANTED && u64((i64(virtual) << 25) >> 25) != virtual)"),
  rather("SUM is ignored", "translate.ts", "!(flags & SUM)", "!(PLANTED || flags & SUM)"),
  rather("store faults report as loads", "translate.ts", "access == ACCESS_LOAD ? 13 : 15", "PLANTED || access == ACCESS_LOAD ? 13 : 15"),
  rather("half of a faulting split store is written", "access.ts", "if (second == 0) return\n  if (TIMED)", "if (PLANTED) store<u8>(first, u8(value))\n  if (second == 0) return\n  if (TIMED)"),
  rather("a second stage that allows no store is stored through", "translate.ts", "if (write && !(entry & W))", "if (!PLANTED && write && !(entry & W))"),
  rather("tables are read without the second stage", "translate.ts", "const machine = toMachine(cpu, at, 0)", "const machine = PLANTED ? at : toMachine(cpu, at, 0)"),
  rather("A and D go to the frame of the physical address", "translate.ts", "const machine = toMachine(cpu, at, 1)", "const machine = PLANTED ? at : toMachine(cpu, at, 1)"),
  rather("PMP is asked for machine addresses", "access.ts", "const page = protection(cpu, physical & ~0xfff,", "const page = protection(cpu, (PLANTED ? toMachine(cpu, physical, 0) : physical) & ~0xfff,"),
  rather("a machine-mode fetch is translated in mode refill", "translate.ts", "if (mode == MODE_BARE || privilege == 3) return virtual", "if (mode == MODE_BARE || (privilege == 3 && !(PLANTED && mode == MODE_REFILL))) return virtual"),
  rather("rights to store are checked at the first look-up only", "frame-rights.ts", "if (rights == 2) return\n", "if (PLANTED || rights == 2) return\n"),
  rather("decoded code outlives the rights to its frame", "look-up.ts", "if (slot != 0) flushSlot", "if (!PLANTED && slot != 0) flushSlot"),
  rather("a frame leaves its reservations behind", "frame-rights.ts", "if (rights == 0) breakReservations", "if (!PLANTED && rights == 0) breakReservations"),
  rather("A and D need no right to write", "memory.ts", "(write ? FRAME_ABSENT | FRAME_READ_ONLY : FRAME_ABSENT)", "(write && !PLANTED ? FRAME_ABSENT | FRAME_READ_ONLY : FRAME_ABSENT)"),
  rather("fetches and data share what mode refill installed", "translate.ts", "access == ACCESS_FETCH ? BANK_INSTALLED_FETCH : BANK_INSTALLED", "!PLANTED && access == ACCESS_FETCH ? BANK_INSTALLED_FETCH : BANK_INSTALLED"),
  rather("a fill at once goes on over the end of its page", "bulk.ts", "4096 - (at & 0xfff)", "(PLANTED ? 8192 : 4096) - (at & 0xfff)"),
  rather("a copy at once takes what it has written itself for what was there", "bulk.ts", "(sinkHost > sourceHost && sinkHost - sourceHost < n)", "(!PLANTED && sinkHost > sourceHost && sinkHost - sourceHost < n)"),
  rather("a loop done at once does its last round, too", "bulk.ts", "load<u64>(cpu + second(branch)) - from - 1", "load<u64>(cpu + second(branch)) - from - (PLANTED ? 0 : 1)"),
  rather("a fill at once may run over its budget", "bulk.ts", "left / FILL_INSTRUCTIONS", "PLANTED ? left : left / FILL_INSTRUCTIONS"),
  rather("the byte that a copy carried is forgotten", "bulk.ts", "store<u64>(cpu + v, load", "if (!PLANTED) store<u64>(cpu + v, load"),
  rather("a step that is none of the loop's counts as one", "bulk.ts", "first(step) != x", "(!PLANTED && first(step) != x)"),
  rather("translations are not keyed by root", "look-up.ts", "&& load<u64>(key, 8) == root", "&& (PLANTED || load<u64>(key, 8) == root)"),
] // prettier-ignore

/** Of the functional build: those that the engine's own laws catch, then those of what CPUs serve. */
export const FUNCTIONAL_BUGS: readonly PlantedBug[] = [...PLANTED_BUGS, ...PLANTED_PRIVILEGED_BUGS]

/** Sources of the build with all bugs asleep; their numbers start at 1. */
export function plantedSources(
  fidelity: Fidelity = "functional",
  bugs = fidelity === "timed" ? PLANTED_TIMING_BUGS : FUNCTIONAL_BUGS,
): Map<string, string> {
  const sources = engineSources(fidelity)
  sources.set("planted.ts", "export let planted: u32 = 0\nexport function plant(bug: u32): void { planted = bug }\n")
  sources.set("module.ts", `${sources.get("module.ts") ?? ""}\nexport { plant } from "./planted"\n`)
  bugs.forEach(({ bug, module, right, wrong }, index) => {
    const text = sources.get(module) ?? ""
    if (!text.includes(right)) throw new Error(`${module} has nothing to plant "${bug}" in`)
    const planted = text.replaceAll(right, wrong.replaceAll("PLANTED", `(planted == ${index + 1})`))
    sources.set(module, planted.includes('from "./planted"') ? planted : `import { planted } from "./planted"\n${planted}`)
  })
  return sources
}

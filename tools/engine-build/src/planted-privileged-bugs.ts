/** Deliberate bugs of what CPUs carry out by themselves (assembly/privileged.ts, tables.ts, round.ts): the laws of trap/board, of fences and of idle loops must catch each. */
import type { PlantedBug } from "./planted-bugs.ts"

const rather = (bug: string, module: string, right: string, wrong: string): PlantedBug => ({ bug, module, right, wrong })

export const PLANTED_PRIVILEGED_BUGS: readonly PlantedBug[] = [
  rather("sret leaves SPIE as it was", "privileged.ts", "| (status & SPIE ? SIE : 0) | SPIE,", "| (status & SPIE ? SIE : 0) | (PLANTED ? status & SPIE : SPIE),"),
  rather("mret keeps MPP", "privileged.ts", "(status & ~(MIE | MPP))", "(status & ~(PLANTED ? MIE : MIE | MPP))"),
  rather("a return to a lower level keeps MPRV", "privileged.ts", "to == 3 ? popped : popped & ~MPRV", "to == 3 || PLANTED ? popped : popped & ~MPRV"),
  rather("traps of M-mode are delegated, too", "privileged.ts", "from != 3 && (csr", "(PLANTED || from != 3) && (csr"),
  rather("a trap leaves interrupts on", "privileged.ts", "(old & ~(SIE | SPIE | SPP))", "(old & ~(PLANTED ? SPIE | SPP : SIE | SPIE | SPP))"),
  rather("a trap goes to the vector with its mode bit", "privileged.ts", "csr(cpu, CSR_SLOT_STVEC) & ~3", "csr(cpu, CSR_SLOT_STVEC) & (PLANTED ? -1 : ~3)"),
  rather("csrrs with a zero register does not write", "privileged.ts", "operation == 1 || field != 0", "operation == 1 || (PLANTED ? operand != 0 : field != 0)"),
  rather("sstatus shows all of mstatus", "privileged.ts", "supervisor ? before & (SSTATUS | UXL) : before", "supervisor && !PLANTED ? before & (SSTATUS | UXL) : before"),
  rather("sstatus writes what only mstatus may", "privileged.ts", "supervisor ? (before & ~SSTATUS)", "supervisor && !PLANTED ? (before & ~SSTATUS)"),
  rather("MPP takes the reserved level", "privileged.ts", ">> MPP_SHIFT == 2 ?", ">> MPP_SHIFT == 2 && !PLANTED ?"),
  rather("SUM turned on is not told to translation", "privileged.ts", "(before ^ after) & REACH &&", "(before ^ after) & (PLANTED ? REACH & ~SUM : REACH) &&"),
  rather("satp takes any mode", "privileged.ts", "value >> 60 == 0 || value >> 60 == SV39", "PLANTED || value >> 60 == 0 || value >> 60 == SV39"),
  rather("TVM does not guard satp", "privileged.ts", "(privilege != 3 && status & TVM)", "(!PLANTED && privilege != 3 && status & TVM)"),
  rather("TSR does not guard sret", "privileged.ts", "(privilege == 1 && status & TSR)", "(!PLANTED && privilege == 1 && status & TSR)"),
  rather("a CSR of a higher level can be reached", "privileged.ts", "if (((number >>> 8) & 3) > u32(csr(cpu, CSR_SLOT_PRIVILEGE)))", "if (!PLANTED && ((number >>> 8) & 3) > u32(csr(cpu, CSR_SLOT_PRIVILEGE)))"),
  rather("an interrupt that a return lets in is passed by", "privileged.ts", "return SERVED | RETIRED | look(cpu)", "return SERVED | RETIRED | (PLANTED ? 0 : look(cpu))"),
  rather("an SBI call is a trap", "privileged.ts", "privilege == 1 && load<u32>(cpu, LAYOUT_SERVE) & SERVE_CALLS_LEAVE", "!PLANTED && privilege == 1 && load<u32>(cpu, LAYOUT_SERVE) & SERVE_CALLS_LEAVE"),
  rather("a store into a table is not noted", "memory.ts", "if (flags & FRAME_TABLE) tableWritten(host)", "if (!PLANTED && flags & FRAME_TABLE) tableWritten(host)"),
  rather("a table is noted, but known ways to store to it stay", "tables.ts", "  flushFrame(host, 0, 1)", "  if (!PLANTED) flushFrame(host, 0, 1)"),
  rather("a store into a table is noted for one CPU", "tables.ts", "index < cpuCount", "index < (PLANTED ? 1 : cpuCount)"),
  rather("the fence of one page ends the note", "tables.ts", "if (page) flushPage(cpu, virtual)", "if (page) { flushPage(cpu, virtual); if (PLANTED) store<u32>(cpu, 0, LAYOUT_TABLES_CHANGED) }"),
  rather("only leaf tables are noted", "translate.ts", "readsTable(cpu, hostOf(machine))", "if (!PLANTED || level == 0) readsTable(cpu, hostOf(machine))"),
  rather("accessed and dirty bits count as a write of a table", "memory.ts", "  if (flags & FRAME_CODE) forgetCode", "  if (PLANTED && flags & FRAME_TABLE) tableWritten(host)\n  if (flags & FRAME_CODE) forgetCode"),
  rather("a loop that stores is taken for an idle one", "round.ts", "opcode == 0x23 ||", "(!PLANTED && opcode == 0x23) ||"),
  rather("a loop that stores in 16 bits is taken for an idle one", "round.ts", ">>> 13) & 7) >= 5", ">>> 13) & 7) >= (PLANTED ? 8 : 5)"),
  rather("a loop that swaps is taken for an idle one", "round.ts", "load<u64>(word) != before", "!PLANTED && load<u64>(word) != before"),
  rather("a loop that reserves is taken for an idle one", "round.ts", "operation == LR ||", "(!PLANTED && operation == LR) ||"),
  rather("a kernel comes round through a user program", "kernel-rounds.ts", "store<u64>(cpu, 0, LAYOUT_ROUND_MARK)", "if (!PLANTED) store<u64>(cpu, 0, LAYOUT_ROUND_MARK)"),
  rather("a kernel that counts comes round", "kernel-rounds.ts", "register < REGISTERS", "register < (PLANTED ? 31 : REGISTERS)"),
  rather("only rounds with one place are found", "kernel-rounds.ts", "limit << 1", "PLANTED ? 2 : limit << 1"),
  rather("an idle loop may count", "round.ts", "memory.compare(KEPT, cpu, REGISTERS_BYTES) == 0", "(PLANTED || memory.compare(KEPT, cpu, REGISTERS_BYTES) == 0)"),
] // prettier-ignore

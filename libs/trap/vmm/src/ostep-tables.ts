/**
 * The numbered steps of the tables of OSTEP, appendix B ("Virtual Machine Monitors"), as data: what happens, and on whose behalf.
 * What of them a run showed is put beside them: natively traps of the machine, virtualised exits to the VMM.
 */
import { costOf, type CostTable } from "./costs.ts"
import type { MissTotals } from "./tlb-misses.ts"
import type { SystemCalls } from "./system-calls.ts"

export interface TableStep {
  readonly step: number
  readonly who: "process" | "hardware" | "operating system" | "vmm"
  readonly text: string
}

export interface ObservedStep extends TableStep {
  /** Exits (natively: traps and returns) that this step took in all together; null for steps that leave nobody. */
  readonly exits: number | null
  /** Virtual cycles of these by the cost table, without the instructions between; null as `exits`. */
  readonly cycles: number | null
}

/** Table B.1: executing a system call, with what the hardware does. */
export const DIRECT_CALL_STEPS: readonly TableStep[] = [
  { step: 1, who: "process", text: "execute instructions" },
  { step: 2, who: "process", text: "system call: trap to the operating system" },
  { step: 3, who: "hardware", text: "switch to kernel mode, jump to the trap handler" },
  { step: 4, who: "operating system", text: "in kernel mode: handle the system call, return from the trap" },
  { step: 5, who: "hardware", text: "switch to user mode, return to the process" },
  { step: 6, who: "process", text: "resume at the instruction after the trap" },
]

/** Table B.2: system call flow without virtualization. */
export const NATIVE_CALL_STEPS: readonly TableStep[] = [
  { step: 1, who: "process", text: "system call: trap to the operating system" },
  { step: 2, who: "operating system", text: "trap handler: decode the trap and execute the call; when done, return from the trap" },
  { step: 3, who: "process", text: "resume at the instruction after the trap" },
]

/** Table B.3: system call flow with virtualization. */
export const SYSTEM_CALL_STEPS: readonly TableStep[] = [
  { step: 1, who: "process", text: "system call: trap to the operating system" },
  { step: 2, who: "vmm", text: "the process trapped: call the operating system's trap handler, at reduced privilege" },
  { step: 3, who: "operating system", text: "trap handler: decode the trap and execute the call; when done, issue return-from-trap" },
  { step: 4, who: "vmm", text: "the operating system tried to return from a trap: do the real return" },
  { step: 5, who: "process", text: "resume at the instruction after the trap" },
]

/** Table B.4: TLB miss flow without virtualization, of a machine whose operating system fills the TLB. */
export const NATIVE_MISS_STEPS: readonly TableStep[] = [
  { step: 1, who: "process", text: "load from memory: TLB miss, trap" },
  { step: 2, who: "operating system", text: "TLB miss handler: look the page up, update the TLB, return from the trap" },
  { step: 3, who: "process", text: "resume at the load: it is retried and hits" },
]

/** Table B.5: TLB miss flow with virtualization, of the same machine. */
export const TLB_MISS_STEPS: readonly TableStep[] = [
  { step: 1, who: "process", text: "load from memory: TLB miss, trap" },
  { step: 2, who: "vmm", text: "TLB miss handler: call into the operating system's handler, at reduced privilege" },
  { step: 3, who: "operating system", text: "TLB miss handler: look the page up, update the TLB with VPN to PFN" },
  { step: 4, who: "vmm", text: "trap handler: unprivileged code tried to update the TLB; install VPN to MFN instead and return to it" },
  { step: 5, who: "operating system", text: "return from the trap" },
  { step: 6, who: "vmm", text: "trap handler: unprivileged code tried to return from a trap; do the real return" },
  { step: 7, who: "process", text: "resume at the load: it is retried and hits" },
]

type Seen = Readonly<Record<number, { readonly exits: number; readonly cycles: number }>>

function observed(steps: readonly TableStep[], seen: Seen): readonly ObservedStep[] {
  return steps.map((step) => ({ ...step, exits: seen[step.step]?.exits ?? null, cycles: seen[step.step]?.cycles ?? null }))
}

/** Exits of one cause, and what they cost. */
function exitsOf(costs: CostTable, cause: string, exits: number): Seen[number] {
  return { exits, cycles: exits * costOf(costs, cause) }
}

/** Natively: traps of the machine, and returns, which are instructions like others. */
const trapsOf = (costs: CostTable, traps: number): Seen[number] => ({ exits: traps, cycles: traps * costs.trap })
const returnsOf = (returns: number): Seen[number] => ({ exits: returns, cycles: 0 })

/** Tables B.1 and B.2 as observed: `calls` traps, and as many returns to user mode. */
export function directCallTable(calls: number, costs: CostTable): readonly ObservedStep[] {
  return observed(DIRECT_CALL_STEPS, { 3: trapsOf(costs, calls), 5: returnsOf(calls) })
}

export function nativeCallTable(calls: number, costs: CostTable): readonly ObservedStep[] {
  return observed(NATIVE_CALL_STEPS, { 1: trapsOf(costs, calls), 2: returnsOf(calls) })
}

/** Table B.3 as it was observed. What the operating system's own privileged instructions cost is in step 3. */
export function systemCallTable(calls: SystemCalls, costs: CostTable): readonly ObservedStep[] {
  const { entered, inside, returned } = calls.totals()
  const cycles = [...calls.inside()].reduce((sum, [cause, count]) => sum + count * costOf(costs, cause), 0)
  return observed(SYSTEM_CALL_STEPS, {
    2: exitsOf(costs, "ecall-from-user", entered),
    3: { exits: inside, cycles },
    4: exitsOf(costs, "return", returned),
  })
}

/** Table B.4 as observed: one trap each, and the return that ends it. */
export function nativeMissTable(misses: number, costs: CostTable): readonly ObservedStep[] {
  return observed(NATIVE_MISS_STEPS, { 1: trapsOf(costs, misses), 2: returnsOf(misses) })
}

/** Table B.5 as observed; step 3 has what the handler did beside the update: CSRs. */
export function tlbMissTable({ entered, inside, updated, returned }: MissTotals, costs: CostTable): readonly ObservedStep[] {
  return observed(TLB_MISS_STEPS, {
    2: exitsOf(costs, "tlb-refill-load", entered),
    3: exitsOf(costs, "csr", inside),
    4: exitsOf(costs, "tlb-write", updated),
    6: exitsOf(costs, "return", returned),
  })
}

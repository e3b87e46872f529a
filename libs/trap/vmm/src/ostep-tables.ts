/**
 * The numbered steps of two tables of OSTEP, appendix B ("Virtual Machine Monitors"), as data: what happens, and on whose behalf.
 * What of it a run showed is put beside them by `systemCallTable`.
 */
import type { SystemCalls } from "./system-calls.ts"

export interface TableStep {
  readonly step: number
  readonly who: "process" | "operating system" | "vmm"
  readonly text: string
}

export interface ObservedStep extends TableStep {
  /** Exits that this step took in all calls together; null for steps that happen outside the VMM. */
  readonly exits: number | null
}

/** Table B.3: system call flow with virtualization. */
export const SYSTEM_CALL_STEPS: readonly TableStep[] = [
  { step: 1, who: "process", text: "system call: trap to the operating system" },
  { step: 2, who: "vmm", text: "the process trapped: call the operating system's trap handler, at reduced privilege" },
  { step: 3, who: "operating system", text: "trap handler: decode the trap and execute the call; when done, issue return-from-trap" },
  { step: 4, who: "vmm", text: "the operating system tried to return from a trap: do the real return" },
  { step: 5, who: "process", text: "resume at the instruction after the trap" },
]

/** Table B.5: TLB miss flow with virtualization, of a machine whose operating system fills the TLB. */
export const TLB_MISS_STEPS: readonly TableStep[] = [
  { step: 1, who: "process", text: "load from memory: TLB miss, trap" },
  { step: 2, who: "vmm", text: "TLB miss handler: call into the operating system's handler, at reduced privilege" },
  { step: 3, who: "operating system", text: "TLB miss handler: look the page up, update the TLB with VPN to PFN" },
  { step: 4, who: "vmm", text: "trap handler: unprivileged code tried to update the TLB; install VPN to MFN instead and return to it" },
  { step: 5, who: "operating system", text: "return from the trap" },
  { step: 6, who: "vmm", text: "trap handler: unprivileged code tried to return from a trap; do the real return" },
  { step: 7, who: "process", text: "resume at the load: it is retried and hits" },
]

/** Table B.3 as it was observed. What the operating system's own privileged instructions cost is in step 3. */
export function systemCallTable(calls: SystemCalls): readonly ObservedStep[] {
  const { entered, inside, returned } = calls.totals()
  const exits: Readonly<Record<number, number>> = { 2: entered, 3: inside, 4: returned }
  return SYSTEM_CALL_STEPS.map((step) => ({ ...step, exits: exits[step.step] ?? null }))
}

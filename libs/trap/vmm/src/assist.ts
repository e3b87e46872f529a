/**
 * Mode `assist`: what a CPU with virtual CSRs of its own does without the VMM.
 *
 * Stands for hardware support (OSTEP's "extra hardware"): reads and writes of CSRs, the guest's own traps and its returns from them are no exits.
 * PMP, writes of a software TLB, wfi, devices, SBI, hypercalls and faults of a shadow still are, and so are satp and sfence.vma unless both stages are the CPU's
 * to walk (as under the H extension: `hstatus.VTVM` is 0). Most of it the engine's CPUs do by
 * themselves (vcpu-serving.ts); what they leave for (rare CSRs, clocks, the first instruction of a run) is done here, on the same CSR file, and counted alike.
 */
import { Slot } from "@backplane/trap-csr/csr-file"
import { ECALL, WFI } from "@backplane/trap-csr/execute-system"
import { Hypercalls } from "./hypercalls.ts"
import { ACCESS_OF_FAULT, isProtection, isTlbWrite, onException, onSystem, onTlbMiss, SATP, systemWord } from "./handle-exit.ts"
import { NestedMmu } from "./nested-mmu.ts"
import { SoftTlbMmu } from "./softtlb-mmu.ts"
import type { EngineExit } from "@backplane/compute-contract/engine"
import type { Entry, ExitView, Request } from "./entry.ts"
import type { VmParts } from "./vm-parts.ts"
import type { Vcpu } from "./vcpu.ts"

/** Null: the VMM must see it. */
export function assist(
  vm: VmParts,
  vcpu: Vcpu,
  { exit, view }: { readonly exit: EngineExit; readonly view: ExitView },
): Entry | Request | null {
  // A miss goes to the guest's handler at once, unless the VMM's second level is to be asked before.
  if (exit.kind === "tlb-miss") return hasSecondLevel(vcpu) ? null : onTlbMiss(vm, vcpu, { exit, view })
  // Page faults are the guest's own where the engine walks its tables; else the VMM must find out whose they are.
  if (exit.kind === "exception") return isOwn(vcpu, exit.cause) ? onException(vm, vcpu, { exit, view }) : null
  if (exit.kind !== "system") return null
  const word = systemWord(exit)
  if (word === ECALL && vm.para !== null && vcpu.file.get(Slot.privilege) === 1n && Hypercalls.asked(view)) return null
  if (!isAssisted(vm, vcpu, word)) return null
  const answer = onSystem(vm, vcpu, { exit, view })
  // A CSR among others here, as a CPU that serves itself counts it.
  return answer.cause === "satp" ? { ...answer, cause: "csr" } : answer
}

function isOwn(vcpu: Vcpu, cause: number): boolean {
  return isNested(vcpu) || !ACCESS_OF_FAULT.has(cause)
}

function isNested({ mmu }: Vcpu): boolean {
  return mmu instanceof NestedMmu
}

function hasSecondLevel({ mmu }: Vcpu): boolean {
  return mmu instanceof SoftTlbMmu && mmu.secondLevel !== null
}

function isAssisted(vm: VmParts, vcpu: Vcpu, word: number): boolean {
  if (((word >>> 12) & 7) !== 0) {
    const csr = word >>> 20
    return (csr !== SATP || isNested(vcpu)) && !isProtection(csr) && !isTlbWrite(csr)
  }
  if (word === ECALL) return vm.sbi === null || vcpu.file.get(Slot.privilege) !== 1n
  // What is left of function 0 are ebreak, mret and sret; sfence.vma is told by its upper bits.
  return word !== WFI && (word >>> 25 !== FENCE || isNested(vcpu))
}

const FENCE = 9

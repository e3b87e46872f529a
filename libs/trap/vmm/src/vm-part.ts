/**
 * What a node that runs a part of a VM over several nodes gives the VM: which vCPUs are its own, pages that come and go, devices that are elsewhere.
 *
 * A vCPU that needs a page, or a device of another node, is held: it retires nothing until that is there, and then its instruction is done once
 * more. So nothing of the engine has to be kept meanwhile, and others may have its CPU. Not here: messages and pages (trap/vm-host), how a VM runs.
 */
import type { EngineExit } from "@backplane/compute-contract/engine"
import type { LoadAnswer } from "@backplane/trap-devices/address-map/address-map"
import type { RegisterWrite } from "./entry.ts"
import type { DeviceStoreAnswer, VmParts } from "./vm-parts.ts"
import type { Vcpu } from "./vcpu.ts"

/** Devices, as the answer that was given for the instruction under way says it. */
export interface PartDevices {
  load(): LoadAnswer
  store(): DeviceStoreAnswer
  /** Interrupt wires of a vCPU, as the home last told. */
  lines(vcpu: number): bigint
}

export interface VmPart {
  /** Answers for who is not at home; null: the VM's devices are here. */
  readonly away: PartDevices | null
  /** A call of firmware that is ready, as it was answered: at home, too, since it may be about vCPUs elsewhere. */
  call(vcpu: Vcpu): { readonly registers: readonly RegisterWrite[]; readonly end: null }
  /** Units of the VM's clock that have passed by the clock of the machine, in the slice under way at its beginning. */
  units(): number
  /** The vCPU may not use a page of RAM so. True: it may now; else it is held until it may. */
  access(vcpu: number, page: number, exit: Extract<EngineExit, { kind: "frame" }>): boolean
  /** Can this exit be handled now? Else it has been asked for, and the vCPU is held. */
  isReady(vcpu: Vcpu, exit: EngineExit, parts: Pick<VmParts, "sbi">): boolean
  /** It waits for a page or an answer. */
  isHeld(vcpu: number): boolean
  /** It has asked, and its instruction is not done yet: no interrupt comes between. */
  isAsking(vcpu: number): boolean
  /** Instructions of it have retired: what it was held for has been used. */
  retired(vcpu: number): void
}

/**
 * What the engine's look-up TLB holds for a vCPU that is on a CPU, against what it may hold: frames of its VM only, and under a software TLB
 * nothing but what an entry of the guest maps now: engine's look-up table ⊆ the guest's TLB ⊆ approved mappings.
 */
import { translateByTlb } from "@backplane/trap-csr/tlb-translation"
import { translationOf } from "@backplane/trap-csr/translation"
import { isDevicePage } from "./shadow-space.ts"
import { PAGE_SHIFT } from "./machine-frames.ts"
import type { LookUp } from "@backplane/compute-contract/engine"
import type { Vcpu } from "./vcpu.ts"
import type { Vm } from "./vm.ts"
import type { Vmm } from "./vmm.ts"

export function lookUpBreaches({ engine, frames, machineSwitch }: Vmm, vm: Vm, vcpu: Vcpu): readonly string[] {
  const { cpu } = vcpu
  if (cpu === null) return []
  // Whatever waits to be forgotten is forgotten before the vCPU runs again.
  machineSwitch.enter(vcpu, cpu)
  const where = `vm ${vm.number}, vCPU ${vcpu.index} on CPU ${cpu}`
  const view = translationOf(vcpu.file)
  return engine.lookUps(cpu).flatMap((found) => {
    const machinePage = found.machineAddress >> PAGE_SHIFT
    const said = `${where}: the look-up TLB has 0x${found.virtualAddress.toString(16)} for a ${found.access}`
    const owner = isDevicePage(machinePage) ? vm.number : frames.ownerOf(machinePage)
    if (owner === "shared" && found.access === "store") return [`${said} in a frame of equal pages`]
    if (!(owner === "shared" && vm.memory.hasFrame(machinePage)) && owner !== vm.number) return [`${said} in a frame of somebody else`]
    if (view.mode !== "refill" || !found.current) return []
    return isMapped(vm, vcpu, found) ? [] : [`${said}, and the guest's TLB has not`]
  })
}

function isMapped(vm: Vm, { file }: Vcpu, { virtualAddress, machineAddress, access }: LookUp): boolean {
  const view = translationOf(file)
  const untranslated = (access === "fetch" ? view.fetchPrivilege : view.dataPrivilege) === 3
  const found = file.tlb === null || untranslated ? null : translateByTlb(file.tlb, view, { address: virtualAddress, access })
  if (found?.kind === "fault") return false
  const page = found?.page ?? virtualAddress >> PAGE_SHIFT
  const machinePage = isDevicePage(page) ? page : vm.memory.isResident(page) ? vm.memory.machinePage(page) : null
  return machinePage === machineAddress >> PAGE_SHIFT
}

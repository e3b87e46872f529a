/**
 * The CPUs of the node and who is on them: saves the registers of one vCPU and brings in those of another.
 *
 * OSTEP's machine switch: like a context switch, but of a whole virtual machine's state. Privileged state need not be moved: it lies in
 * the vCPU (vcpu.ts). The look-up TLB is emptied, because its entries are keyed by roots that mean something to one vCPU only.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import type { CpuState, Engine, ProtectionRegion } from "@backplane/compute-contract/engine"
import type { Vcpu } from "./vcpu.ts"

const NO_REGIONS: readonly ProtectionRegion[] = []

export class MachineSwitch {
  readonly #engine: Engine
  /** By CPU: whose registers it holds. I5 of vcpu.ts. */
  readonly #residents: (Vcpu | null)[]
  /** By CPU: the regions it was given last. */
  readonly #regions: (readonly ProtectionRegion[])[]
  #switches = 0

  constructor(engine: Engine) {
    this.#engine = engine
    this.#residents = new Array<Vcpu | null>(engine.options.cpus).fill(null)
    this.#regions = new Array<readonly ProtectionRegion[]>(engine.options.cpus).fill(NO_REGIONS)
  }

  /** How often a CPU went from one vCPU to another. */
  switches(): number {
    return this.#switches
  }

  /** Puts the vCPU on the CPU, ready to run: registers, shadow root, and nothing left of whoever was there before. */
  enter(vcpu: Vcpu, cpu: number): void {
    const resident = defined(this.#residents[cpu] === undefined ? undefined : [this.#residents[cpu]], "the CPU exists")[0] ?? null
    if (resident !== vcpu) {
      if (resident !== null) this.leave(resident)
      if (vcpu.cpu !== null) this.leave(vcpu)
      this.#engine.restoreCpu(cpu, vcpu.saved)
      this.#engine.flushTranslations(cpu)
      this.#residents[cpu] = vcpu
      vcpu.cpu = cpu
      this.#switches += 1
    }
    this.#translate(vcpu, cpu)
  }

  /** Takes the vCPU off its CPU; its registers are in `saved` then. */
  leave(vcpu: Vcpu): void {
    if (vcpu.cpu === null) return
    assert(this.#residents[vcpu.cpu] === vcpu, "a vCPU that has a CPU is on it")
    vcpu.saved = this.#engine.captureCpu(vcpu.cpu)
    this.#residents[vcpu.cpu] = null
    vcpu.cpu = null
  }

  /** Its registers, wherever they are. */
  state(vcpu: Vcpu): CpuState {
    return vcpu.cpu === null ? vcpu.saved : this.#engine.captureCpu(vcpu.cpu)
  }

  readRegister(vcpu: Vcpu, index: number): bigint {
    return vcpu.cpu === null ? defined(vcpu.saved.registers[index], "a register is x0…x31") : this.#engine.readRegister(vcpu.cpu, index)
  }

  writeRegister(vcpu: Vcpu, index: number, value: bigint): void {
    if (vcpu.cpu !== null) this.#engine.writeRegister(vcpu.cpu, index, value)
    else if (index !== 0) vcpu.saved = { ...vcpu.saved, registers: vcpu.saved.registers.with(index, value) }
  }

  readPc(vcpu: Vcpu): bigint {
    return vcpu.cpu === null ? vcpu.saved.pc : this.#engine.readPc(vcpu.cpu)
  }

  writePc(vcpu: Vcpu, pc: bigint): void {
    if (vcpu.cpu !== null) this.#engine.writePc(vcpu.cpu, pc)
    else vcpu.saved = { ...vcpu.saved, pc }
  }

  readInstret(vcpu: Vcpu): bigint {
    return vcpu.cpu === null ? vcpu.saved.instret : this.#engine.readInstret(vcpu.cpu)
  }

  /** Physical user level, and the tree of the state the vCPU is in. */
  #translate(vcpu: Vcpu, cpu: number): void {
    const { root } = vcpu.shadow.space()
    const regions = vcpu.shadow.protectionRegions()
    if (regions.length > 0 || this.#regions[cpu] !== NO_REGIONS) {
      this.#regions[cpu] = regions.length > 0 ? regions : NO_REGIONS
      this.#engine.setProtection(cpu, { regions, denyUnmatched: false })
    }
    if (vcpu.shadow.takeStale()) this.#engine.flushTranslations(cpu)
    this.#engine.setTranslation(cpu, { mode: "sv39", root, fetchPrivilege: 0, dataPrivilege: 0, sum: false, mxr: false })
  }
}

/**
 * The CPUs of the node and who is on them: saves the registers of one vCPU and brings in those of another.
 *
 * OSTEP's machine switch: like a context switch, but of a whole virtual machine's state. Privileged state need not be moved: it lies in
 * the vCPU (vcpu.ts). The look-up TLB is emptied, because its entries are keyed by roots that mean something to one vCPU only.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { OPEN, type EngineProtection } from "./guest-mmu.ts"
import type { CpuState, Engine, Translation } from "@backplane/compute-contract/engine"
import type { Vcpu } from "./vcpu.ts"

export class MachineSwitch {
  readonly #engine: Engine
  /** By CPU: whose registers it holds. I5 of vcpu.ts. */
  readonly #residents: (Vcpu | null)[]
  /** By CPU: what it was told last. The same object means that nothing has changed. */
  readonly #protections: EngineProtection[]
  readonly #translations: (Translation | null)[]
  #switches = 0

  constructor(engine: Engine) {
    this.#engine = engine
    this.#residents = new Array<Vcpu | null>(engine.options.cpus).fill(null)
    this.#protections = new Array<EngineProtection>(engine.options.cpus).fill(OPEN)
    this.#translations = new Array<Translation | null>(engine.options.cpus).fill(null)
  }

  /** How often a CPU went from one vCPU to another. */
  switches(): number {
    return this.#switches
  }

  /** Puts the vCPU on the CPU, ready to run: registers, translation, and nothing left of whoever was there before. */
  enter(vcpu: Vcpu, cpu: number): void {
    const resident = this.#residents[cpu]
    assert(resident !== undefined, "the CPU exists")
    if (resident !== vcpu) {
      if (resident !== null) this.leave(resident)
      if (vcpu.cpu !== null) this.leave(vcpu)
      this.#engine.restoreCpu(cpu, vcpu.saved)
      this.#engine.flushTranslations(cpu)
      this.#residents[cpu] = vcpu
      this.#translations[cpu] = null
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

  /** What the vCPU's state asks for. Installs come first: finding them may change what protection must be told. */
  #translate({ mmu }: Vcpu, cpu: number): void {
    const installs = mmu.takeInstalls()
    const protection = mmu.protection()
    if (protection !== this.#protections[cpu]) {
      this.#protections[cpu] = protection
      this.#engine.setProtection(cpu, protection)
    }
    const flush = mmu.takeFlush()
    if (flush === "all") this.#engine.flushTranslations(cpu)
    else for (const address of flush) this.#engine.flushTranslations(cpu, address)
    const translation = mmu.translation()
    if (translation !== this.#translations[cpu]) {
      this.#translations[cpu] = translation
      this.#engine.setTranslation(cpu, translation)
    }
    for (const install of installs) this.#engine.installTranslation(cpu, install)
  }
}

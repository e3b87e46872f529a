/**
 * The CPUs of the node and who is on them: saves the registers of one vCPU and brings in those of another.
 *
 * OSTEP's machine switch: like a context switch, but of a whole virtual machine's state. Privileged state lies in the vCPU (vcpu.ts), and moves
 * only where a CPU serves itself. The look-up TLB is emptied, because its entries are keyed by roots that mean something to one vCPU only.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { OPEN, type EngineProtection } from "./guest-mmu.ts"
import type { Served } from "@backplane/compute-contract/privileged"
import type { CpuState, Engine, EngineExit, Translation } from "@backplane/compute-contract/engine"
import type { Vcpu } from "./vcpu.ts"

export interface RunView {
  /** `mip` as it is for as long as the run lasts. */
  pending(): bigint
  /** A system call of this vCPU's is under way. */
  callOpen(): boolean
  /** Its next fence has something to forget. */
  fencesLeave(): boolean
}

export class MachineSwitch {
  readonly #engine: Engine
  /** By CPU: whose registers it holds. I5 of vcpu.ts. */
  readonly #residents: (Vcpu | null)[]
  /** By CPU: what it was told last. The same object means that nothing has changed. */
  readonly #protections: EngineProtection[]
  readonly #translations: (Translation | null)[]
  /** By CPU: which trees it was told of (`GuestMmu.servedSpace`). */
  readonly #generations: (number | null)[]
  #switches = 0

  constructor(engine: Engine) {
    this.#engine = engine
    this.#residents = new Array<Vcpu | null>(engine.options.cpus).fill(null)
    this.#protections = new Array<EngineProtection>(engine.options.cpus).fill(OPEN)
    this.#generations = new Array<number | null>(engine.options.cpus).fill(null)
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
      this.#beginServing(vcpu, cpu)
      this.#residents[cpu] = vcpu
      this.#translations[cpu] = null
      vcpu.cpu = cpu
      this.#switches += 1
    }
    this.#translate(vcpu, cpu)
  }

  /** Runs a vCPU that has entered; `pending` and `callOpen` are asked for where its CPU serves itself. */
  run(vcpu: Vcpu, budget: number, now: RunView): { readonly exit: EngineExit; readonly served: Served | null } {
    const { cpu } = vcpu
    assert(cpu !== null, "who runs is on a CPU")
    const privileged = vcpu.serving?.traps === "served" ? this.#engine.privileged : null
    privileged?.begin(cpu, {
      pending: now.pending(),
      trapsNested: vcpu.trapsNested(),
      callOpen: now.callOpen(),
      fencesLeave: now.fencesLeave(),
    })
    const exit = this.#engine.run(cpu, budget)
    const served = privileged?.take(cpu) ?? null
    if (served?.moved === true) {
      vcpu.mmu.moved()
      this.#translations[cpu] = null
    }
    return { exit, served }
  }

  #beginServing(vcpu: Vcpu, cpu: number): void {
    const { privileged } = this.#engine
    if (privileged === null) return
    privileged.serve(cpu, vcpu.serving)
    this.#generations[cpu] = null
    if (vcpu.serving?.traps === "served") vcpu.moveFile(privileged.words(cpu))
  }

  /** Takes the vCPU off its CPU; its registers are in `saved` then. */
  leave(vcpu: Vcpu): void {
    if (vcpu.cpu === null) return
    assert(this.#residents[vcpu.cpu] === vcpu, "a vCPU that has a CPU is on it")
    vcpu.saved = this.#engine.captureCpu(vcpu.cpu)
    this.#residents[vcpu.cpu] = null
    vcpu.moveFile(null)
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
  #translate(vcpu: Vcpu, cpu: number): void {
    const { mmu } = vcpu
    const installs = mmu.takeInstalls()
    const protection = mmu.protection()
    if (protection !== this.#protections[cpu]) {
      this.#protections[cpu] = protection
      this.#engine.setProtection(cpu, protection)
    }
    const flush = mmu.takeFlush()
    if (flush === "all") this.#engine.flushTranslations(cpu)
    else for (const address of flush) this.#engine.flushTranslations(cpu, address)
    this.#fence(vcpu, cpu)
    const translation = mmu.translation()
    if (translation !== this.#translations[cpu]) {
      this.#translations[cpu] = translation
      this.#engine.setTranslation(cpu, translation)
    }
    this.#tellSpace(vcpu, { cpu, root: translation.root })
    for (const install of installs) this.#engine.installTranslation(cpu, install)
  }

  #fence({ mmu, serving }: Vcpu, cpu: number): void {
    const fences = mmu.takeFences()
    const privileged = serving?.tables === "noted" ? this.#engine.privileged : null
    const fence = (address?: bigint): void => {
      if (privileged === null) this.#engine.flushTranslations(cpu, address)
      else privileged.fence(cpu, address)
    }
    if (fences === "all") fence()
    else for (const address of fences) fence(address)
  }

  /** Its CPU goes to this tree by itself the next time. */
  #tellSpace({ mmu, serving }: Vcpu, { cpu, root }: { readonly cpu: number; readonly root: bigint }): void {
    const { privileged } = this.#engine
    if (privileged === null || serving?.translations !== "told") return
    const space = mmu.servedSpace()
    const generation = space?.generation ?? null
    if (generation !== this.#generations[cpu]) privileged.forgetSpaces(cpu)
    this.#generations[cpu] = generation
    if (space !== null) privileged.addSpace(cpu, space.from, root)
  }
}

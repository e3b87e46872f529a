/**
 * Exits that are handled elsewhere: at most one a vCPU waits to be answered, and what is answered is done on its CPU.
 *
 * Not here: what is asked and answered (remote-exit.ts). V1: what is answered while the VM is paused waits for its resumption.
 */
import { defined } from "@backplane/foundation-base/assert"
import { Slot } from "@backplane/trap-csr/csr-file"
import { inject, type HandleExit } from "./handle-exit.ts"
import { SoftTlbMmu } from "./softtlb-mmu.ts"
import { applyDecided, questionOf, trapOf, type HeldExit, type HeldQuestion } from "./remote-exit.ts"
import type { Engine, EngineExit } from "@backplane/compute-contract/engine"
import type { VmEntry } from "@backplane/trap-contract/vm-exit-messages"
import type { Entry, ExitView, Request } from "./entry.ts"
import type { MachineSwitch } from "./machine-switch.ts"
import type { Vcpu } from "./vcpu.ts"

/** What a VM does for it. */
export interface HeldPort {
  readonly engine: Engine
  readonly machineSwitch: MachineSwitch
  readonly vcpus: readonly Vcpu[]
  readonly handleExit: HandleExit
  viewOf(vcpu: Vcpu): ExitView
  /** Calls from S-mode are answered by the VM: SBI, or hypercalls. */
  hasFirmware(): boolean
  state(): "running" | "paused" | "destroyed"
  /** The vCPU is about to do something. */
  turnTo(vcpu: Vcpu): void
  ran(vcpu: Vcpu, retired: number): void
  /** An interrupt was injected. */
  interrupted(vcpu: Vcpu, answer: Entry | Request): void
  finish(vcpu: Vcpu, done: { readonly exit: EngineExit; readonly cpu: number; readonly answer: Entry | Request }): void
}

export class HeldExits {
  readonly #port: HeldPort
  readonly #held = new Map<number, HeldExit>()
  /** Answers that came while the VM was paused. */
  readonly #kept = new Map<number, VmEntry["answer"]>()

  constructor(port: HeldPort) {
    this.#port = port
  }

  has(vcpu: number): boolean {
    return this.#held.has(vcpu)
  }

  /**
   * Is it handled elsewhere? What no machine would notice is not: the engine has lost sight of what the guest's TLB still has. Of a node whose vCPUs are moved to
   * and fro that is most of all misses.
   */
  isFor({ mmu }: Vcpu, exit: EngineExit): boolean {
    return !(exit.kind === "tlb-miss" && mmu instanceof SoftTlbMmu && mmu.knows(exit.virtualAddress, exit.access))
  }

  hold({ index }: Vcpu, exit: HeldExit): void {
    this.#held.set(index, exit)
  }

  /** What whoever handles the exit of this vCPU must know; null: it waits with none. */
  question(index: number): HeldQuestion | null {
    const held = this.#held.get(index)
    if (held === undefined) return null
    const vcpu = this.#vcpu(index)
    return questionOf(vcpu, held, { view: this.#port.viewOf(vcpu), firmware: this.#port.hasFirmware() })
  }

  /** Does what was answered: the vCPU can run again. */
  answer(index: number, answer: VmEntry["answer"]): void {
    const held = this.#held.get(index)
    const { engine, machineSwitch } = this.#port
    if (held === undefined || this.#port.state() === "destroyed") return
    if (this.#port.state() === "paused") return void this.#kept.set(index, answer)
    const vcpu = this.#vcpu(index)
    this.#held.delete(index)
    this.#port.turnTo(vcpu)
    if (held.kind === "interrupt") {
      const done = answer.by === "node" ? inject(vcpu, trapOf(held)) : applyDecided(vcpu, answer)
      if (done.step.kind === "trap") machineSwitch.writePc(vcpu, done.step.pc)
      return this.#port.interrupted(vcpu, done)
    }
    const cpu = index % engine.options.cpus
    machineSwitch.enter(vcpu, cpu)
    // Others may have had the CPU meanwhile: the instruction leaves again, with the same exit, and is finished now.
    const exit = held.kind === "watch" ? held : engine.run(cpu, 1)
    if (held.kind !== "watch") this.#port.ran(vcpu, exit.retired)
    if (exit.kind === "budget") return
    if (exit.kind !== held.kind) return void this.#held.set(index, exit)
    const done = answer.by === "node" ? this.#port.handleExit(vcpu, exit, this.#port.viewOf(vcpu)) : applyDecided(vcpu, answer)
    this.#port.finish(vcpu, { exit, cpu, answer: done })
  }

  resumed(): void {
    const kept = [...this.#kept]
    this.#kept.clear()
    for (const [index, answer] of kept) this.answer(index, answer)
  }

  isInUserMode(index: number): boolean {
    return this.#vcpu(index).file.get(Slot.privilege) === 0n
  }

  #vcpu(index: number): Vcpu {
    return defined(this.#port.vcpus[index], "the vCPU exists")
  }
}

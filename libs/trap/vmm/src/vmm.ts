/**
 * The virtual machine monitor of one node: several VMs on its CPUs and in its memory, each apart from the others.
 *
 * Frames are promised when a VM is made (its RAM and its shadow tables) and given at first touch. CPU time is given in slices, round
 * robin; who waits is passed over. Not here: weights and policies (the scheduler's), the bus.
 * M1: the promised frames never exceed those there are. M2: no tree of a VM has a leaf outside its own frames and the devices (audit.ts).
 */
import { assert } from "@backplane/foundation-base/assert"
import { shadowFramesMax } from "./shadow.ts"
import { MachineFrames, PAGE_BYTES } from "./machine-frames.ts"
import { MachineSwitch } from "./machine-switch.ts"
import { Vm, type OnWait, type Planted, type VmOptions, type VmStop } from "./vm.ts"
import type { Engine } from "@backplane/compute-contract/engine"

/** Machine memory that a VM of this size needs: its RAM and room for shadow tables. */
export function machineBytesFor({ memoryBytes, vcpus }: { readonly memoryBytes: number; readonly vcpus: number }): number {
  return framesFor({ memoryBytes, vcpus }) * PAGE_BYTES
}

function framesFor({ memoryBytes, vcpus }: { readonly memoryBytes: number; readonly vcpus: number }): number {
  return memoryBytes / PAGE_BYTES + vcpus * shadowFramesMax(memoryBytes)
}

export class Vmm {
  readonly engine: Engine
  readonly frames: MachineFrames
  readonly machineSwitch: MachineSwitch
  readonly #vms = new Map<number, Vm>()
  /** By VM: frames kept for it. */
  readonly #promised = new Map<number, number>()
  #nextNumber = 1
  /** The VM that ran last; the next one after it has the first claim. */
  #last = 0

  constructor(engine: Engine) {
    this.engine = engine
    this.frames = new MachineFrames(engine)
    this.machineSwitch = new MachineSwitch(engine)
  }

  /** How many frames a new VM can still be promised. */
  framesLeft(): number {
    const promised = [...this.#promised.values()].reduce((sum, frames) => sum + frames, 0)
    return this.engine.options.memoryBytes / PAGE_BYTES - promised
  }

  /** Null: the node has too little memory left. */
  create(options: VmOptions, planted: Planted = {}): Vm | null {
    assert(Number.isInteger(options.vcpus) && options.vcpus >= 1, "a VM has at least one vCPU")
    const needed = framesFor(options)
    if (needed > this.framesLeft()) return null
    const number = this.#nextNumber
    this.#nextNumber += 1
    this.#promised.set(number, needed)
    const { engine, frames, machineSwitch } = this
    const vm = new Vm({ engine, frames, machineSwitch, number, planted }, options)
    this.#vms.set(number, vm)
    return vm
  }

  destroy(vm: Vm): void {
    vm.destroy()
    this.#vms.delete(vm.number)
    this.#promised.delete(vm.number)
  }

  vms(): readonly Vm[] {
    return [...this.#vms.values()]
  }

  /**
   * Gives the next VM in turn a slice. Who waits leaves the CPU to the others for as long; when all wait, the next goes on to its timer at
   * once, since its time is its own. Null: none can run, all are paused, ended, idle or stuck.
   */
  runNext(sliceInstructions: number): { readonly vm: Vm; readonly stop: VmStop } | null {
    return this.#runFirst(sliceInstructions, "yield") ?? this.#runFirst(sliceInstructions, "skip")
  }

  #runFirst(sliceInstructions: number, onWait: OnWait): { readonly vm: Vm; readonly stop: VmStop } | null {
    for (const vm of this.#inTurn()) {
      if (vm.state() !== "running" || vm.end() !== null) continue
      const before = vm.instructions()
      const stop = vm.run(sliceInstructions, onWait)
      if (stop.kind !== "end" && vm.instructions() === before) continue
      this.#last = vm.number
      for (const other of this.#vms.values()) if (other !== vm) other.othersRan(vm.instructions() - before)
      return { vm, stop }
    }
    return null
  }

  #inTurn(): readonly Vm[] {
    const vms = this.vms()
    return [...vms.filter((vm) => vm.number > this.#last), ...vms.filter((vm) => vm.number <= this.#last)]
  }
}

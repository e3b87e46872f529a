/**
 * One virtual machine: its memory, vCPUs and devices, and the turns of its vCPUs.
 *
 * Turns, windows and time are those of the native board (trap/board): the same guest with the same input ends in the same state on both.
 * Each VM has a clock, CLINT, PLIC and console of its own; its time passes by its own instructions and waits, never by another's.
 * Not here: which VM runs next (vmm.ts), what an exit means (handle-exit.ts). V1: a VM that is paused or destroyed retires nothing.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { boot } from "@backplane/trap-board/boot"
import { Console } from "@backplane/trap-board/console"
import { interruptToTake, wakes } from "@backplane/trap-csr/interrupts"
import { MachineClock } from "@backplane/trap-board/machine-clock"
import { Slot } from "@backplane/trap-csr/csr-file"
import { WINDOW_INSTRUCTIONS } from "@backplane/trap-board/board"
import { assist } from "./assist.ts"
import { exitHandler, inject, type HandleExit } from "./handle-exit.ts"
import { Ledger } from "./ledger.ts"
import { PhysicalMap } from "./physical-map.ts"
import { Shadow } from "./shadow.ts"
import { SystemCalls } from "./system-calls.ts"
import { Vcpu } from "./vcpu.ts"
import { VcpuTimes } from "./vcpu-times.ts"
import { VmDevices } from "./vm-devices.ts"
import type { BoardEnd, BoardOptions, BoardStop, BootImage } from "@backplane/trap-board/board-types"
import type { Engine, EngineExit } from "@backplane/compute-contract/engine"
import type { Moment } from "@backplane/trap-csr/moment"
import type { Entry, ExitClass, ExitView, Request } from "./entry.ts"
import type { MachineFrames } from "./machine-frames.ts"
import type { MachineSwitch } from "./machine-switch.ts"
import type { TranslationView } from "@backplane/trap-csr/translation"
import type { VmParts } from "./vm-parts.ts"

/** `trap`: every privileged instruction exits. `assist`: CSRs and the guest's own traps are served beside the engine. */
export type VmMode = "trap" | "assist"

export interface VmOptions extends BoardOptions {
  readonly image: BootImage
  readonly vcpus: number
  readonly memoryBytes: number
  readonly mode: VmMode
  /** Who says which vCPU runs: the VM's own turns (`run`), or a scheduler of vCPUs (`runVcpu`). Left out: own turns. */
  readonly turns?: "own" | "scheduled"
}

export interface VmPlace {
  readonly engine: Engine
  readonly frames: MachineFrames
  readonly machineSwitch: MachineSwitch
  /** The VM's number; also the owner of its frames. */
  readonly number: number
  readonly planted?: Planted
}

/** Parts that tests put in the place of right ones, to see their checks fail. */
export interface Planted {
  readonly handler?: (parts: VmParts) => HandleExit
  /** Which address spaces share a shadow tree. */
  readonly keyOf?: (translation: TranslationView) => string
  readonly clock?: MachineClock
}

export type VmStop =
  | BoardStop
  | { readonly kind: "paused" }
  /** Every vCPU waits for a timer, and the run was asked to give the CPU away then. */
  | { readonly kind: "waiting" }

/** Why a vCPU that was run alone stopped. */
export type VcpuStop =
  | Exclude<BoardStop, { kind: "idle" }>
  | { readonly kind: "paused" }
  /** In wfi: `units` of its time until its timer rings, null without one; or stopped until a sibling starts it (null). */
  | { readonly kind: "waiting"; readonly units: number | null }

/** What a run does when every vCPU waits for a timer: goes on to it at once, or leaves the CPU to others. */
export type OnWait = "skip" | "yield"

export class Vm {
  readonly number: number
  readonly memory: PhysicalMap
  readonly vcpus: readonly Vcpu[]
  readonly console = new Console()
  readonly ledger = new Ledger()
  readonly systemCalls = new SystemCalls()
  readonly #place: VmPlace
  readonly #options: VmOptions
  readonly #clock: MachineClock
  /** By vCPU, where they are scheduled one by one. */
  readonly #times: VcpuTimes
  /** vCPUs that were last said to wait. */
  readonly #resting = new Set<number>()
  readonly #devices: VmDevices
  readonly #handleExit: HandleExit
  #state: "running" | "paused" | "destroyed" = "running"
  /** Whose window it is, and how much of it is left. */
  #turn = 0
  #windowLeft = WINDOW_INSTRUCTIONS
  #spent = 0
  #instructions = 0
  #end: BoardEnd | null = null
  /** Units of its clock that others had the CPU for since it began to wait. */
  #waited = 0

  constructor(place: VmPlace, options: VmOptions) {
    const { engine, frames, machineSwitch, number } = place
    this.#place = place
    this.#options = options
    this.number = number
    const {
      handler = exitHandler,
      keyOf,
      clock = new MachineClock(options.turns === "scheduled" ? 1 : options.vcpus),
    } = place.planted ?? {}
    this.#clock = clock
    this.#times = new VcpuTimes(clock, options.vcpus)
    if (options.turns === "scheduled") this.#windowLeft = Infinity
    this.memory = new PhysicalMap({ engine, frames, owner: number, bytes: options.memoryBytes })
    this.vcpus = Array.from({ length: options.vcpus }, (_, index) => new Vcpu({ vm: number, index }))
    const { memory, vcpus, console } = this
    this.#devices = new VmDevices({ engine, machineSwitch, memory, vcpus, console, clock: () => this.#clock.ticks(), options })
    for (const vcpu of this.vcpus) {
      const { tables } = this.#devices
      const shadow = new Shadow({ engine, frames, memory, tables, file: vcpu.file, vcpu: vcpu.index, ...(keyOf && { keyOf }) })
      vcpu.attach({
        shadow,
        registers: {
          writeRegister: (index, value) => machineSwitch.writeRegister(vcpu, index, value),
          writePc: (pc) => machineSwitch.writePc(vcpu, pc),
        },
      })
    }
    this.#handleExit = handler(this.#devices)
    this.#boot()
  }

  /** Runs until that many more instructions have retired on all vCPUs together, or something ends or holds up the machine. */
  run(budgetInstructions: number, onWait: OnWait = "skip"): VmStop {
    assert(Number.isSafeInteger(budgetInstructions) && budgetInstructions >= 1, "a budget is at least one instruction")
    assert(this.#state !== "destroyed", "a destroyed VM is not run")
    if (this.#state === "paused") return { kind: "paused" }
    this.#spent = 0
    while (this.#end === null && this.#spent < budgetInstructions) {
      if (this.#windowLeft === 0) this.#nextTurn()
      const vcpu = defined(this.vcpus[this.#turn], "the turn is a vCPU's")
      this.#devices.deliverInput()
      this.#readLines(vcpu)
      if (this.#ready(vcpu)) this.#runVcpu(vcpu, budgetInstructions - this.#spent)
      else {
        const held = this.#passBy(onWait)
        if (held !== null) return held
      }
    }
    return this.#end ?? { kind: "budget" }
  }

  /**
   * Runs one vCPU alone for so many instructions, or until it waits or something ends the machine. `waited`: units that have passed since it
   * was last said to wait; they count until its timer rings. For a node whose scheduler chooses vCPUs.
   */
  runVcpu(index: number, { budget, waited }: { readonly budget: number; readonly waited: number }): VcpuStop {
    assert(this.#options.turns === "scheduled", "vCPUs of this VM take turns of their own")
    assert(this.#state !== "destroyed", "a destroyed VM is not run")
    if (this.#state === "paused") return { kind: "paused" }
    const vcpu = defined(this.vcpus[index], "the vCPU exists")
    const end = this.#instructions + budget
    this.#turn = index
    this.#rest(vcpu, waited)
    while (this.#end === null) {
      this.#devices.deliverInput()
      this.#readLines(vcpu)
      if (!this.#ready(vcpu)) return vcpu.stuck() ? this.#stuckAt(vcpu) : this.#beginRest(vcpu)
      if (this.#instructions >= end) return { kind: "budget" }
      this.#runVcpu(vcpu, end - this.#instructions)
    }
    return this.#end
  }

  /** Would `runVcpu` get on with this vCPU now: it does not wait, or what it waits for came? */
  wouldRun(index: number): boolean {
    const vcpu = defined(this.vcpus[index], "the vCPU exists")
    if (this.#state !== "running") return false
    this.#devices.deliverInput()
    this.#readLines(vcpu)
    if (this.#end !== null || vcpu.stuck()) return true
    return vcpu.state !== "stopped" && (!vcpu.waiting || wakes(vcpu.file, this.#moment(vcpu)))
  }

  /** Units of its own time that this vCPU has used, waiting included. Only grows. */
  unitsOf(index: number): number {
    return this.#times.of(index)
  }

  /** Others had the CPU for so long: if this one waits, it waits so much less. How far its clock goes is its own timer's business. */
  othersRan(instructions: number): void {
    this.#waited += instructions * this.vcpus.length
  }

  pause(): void {
    assert(this.#state !== "destroyed", "a destroyed VM is not paused")
    this.#state = "paused"
    for (const vcpu of this.vcpus) this.#place.machineSwitch.leave(vcpu)
  }

  resume(): void {
    assert(this.#state !== "destroyed", "a destroyed VM is not resumed")
    this.#state = "running"
  }

  /** Gives back every frame, of the guest and of its shadow tables. */
  destroy(): void {
    if (this.#state === "destroyed") return
    this.pause()
    this.#state = "destroyed"
    this.#devices.tables.clear()
    this.#devices.unwatch()
    for (const vcpu of this.vcpus) vcpu.shadow.dropAll()
    this.memory.releaseAll()
  }

  state(): "running" | "paused" | "destroyed" {
    return this.#state
  }

  /** Retired by all vCPUs since boot. */
  instructions(): number {
    return this.#instructions
  }

  /** The guest's `mtime` now. */
  time(): bigint {
    return this.#devices.time()
  }

  /** How it ended, or null. */
  end(): BoardEnd | null {
    return this.#end
  }

  #boot(): void {
    const { machineSwitch } = this.#place
    const vcpu = (index: number): Vcpu => defined(this.vcpus[index], "the vCPU exists")
    boot(
      {
        writeMemory: (address, data) => this.memory.write(address, data),
        writePc: (index, pc) => machineSwitch.writePc(vcpu(index), pc),
        writeRegister: (index, register, value) => machineSwitch.writeRegister(vcpu(index), register, value),
      },
      this.#options.image,
      { ...this.#options, harts: this.vcpus },
    )
  }

  #nextTurn(): void {
    this.#turn = (this.#turn + 1) % this.vcpus.length
    this.#windowLeft = WINDOW_INSTRUCTIONS
  }

  #readLines(vcpu: Vcpu): void {
    vcpu.file.set(Slot.lines, this.#devices.lines(vcpu.index))
  }

  #moment(vcpu: Vcpu): Moment {
    return { instret: this.#place.machineSwitch.readInstret(vcpu), time: this.time() }
  }

  /** Can it execute now? Ends its waiting when an interrupt says so. */
  #ready(vcpu: Vcpu): boolean {
    if (vcpu.state === "stopped" || vcpu.stuck()) return false
    if (!vcpu.waiting) return true
    if (!wakes(vcpu.file, this.#moment(vcpu))) return false
    vcpu.waiting = false
    vcpu.state = "started"
    if (vcpu.resume !== null) vcpu.begin(vcpu.resume)
    return true
  }

  /** The present vCPU waits: the VM's time passes. An answer if nothing but the outside can go on. */
  #passBy(onWait: OnWait): VmStop | null {
    const others = this.vcpus.some((vcpu) => {
      this.#readLines(vcpu)
      return this.#ready(vcpu)
    })
    if (others) {
      this.#clock.pass(this.#windowLeft)
      this.#windowLeft = 0
      return null
    }
    const deadlines = this.vcpus
      .filter((vcpu) => vcpu.waiting && !vcpu.stuck())
      .map((vcpu) => vcpu.deadline(this.#devices.timer(vcpu.index)))
    const next = deadlines.reduce((first, deadline) => (first === null || (deadline !== null && deadline < first) ? deadline : first), null)
    if (next === null || next === NEVER) return this.#hold()
    const units = this.#clock.unitsUntil(next - this.time())
    if (onWait === "yield" && this.#waited < units) return { kind: "waiting" }
    this.#waited = 0
    this.#clock.pass(units)
    return null
  }

  #beginRest(vcpu: Vcpu): VcpuStop {
    this.#times.rest(vcpu.index, 0)
    this.#resting.add(vcpu.index)
    return { kind: "waiting", units: this.#unitsToTimer(vcpu) }
  }

  /** So much has passed since it began to rest; not more than until its timer. */
  #rest(vcpu: Vcpu, waited: number): void {
    if (!this.#resting.delete(vcpu.index)) return
    const units = this.#unitsToTimer(vcpu)
    const most = units === null ? waited : Math.min(waited, this.#times.lag(vcpu.index) + units)
    this.#times.rest(vcpu.index, most)
  }

  /** From the VM's clock to the timer of a vCPU that waits; null where none is set. */
  #unitsToTimer(vcpu: Vcpu): number | null {
    const deadline = vcpu.waiting ? vcpu.deadline(this.#devices.timer(vcpu.index)) : null
    return deadline === null || deadline === NEVER ? null : this.#clock.unitsUntil(deadline - this.time())
  }

  #hold(): VmStop {
    if (this.vcpus.some((vcpu) => vcpu.waiting)) return { kind: "idle" }
    const cause = this.vcpus.find((vcpu) => vcpu.stuck())
    return cause === undefined ? { kind: "stuck", detail: "every vCPU is stopped" } : this.#stuckAt(cause)
  }

  #stuckAt(cause: Vcpu): Extract<BoardStop, { kind: "stuck" }> {
    const pc = this.#place.machineSwitch.readPc(cause).toString(16)
    return { kind: "stuck", detail: `the trap handler itself traps: vCPU ${cause.index} at 0x${pc}, cause ${cause.file.get(Slot.mcause)}` }
  }

  #runVcpu(vcpu: Vcpu, budget: number): void {
    const { engine, machineSwitch } = this.#place
    const moment = this.#moment(vcpu)
    const interrupt = interruptToTake(vcpu.file, moment)
    if (interrupt !== null) {
      const injected = inject(vcpu, { cause: interrupt, interrupt: true, value: 0n, pc: machineSwitch.readPc(vcpu) })
      if (injected.step.kind === "trap") machineSwitch.writePc(vcpu, injected.step.pc)
      this.#count(vcpu, { cause: injected.cause, class: "R", exited: this.#options.mode === "trap" })
    }
    const deadline = vcpu.deadline(this.#devices.timer(vcpu.index))
    const ahead = this.#options.turns === "scheduled" ? this.#times.lag(vcpu.index) : 0
    const untilTimer = deadline !== null && deadline > moment.time ? ahead + this.#clock.unitsUntil(deadline - moment.time) : Infinity
    const cpu = vcpu.index % engine.options.cpus
    machineSwitch.enter(vcpu, cpu)
    const exit = engine.run(cpu, Math.min(budget, this.#windowLeft, untilTimer))
    if (exit.retired > 0) vcpu.retired()
    this.#account(exit.retired)
    if (exit.kind !== "budget") this.#onExit(vcpu, { exit, cpu })
  }

  #onExit(vcpu: Vcpu, { exit, cpu }: { readonly exit: EngineExit; readonly cpu: number }): void {
    const { engine } = this.#place
    const view: ExitView = { moment: this.#moment(vcpu), register: (index) => engine.readRegister(cpu, index) }
    const assisted = this.#options.mode === "assist" ? assist(this.#devices, vcpu, { exit, view }) : null
    const answer = assisted ?? this.#handleExit(vcpu, exit, view)
    this.#count(vcpu, { cause: answer.cause, class: answer.class, exited: assisted === null })
    this.#finish(vcpu, { answer, cpu })
  }

  #count(vcpu: Vcpu, exit: { readonly cause: string; readonly class: ExitClass; readonly exited: boolean }): void {
    if (exit.exited) this.ledger.count(exit.cause, exit.class)
    else this.ledger.countAssisted(exit.cause)
    this.systemCalls.see({ vcpu: vcpu.index, cause: exit.cause, exited: exit.exited, user: vcpu.file.get(Slot.privilege) === 0n })
  }

  #finish(vcpu: Vcpu, { answer, cpu }: { readonly answer: Entry | Request; readonly cpu: number }): void {
    if (complete(this.#place.engine, cpu, answer)) {
      vcpu.retired()
      this.#account(1)
    }
    if (answer.kind === "entry") return
    if (answer.wanted.kind === "wait") vcpu.waiting = true
    else this.#end ??= { ...answer.wanted, kind: "end" }
  }

  #account(retired: number): void {
    if (retired > 0) this.#waited = 0
    this.#spent += retired
    this.#instructions += retired
    this.#windowLeft -= retired
    if (this.#options.turns === "scheduled") this.#times.run(this.#turn, retired)
    else this.#clock.pass(retired)
  }
}

/** Finishes the instruction that left, as the VMM says. True if it retired. */
function complete(engine: Engine, cpu: number, { step }: Entry | Request): boolean {
  switch (step.kind) {
    case "retry":
      return false
    case "trap":
      engine.writePc(cpu, step.pc)
      return false
    case "next":
      for (const { register, value } of step.registers) engine.writeRegister(cpu, register, value)
      engine.completeSystem(cpu, step.result ?? undefined)
      return true
    case "jump":
      engine.completeJump(cpu, step.pc)
      return true
    case "load":
      engine.completeLoad(cpu, step.value)
      return true
    case "store":
      engine.completeStore(cpu)
      return true
  }
}

/** `mtimecmp` and `stimecmp` after reset. */
const NEVER = 2n ** 64n - 1n

/**
 * One virtual machine: its memory, vCPUs and devices, and the turns of its vCPUs.
 *
 * Turns, windows and time are those of the native board (trap/board): the same guest with the same input ends in the same state on both.
 * Each VM has a clock, CLINT, PLIC and console of its own; its time passes by its own instructions and waits, never by another's.
 * Not here: which VM runs next (vmm.ts), what an exit means (handle-exit.ts). V1: a VM that is paused or destroyed retires nothing.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { Console } from "@backplane/trap-board/console"
import { interruptToTake, wakes } from "@backplane/trap-csr/interrupts"
import { IdleRounds } from "@backplane/trap-board/idle-rounds"
import { HartWaits } from "@backplane/trap-board/hart-waits"
import { MachineClock } from "@backplane/trap-board/machine-clock"
import { WINDOW_INSTRUCTIONS } from "@backplane/trap-board/board"
import { assist } from "./assist.ts"
import { makeAddressSpaces, type AddressSpaces } from "./address-spaces.ts"
import { MODERN } from "./costs.ts"
import { ExitBooks } from "./exit-books.ts"
import { finishExit } from "./finish-exit.ts"
import { GiveWays } from "./give-ways.ts"
import { exitHandler, inject, LOOK_UP, type HandleExit } from "./handle-exit.ts"
import { HeldExits } from "./held-exits.ts"
import { Hypercalls, OWN_QUOTA } from "./hypercalls.ts"
import { PhysicalMap } from "./physical-map.ts"
import { PollWatch } from "./poll-watch.ts"
import { bootVm } from "./boot-vm.ts"
import { servingOf } from "./vcpu-serving.ts"
import { Vcpu } from "./vcpu.ts"
import { heldAt, runViewOf, stuckAt, viewOf } from "./vcpu-view.ts"
import { VcpuTimes } from "./vcpu-times.ts"
import { VmDevices } from "./vm-devices.ts"
import { VmSide } from "./vm-side.ts"
import { consoleBytesOf, captureOfVm, restoreVcpus } from "./vm-capture.ts"
import { WorkMeter } from "./work-meter.ts"
import type { BoardEnd } from "@backplane/trap-board/board-types"
import type { EngineExit } from "@backplane/compute-contract/engine"
import type { VmCapture } from "@backplane/trap-contract/vm-capture"
import type { Entry, ExitView, Request } from "./entry.ts"
import type { Ledger } from "./ledger.ts"
import type { SystemCalls } from "./system-calls.ts"
import type { TlbMisses } from "./tlb-misses.ts"
import type { VmPart } from "./vm-part.ts"
import type { OnWait, VcpuStop, VmOptions, VmPlace, VmStop, WorkLimit } from "./vm-types.ts"

export type { OnWait, Planted, VcpuStop, VmMode, VmOptions, VmPlace, VmStop } from "./vm-types.ts"

export class Vm {
  readonly number: number
  readonly memory: PhysicalMap
  readonly vcpus: readonly Vcpu[]
  readonly console: Console
  /** Null: the guest may make no hypercalls. */
  readonly para: Hypercalls | null
  /** For the other nodes of a VM that lies on several. */
  readonly side: VmSide
  readonly #books: ExitBooks
  readonly #place: VmPlace
  readonly #work: WorkMeter
  readonly #options: VmOptions
  readonly #clock: MachineClock
  /** By vCPU, where they are scheduled one by one. */
  readonly #times: VcpuTimes
  /** Exits that are handled elsewhere. */
  readonly heldExits: HeldExits
  readonly #devices: VmDevices
  /** By vCPU: what an exit handler may look at. */
  readonly #views: readonly ExitView[]
  readonly #addressSpaces: AddressSpaces
  readonly #waits: HartWaits<Vcpu>
  readonly #polls: PollWatch
  readonly #idleRounds: IdleRounds
  readonly #giveWays = new GiveWays()
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
    this.#work = place.work ?? new WorkMeter()
    this.#options = options
    this.number = number
    const { restored } = place
    this.console = new Console(restored === undefined ? null : consoleBytesOf(restored))
    const harts = options.turns === "scheduled" ? 1 : options.vcpus
    const { handler = exitHandler, keyOf, clock = new MachineClock(harts, restored?.passed) } = place.planted ?? {}
    this.#clock = clock
    this.#times = new VcpuTimes(clock, options.vcpus)
    if (options.turns === "scheduled") this.#windowLeft = Infinity
    this.#books = new ExitBooks(options.costs ?? MODERN, place.recorder ?? null)
    this.memory = new PhysicalMap({ engine, frames, owner: number, bytes: options.memoryBytes, ...place.paging })
    const softwareTlb = options.mmu === "softtlb"
    const serving = servingOf(engine, options, { isRecorded: place.recorder !== undefined, isPart: place.part !== undefined })
    this.vcpus = Array.from({ length: options.vcpus }, (_, index) => new Vcpu({ vm: number, index, softwareTlb, serving }))
    const { memory, vcpus, console } = this
    const quota = place.quota ?? OWN_QUOTA
    const updated = (entries: number): void => this.ledger.updated(entries)
    for (const page of restored?.out ?? []) if (memory.takeOutPage(page)) quota.giveBack(1)
    const pagesOut = restored?.out.length ?? 0
    this.para = options.mode === "para" ? new Hypercalls({ memory, vcpus, quota, updated, pagesOut }) : null
    this.#devices = new VmDevices({
      ...{ engine, machineSwitch, memory, vcpus, console, options },
      clock: () => this.#clock.ticks(),
      ...(this.para !== null && { para: this.para }),
      ...(restored !== undefined && { restored }),
      ...(place.part !== undefined && { part: place.part }),
    })
    this.#addressSpaces = makeAddressSpaces(options, { engine, frames, memory })
    for (const vcpu of this.vcpus) {
      const { tables } = this.#devices
      vcpu.attach({
        mmu: this.#addressSpaces.of({ tables, file: vcpu.file, vcpu: vcpu.index, ...(keyOf && { keyOf }) }),
        registers: {
          writeRegister: (index, value) => machineSwitch.writeRegister(vcpu, index, value),
          writePc: (pc) => machineSwitch.writePc(vcpu, pc),
        },
      })
    }
    memory.observeGone((gone) => this.#devices.pagesGone(gone))
    this.#views = this.vcpus.map((vcpu) => viewOf(vcpu, { machineSwitch, time: () => this.time() }))
    this.#waits = new HartWaits({
      harts: this.vcpus,
      moment: (vcpu) => this.#viewOf(vcpu).moment,
      lines: (index) => this.#devices.lines(index),
      timer: (index) => this.#devices.timer(index),
    })
    this.#polls = this.#newPollWatch()
    this.#idleRounds = new IdleRounds(options.vcpus)
    this.#handleExit = handler(this.#devices)
    this.heldExits = this.#newHeldExits()
    this.side = new VmSide({
      vcpus,
      machineSwitch,
      polls: this.#polls,
      devices: this.#devices,
      times: this.#times,
      end: (end) => void (this.#end ??= end),
    })
    if (restored === undefined) bootVm({ memory, vcpus, machineSwitch, isPara: this.para !== null }, options)
    else this.#goOn(restored)
  }

  #newPollWatch(): PollWatch {
    return new PollWatch({
      ...{ engine: this.#place.engine, vcpus: this.vcpus },
      ran: (vcpu, retired) => this.#ran(vcpu, retired),
      onExit: (vcpu, left) => this.#onExit(vcpu, left),
      // Under a scheduler of vCPUs the siblings are its business.
      othersCanRun: (vcpu) =>
        this.#options.turns !== "scheduled" && this.vcpus.some((other) => other !== vcpu && this.#waits.couldRun(other)),
    })
  }

  #newHeldExits(): HeldExits {
    return new HeldExits({
      ...{ ...this.#place, vcpus: this.vcpus, handleExit: this.#handleExit, state: () => this.#state },
      ...{ viewOf: (vcpu) => this.#viewOf(vcpu), hasFirmware: () => this.#devices.sbi !== null || this.para !== null },
      ...{ turnTo: ({ index }) => (this.#turn = index), ran: (vcpu, retired) => this.#ran(vcpu, retired) },
      interrupted: (vcpu, { cause }) => {
        this.#polls.loopOf(vcpu).disturbed()
        this.#books.count(vcpu, { cause, class: "B", exited: true })
      },
      finish: (vcpu, { exit, cpu, answer }) => {
        this.#books.exit(vcpu, exit, { cause: answer.cause, class: "B", exited: answer.cause !== LOOK_UP })
        this.#finish(vcpu, { answer, cpu })
      },
    })
  }

  /** Runs until that many more instructions have retired on all vCPUs together, or something ends or holds up the machine. */
  run(budgetInstructions: number, onWait: OnWait = "skip"): VmStop {
    assert(Number.isSafeInteger(budgetInstructions) && budgetInstructions >= 1, "a budget is at least one instruction")
    assert(this.#state !== "destroyed", "a destroyed VM is not run")
    if (this.#state === "paused") return { kind: "paused" }
    this.#spent = 0
    this.#polls.begin(onWait === "yield" ? this.#waited : null)
    while (this.#end === null && this.#spent < budgetInstructions) {
      while (this.#windowLeft === 0) this.#nextTurn()
      const vcpu = defined(this.vcpus[this.#turn], "the turn is a vCPU's")
      this.#devices.deliverInput()
      this.#waits.readLines(vcpu)
      if (this.#waits.ready(vcpu)) this.#runVcpu(vcpu, budgetInstructions - this.#spent)
      else {
        const held = this.#passBy(onWait)
        if (held !== null) return held
      }
      if (this.#giveWays.takeYield() && onWait === "yield" && this.#end === null) return { kind: "yielded" }
      if (this.#giveWays.takePolls() !== null && this.#end === null) return { kind: "polling" }
    }
    return this.#end ?? { kind: "budget" }
  }

  /**
   * Runs one vCPU alone for so many instructions, or until it waits or something ends the machine. `waited`: units that have passed since it
   * was last said to wait; they count until its timer rings. For a node whose scheduler chooses vCPUs.
   */
  runVcpu(index: number, { budget, waited, ...limit }: { readonly budget: number; readonly waited: number } & WorkLimit): VcpuStop {
    assert(this.#options.turns === "scheduled", "vCPUs of this VM take turns of their own")
    assert(this.#state !== "destroyed", "a destroyed VM is not run")
    if (this.#state === "paused") return { kind: "paused" }
    const vcpu = defined(this.vcpus[index], "the vCPU exists")
    const end = this.#instructions + budget
    if (this.heldExits.has(index)) return { kind: "exit" }
    const { part } = this.#place
    if (part?.isHeld(index) === true && this.#end === null) return { kind: "away" }
    this.#turn = index
    this.#polls.delete(vcpu)
    this.#work.begin(limit)
    this.#polls.begin(this.#options.idleLoops !== "yield" ? null : this.#times.isResting(index) ? 0 : waited)
    if (part !== undefined) this.#times.keepUp(index, part.units())
    this.#times.endRest(index, waited, () => this.#unitsToTimer(vcpu))
    while (this.#end === null) {
      this.#devices.deliverInput()
      this.#waits.readLines(vcpu)
      if (!this.#waits.ready(vcpu))
        return vcpu.stuck() ? stuckAt(vcpu, this.#place.machineSwitch) : this.#times.beginRest(index, this.#unitsToTimer(vcpu))
      if (this.#instructions >= end) return { kind: "budget" }
      if (this.#work.isSpent) return { kind: "worked" }
      this.#runVcpu(vcpu, end - this.#instructions)
      if (this.heldExits.has(index)) return { kind: "exit" }
      if (part?.isHeld(index) === true && this.#end === null) return { kind: "away" }
      if (this.#giveWays.takeYield() && this.#end === null) return { kind: "yielded", to: this.#giveWays.takePreferred() }
      const how = this.#giveWays.takePolls()
      if (how === null || this.#end !== null) continue
      this.#polls.add(vcpu, how)
      return { kind: "polling", how, units: this.#unitsToRing(vcpu) }
    }
    return this.#end
  }

  /** Would `runVcpu` get on with this vCPU now: it does not wait, or what it waits for came? */
  wouldRun(index: number): boolean {
    const vcpu = defined(this.vcpus[index], "the vCPU exists")
    if (this.#state !== "running") return false
    this.#devices.deliverInput()
    this.#waits.readLines(vcpu)
    if (this.heldExits.has(index)) return false
    if (this.#end !== null || vcpu.stuck()) return true
    if (this.#place.part?.isHeld(index) === true) return false
    if (this.#polls.has(vcpu)) return interruptToTake(vcpu.file, this.#viewOf(vcpu).moment) !== null
    if (!this.#times.isResting(index)) return true // if it waits, nobody was told
    return vcpu.state !== "stopped" && (!vcpu.waiting || wakes(vcpu.file, this.#viewOf(vcpu).moment))
  }

  /** A device has written to the guest's memory while it was off the CPU: who polls may find what it waited for. */
  written(): void {
    this.#polls.written()
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
    this.heldExits.resumed()
  }

  /** All of it but its memory, as plain data. R1 of vm-capture.ts: no exit is held, nothing of a device is under way. */
  capture(): VmCapture {
    assert(this.#end === null, "what has ended is not moved")
    const { vcpus, memory, console } = this
    const { machineSwitch } = this.#place
    const parts = { vcpus, memory, console, machineSwitch, devices: this.#devices, clock: this.#clock, times: this.#times }
    return captureOfVm(parts, this.#instructions)
  }

  /** Gives back every frame, of the guest and of its shadow tables. */
  destroy(): void {
    if (this.#state === "destroyed") return
    this.pause()
    this.#state = "destroyed"
    this.#devices.tables.clear()
    this.#devices.unwatch()
    for (const vcpu of this.vcpus) vcpu.mmu.dropAll()
    this.#addressSpaces.destroy()
    this.memory.releaseAll()
  }

  get ledger(): Ledger {
    return this.#books.ledger
  }

  get systemCalls(): SystemCalls {
    return this.#books.systemCalls
  }

  /** Polling loops that were found, and instructions counted without being executed. */
  idleLoops(): { readonly found: number; readonly skipped: number } {
    return this.#polls.totals()
  }

  get tlbMisses(): TlbMisses {
    return this.#books.tlbMisses
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

  /** Its share of CPU time beside others. */
  weight(): number {
    return this.#options.weight ?? 1
  }

  /** How it ended, or null. */
  end(): BoardEnd | null {
    return this.#end
  }

  /** Where the VM of that capture left off; its memory is written by whoever has it. */
  #goOn(capture: VmCapture): void {
    assert(this.#options.turns === "scheduled", "only vCPUs that are scheduled one by one are moved")
    this.#instructions = capture.instructions
    restoreVcpus({ vcpus: this.vcpus, machineSwitch: this.#place.machineSwitch, times: this.#times }, capture)
  }

  #nextTurn(): void {
    this.#turn = this.#giveWays.takePreferred() ?? (this.#turn + 1) % this.vcpus.length
    this.#windowLeft = WINDOW_INSTRUCTIONS
    const vcpu = defined(this.vcpus[this.#turn], "the turn is a vCPU's")
    this.#waits.readLines(vcpu)
    const isInterrupted = (): boolean => interruptToTake(vcpu.file, this.#viewOf(vcpu).moment) !== null
    if (this.#idleRounds.passes(vcpu.index, isInterrupted)) this.#leaveWindow()
  }

  #viewOf(vcpu: Vcpu): ExitView {
    return defined(this.#views[vcpu.index], "every vCPU has its view")
  }

  /** The present vCPU waits: the VM's time passes. An answer if nothing but the outside can go on. */
  #passBy(onWait: OnWait): VmStop | null {
    if (this.vcpus.some((vcpu) => this.#waits.couldRun(vcpu))) {
      this.#leaveWindow()
      return null
    }
    const next = this.#waits.firstDeadline()
    if (next === null) return heldAt(this.#waits.hold(), this.#place.machineSwitch)
    const units = this.#clock.unitsUntil(next - this.time())
    if (onWait === "yield" && this.#waited < units) return { kind: "waiting" }
    this.#waited = 0
    this.#clock.pass(units)
    return null
  }

  /** From the VM's clock to the timer of a vCPU that waits; null where none is set. */
  #unitsToTimer(vcpu: Vcpu): number | null {
    const deadline = vcpu.waiting ? this.#waits.deadlineOf(vcpu) : null
    return deadline === null ? null : this.#clock.unitsUntil(deadline - this.time())
  }

  #runVcpu(vcpu: Vcpu, budget: number): void {
    const { engine, machineSwitch } = this.#place
    const moment = this.#viewOf(vcpu).moment
    const isAsking = this.#place.part?.isAsking(vcpu.index) === true
    const interrupt = isAsking ? null : interruptToTake(vcpu.file, moment)
    if (interrupt !== null && this.#options.exits === "bus" && this.#options.mode === "trap")
      return this.heldExits.hold(vcpu, { kind: "interrupt", cause: interrupt, pc: machineSwitch.readPc(vcpu) })
    if (interrupt !== null) {
      const injected = inject(vcpu, { cause: interrupt, interrupt: true, value: 0n, pc: machineSwitch.readPc(vcpu) })
      if (injected.step.kind === "trap") machineSwitch.writePc(vcpu, injected.step.pc)
      this.#books.count(vcpu, { cause: injected.cause, class: "R", exited: this.#options.mode === "trap" })
    }
    const most = isAsking ? 1 : Math.min(budget, this.#windowLeft, this.#unitsToRing(vcpu) ?? Infinity)
    const cpu = vcpu.index % engine.options.cpus
    machineSwitch.enter(vcpu, cpu)
    const idle = this.#options.idleLoops === "run" ? null : this.#polls.loopOf(vcpu)
    if (interrupt !== null) idle?.disturbed()
    const { exit, served } = machineSwitch.run(
      vcpu,
      idle === null ? most : Math.min(most, idle.stretch()),
      isAsking ? { ...runViewOf(vcpu, moment, this.systemCalls), pending: () => 0n } : runViewOf(vcpu, moment, this.systemCalls),
    )
    this.#ran(vcpu, exit.retired)
    if (served !== null) this.#books.served(vcpu, served)
    if (served !== null && served.cameBack !== null) this.#cameRound(vcpu)
    if (served !== null || exit.kind !== "budget") idle?.disturbed()
    if (exit.kind !== "budget") this.#onExit(vcpu, { exit, cpu })
    else if (idle !== null && served === null && idle.ranQuietly(exit.retired, { room: most > exit.retired }))
      this.#giveWays.polls(this.#polls.look(vcpu, { cpu, most: most - exit.retired }) ? "loop" : null)
  }

  /** Units of its own time until its timer rings; null without one ahead. */
  #unitsToRing(vcpu: Vcpu): number | null {
    const deadline = this.#waits.deadlineOf(vcpu)
    if (deadline === null) return null
    const now = this.time()
    if (deadline <= now) return null
    const ahead = this.#options.turns === "scheduled" ? this.#times.lag(vcpu.index) : 0
    return ahead + this.#clock.unitsUntil(deadline - now)
  }

  /** In its kernel, with nothing to do: it leaves its window to its siblings, or its CPU to others. */
  #cameRound(vcpu: Vcpu): void {
    if (this.#options.turns === "scheduled") return this.#giveWays.polls("round")
    this.#idleRounds.cameRound(vcpu.index)
    this.#leaveWindow()
  }

  #ran(vcpu: Vcpu, retired: number): void {
    if (retired === 0) return
    vcpu.retired(retired)
    this.#place.part?.retired(vcpu.index)
    this.#account(retired)
  }

  #onExit(vcpu: Vcpu, { exit, cpu }: { readonly exit: EngineExit; readonly cpu: number }): void {
    this.#work.exit()
    const { part } = this.#place
    if (part !== undefined && exit.kind === "frame") return this.#onFrame(vcpu, exit, part)
    if (part?.isReady(vcpu, exit, this.#devices) === false) return
    if (exit.kind === "frame" && this.memory.onStore(exit.address)) return // the host's own affair: done again, and in no book
    const view = this.#viewOf(vcpu)
    const assisted = this.#options.mode === "trap" ? null : assist(this.#devices, vcpu, { exit, view })
    if (assisted === null && this.#options.exits === "bus" && this.heldExits.isFor(vcpu, exit)) return this.heldExits.hold(vcpu, exit)
    const answer = assisted ?? this.#handleExit(vcpu, exit, view)
    const exited = assisted === null && answer.cause !== LOOK_UP
    this.#books.exit(vcpu, exit, { cause: answer.cause, class: answer.class, exited })
    this.#finish(vcpu, { answer, cpu })
  }

  /** A page that another node has, or may have: the first miss of an instruction is in the books. */
  #onFrame(vcpu: Vcpu, exit: Extract<EngineExit, { kind: "frame" }>, part: VmPart): void {
    const page = defined(this.memory.pageShort(exit.address) ?? undefined, "frames of a memory that is shared have rights")
    this.#books.exit(vcpu, exit, { cause: "remote-page", class: "B", exited: true })
    part.access(vcpu.index, page, exit)
  }

  #finish(vcpu: Vcpu, { answer, cpu }: { readonly answer: Entry | Request; readonly cpu: number }): void {
    if (finishExit(this.#place.engine, cpu, answer)) this.#ran(vcpu, 1)
    if (answer.kind === "entry") return
    if (answer.wanted.kind === "wait") vcpu.waiting = true
    else if (answer.wanted.kind === "yield") this.#giveWay(answer.wanted.to)
    else this.#end ??= answer.wanted
  }

  #giveWay(to: number | null): void {
    this.#giveWays.yieldTo(to)
    if (this.#options.turns !== "scheduled") this.#leaveWindow()
  }

  /** The rest of its window passes as if the vCPU had waited. */
  #leaveWindow(): void {
    this.#clock.pass(this.#windowLeft)
    this.#windowLeft = 0
  }

  #account(retired: number): void {
    if (retired > 0) this.#waited = 0
    this.#spent += retired
    this.#instructions += retired
    this.#windowLeft -= retired
    this.#books.ledger.ran(retired)
    if (this.#options.turns === "scheduled") this.#times.run(this.#turn, retired)
    else this.#clock.pass(retired)
  }
}

/**
 * The machine without a VMM (mode `native`): engine, privileged model and devices joined into a board like QEMU's `virt`.
 *
 * Harts take turns in windows of WINDOW_INSTRUCTIONS on one thread; time passes by instructions (machine-clock.ts). The same calls
 * with the same input give the same run, however it is cut into budgets. Not here: how an image is read, what a person sees.
 */
import { assert, defined, unreachable } from "@backplane/foundation-base/assert"
import { Slot } from "@backplane/trap-csr/csr-file"
import { EBREAK, ECALL, executeSystem } from "@backplane/trap-csr/execute-system"
import { Exception } from "@backplane/trap-csr/causes"
import { interruptToTake, pendingBits } from "@backplane/trap-csr/interrupts"
import { UART } from "@backplane/trap-devices/address-map/virt-map"
import { captureOf, loadPages, stateOf, type BoardState } from "./board-capture.ts"
import { boot } from "./boot.ts"
import { Console } from "./console.ts"
import { exceptionName, interruptName } from "./exit-names.ts"
import { servedCauses, servingOf } from "./serving.ts"
import { Hart } from "./hart.ts"
import { HartWaits } from "./hart-waits.ts"
import { IdleRounds } from "./idle-rounds.ts"
import { HtifService, type HtifState } from "./htif-service.ts"
import { MachineClock } from "./machine-clock.ts"
import { SbiService } from "./sbi-service.ts"
import { stateHash } from "./state-hash.ts"
import { Wiring } from "./wiring.ts"
import type { BoardCapture } from "@backplane/compute-contract/guest-state"
import type { Engine, EngineExit } from "@backplane/compute-contract/engine"
import type { Moment } from "@backplane/trap-csr/moment"
import type { GuestMemory } from "@backplane/trap-devices/virtio-mmio/guest-memory"
import type { TurnOrder } from "./turn-order.ts"
import type { BoardEnd, BoardOptions, BoardStop, BootImage } from "./board-types.ts"

/** A hart's turn: long enough that switching costs nothing, short enough that a spinning hart starves nobody. */
export const WINDOW_INSTRUCTIONS = 20_000
const PMP_CSR_FIRST = 0x3a0
const PMP_CSR_LAST = 0x3ef

export class Board {
  readonly engine: Engine
  readonly harts: readonly Hart[]
  readonly console: Console
  readonly #clock: MachineClock
  readonly #wiring: Wiring
  readonly #sbi: SbiService | null
  readonly #htif: HtifService | null
  readonly #exits = new Map<string, number>()
  /** One per hart. */
  readonly #moments: readonly Moment[]
  readonly #waits: HartWaits<Hart>
  /** Whose window it is, and how much of it is left. */
  #turn = 0
  #windowLeft = WINDOW_INSTRUCTIONS
  readonly #windowInstructions: number
  readonly #order: TurnOrder | null
  /** Null: harts that go round have their windows like any other. */
  readonly #idleRounds: IdleRounds | null
  /** Instructions of the run under way. */
  #spent = 0
  #instructions = 0
  readonly #start: BootImage["start"]
  readonly #virtioDevices: number
  #end: BoardEnd | null = null
  /** The guest has touched the UART: only then does input go there. */
  #uartUsed = false

  /** On an engine that nobody used before: boots an image, or goes on where a capture was made. */
  constructor(
    engine: Engine,
    from: BootImage | BoardCapture,
    { disks = [], softwareTlb = false, served = "inside", ...options }: BoardOptions = {},
  ) {
    const state = "pages" in from ? stateOf(from) : null
    const { cpus } = engine.options
    this.engine = engine
    this.console = new Console(state?.console)
    this.#order = options.order ?? null
    this.#windowInstructions = options.order?.windowInstructions ?? WINDOW_INSTRUCTIONS
    this.#windowLeft = this.#windowInstructions
    this.#clock = new MachineClock(cpus, state?.passed)
    const clock = (): bigint => this.#clock.ticks()
    this.#virtioDevices = disks.length + Object.keys(options.virtio ?? {}).length
    this.#wiring = new Wiring({
      ...options,
      harts: cpus,
      clock,
      console: this.console,
      memory: memoryOf(engine),
      disks,
      ...(state && { devices: state.devices }),
    })
    const givesWay = options.idleRounds === "give-way" && cpus > 1
    assert(!givesWay || options.order === undefined, "turns go by an order, or harts give way")
    this.#idleRounds = givesWay ? new IdleRounds(cpus) : null
    const serving = served === "outside" ? null : servingOf(from.start, givesWay ? "told" : "none")
    this.harts = Array.from({ length: cpus }, (_, index) => new Hart(engine, { index, softwareTlb, serving }))
    this.#moments = this.harts.map((hart) => this.#momentOf(hart.index))
    this.#waits = new HartWaits({
      harts: this.harts,
      moment: (hart) => this.#moment(hart),
      lines: (index) => this.#wiring.lines(index),
      timer: (index) => this.#wiring.clint.deadline(index),
    })
    if ("pages" in from) loadPages(engine, from)
    else boot(engine, from, { ...options, harts: this.harts, memoryBytes: engine.options.memoryBytes })
    this.#start = from.start
    this.#sbi = from.start === "supervisor" ? new SbiService(engine, this.harts, this.console) : null
    const htif = "pages" in from ? state?.htif : htifOf(from)
    this.#htif = htif ? new HtifService(engine, this.console, htif) : null
    if (state !== null) this.#goOn(state)
  }

  #goOn(state: BoardState): void {
    assert(state.harts.length === this.harts.length, "a capture goes on with as many harts as it had")
    assert(state.turn < this.harts.length, "the turn is a hart's")
    for (const [index, hart] of state.harts.entries()) this.harts[index]?.restore(hart)
    for (const [name, count] of state.exits) this.#exits.set(name, count)
    this.#turn = state.turn
    this.#windowLeft = state.windowLeft
    this.#instructions = state.instructions
    this.#uartUsed = state.uartUsed
  }

  /** All that the machine is now, as plain data. Of a board that has ended too, but there is nothing to go on with. */
  capture(): BoardCapture {
    assert(this.#idleRounds === null, "a board whose harts give way is not captured: who passes windows by would be lost")
    assert(this.#order === null, "a board whose turns go by another clock is not captured: that clock would be lost")
    assert(this.#virtioDevices === 0, "a board with virtio devices is not captured: what they have under way would be lost")
    assert(
      this.harts.every((hart) => hart.file.tlb === null),
      "a board with a software TLB is not captured: its record has no room for it",
    )
    return captureOf(this.engine, this.#state())
  }

  /** Equal for equal machines: see state-hash.ts. */
  hash(): string {
    return stateHash(this.engine, this.#state())
  }

  #state(): BoardState {
    for (const hart of this.harts) this.#waits.readLines(hart)
    return {
      start: this.#start,
      htif: this.#htif?.capture() ?? null,
      harts: this.harts.map((hart) => hart.capture()),
      devices: this.#wiring.capture(),
      uartUsed: this.#uartUsed,
      console: this.console.capture(),
      passed: this.#clock.passed(),
      turn: this.#turn,
      windowLeft: this.#windowLeft,
      instructions: this.#instructions,
      exits: [...this.exits()],
    }
  }

  /** Runs until `budgetInstructions` more have retired on all harts together, or something ends or holds up the machine. */
  run(budgetInstructions: number): BoardStop {
    assert(Number.isSafeInteger(budgetInstructions) && budgetInstructions >= 1, "a budget is at least one instruction")
    this.#spent = 0
    while (this.#end === null && this.#spent < budgetInstructions) {
      while (this.#windowLeft === 0) this.#nextTurn()
      const hart = this.current()
      this.#deliverInput()
      this.#waits.readLines(hart)
      if (this.#waits.ready(hart)) this.#runHart(hart, budgetInstructions - this.#spent)
      else {
        const held = this.#passBy()
        if (held !== null) return held
      }
    }
    return this.#end ?? { kind: "budget" }
  }

  /** The hart whose instruction comes next, unless it waits. */
  current(): Hart {
    return defined(this.harts[this.#turn], "the turn is a hart's")
  }

  /** Retired by all harts since boot. */
  instructions(): number {
    return this.#instructions
  }

  /** `mtime` now. */
  time(): bigint {
    return this.#wiring.clint.time()
  }

  /** Units of the machine clock since boot: instructions, and what the harts waited. */
  passed(): number {
    return this.#clock.passed()
  }

  /** How often each cause left the engine, or would have if its CPUs did not serve themselves; by name. */
  exits(): ReadonlyMap<string, number> {
    return new Map([...this.#exits].toSorted(([left], [right]) => (left < right ? -1 : 1)))
  }

  #nextTurn(): void {
    this.#windowLeft = this.#windowInstructions
    const ready = this.#order === null ? [] : this.harts.map((hart) => this.#waits.couldRun(hart))
    const chosen = ready.includes(true) ? this.#order?.next(this.#turn, ready) : undefined
    this.#turn = chosen ?? (this.#turn + 1) % this.harts.length
    if (this.#idleRounds === null) return
    const hart = this.current()
    this.#waits.readLines(hart)
    if (this.#idleRounds.passes(hart.index, () => interruptToTake(hart.file, this.#moment(hart)) !== null)) this.#leaveWindow()
  }

  /** The rest of it passes as if the hart had waited. */
  #leaveWindow(): void {
    this.#clock.pass(this.#windowLeft)
    this.#windowLeft = 0
  }

  /** Read when it is asked: most instructions look neither at the count nor at the clock, and both are costly 64-bit numbers. */
  #momentOf(cpu: number): Moment {
    const instret = (): bigint => this.engine.readInstret(cpu)
    const time = (): bigint => this.time()
    return {
      get instret() {
        return instret()
      },
      get time() {
        return time()
      },
    }
  }

  #moment(hart: Hart): Moment {
    return defined(this.#moments[hart.index], "every hart has its moment")
  }

  /** The present hart waits: time passes. An answer if nothing but the outside can go on. */
  #passBy(): BoardStop | null {
    const others = this.harts.some((hart) => this.#waits.couldRun(hart))
    if (others) {
      this.#leaveWindow()
      return null
    }
    const next = this.#waits.firstDeadline()
    if (next === null) return this.#hold()
    // Nobody runs before the first timer rings: go there at once.
    this.#clock.pass(this.#clock.unitsUntil(next - this.time()))
    return null
  }

  #hold(): BoardStop {
    const held = this.#waits.hold()
    if (held.kind === "idle") return held
    const { hart } = held
    if (hart === null) return { kind: "stuck", detail: "every hart is stopped" }
    const where = `hart ${hart.index} at 0x${this.engine.readPc(hart.index).toString(16)}, cause ${hart.file.get(Slot.mcause)}`
    return { kind: "stuck", detail: `the trap handler itself traps: ${where}` }
  }

  #runHart(hart: Hart, budget: number): void {
    const moment = this.#moment(hart)
    const interrupt = interruptToTake(hart.file, moment)
    if (interrupt !== null) {
      this.#count(interruptName(interrupt))
      hart.trap({ cause: interrupt, interrupt: true, value: 0n, pc: this.engine.readPc(hart.index) })
    }
    const deadline = hart.deadline(this.#wiring.clint.deadline(hart.index))
    const untilTimer = deadline !== null && deadline > moment.time ? this.#clock.unitsUntil(deadline - moment.time) : Infinity
    const { exit, served } = hart.run(Math.min(budget, this.#windowLeft, untilTimer), () => pendingBits(hart.file, moment))
    this.#account(exit.retired)
    if (served !== null) for (const [cause, count] of servedCauses(served)) this.#count(cause, count)
    if (served !== null && served.cameBack !== null) {
      this.#idleRounds?.cameRound(hart.index)
      this.#leaveWindow()
    }
    this.#handle(hart, exit)
  }

  #account(retired: number): void {
    this.#spent += retired
    this.#instructions += retired
    this.#windowLeft -= retired
    this.#clock.pass(retired)
  }

  /** The host completed the instruction of an exit: it counts like any other. */
  #completed(hart: Hart): void {
    hart.retired()
    this.#account(1)
  }

  #handle(hart: Hart, exit: EngineExit): void {
    switch (exit.kind) {
      case "budget":
        return
      case "exception":
        return this.#exception(hart, { cause: exit.cause, value: exit.value, pc: exit.pc })
      case "system":
        return this.#onSystem(hart, exit)
      case "io-load":
        return this.#onLoad(hart, exit)
      case "io-store":
        return this.#onStore(hart, exit)
      case "watch":
        this.#count("watch")
        this.#end ??= this.#htif?.look() ?? null
        return
      case "tlb-miss":
        return this.#onTlbMiss(hart, exit)
      case "stage-miss":
        assert(false, "the native machine has no second stage")
        return
      case "frame":
        assert(false, "the native machine has all rights to its frames")
        return
      default:
        unreachable(exit)
    }
  }

  /** What the TLB holds and the engine had only lost sight of is no trap. */
  #onTlbMiss(hart: Hart, { virtualAddress, access, pc }: Extract<EngineExit, { kind: "tlb-miss" }>): void {
    const cause = hart.refill(virtualAddress, access)
    if (cause !== null) this.#exception(hart, { cause, value: virtualAddress, pc })
  }

  #exception(hart: Hart, { cause, value, pc }: { readonly cause: number; readonly value: bigint; readonly pc: bigint }): void {
    this.#count(exceptionName(cause))
    hart.trap({ cause, interrupt: false, value, pc })
  }

  #onSystem(hart: Hart, exit: Extract<EngineExit, { kind: "system" }>): void {
    const cpu = hart.index
    // The one 16-bit form is c.ebreak.
    const word = exit.length === 2 ? EBREAK : exit.instruction
    if (word === ECALL && this.#sbi !== null && hart.file.get(Slot.privilege) === 1n) {
      this.#count("sbi")
      this.#end ??= this.#sbi.call(hart)
      return this.#completed(hart)
    }
    const rs1 = this.engine.readRegister(cpu, (word >>> 15) & 31)
    const rs2 = this.engine.readRegister(cpu, (word >>> 20) & 31)
    this.#waits.readLines(hart) // as they are at this very instruction: `mip` must not depend on where the run was cut
    const outcome = executeSystem(hart.file, { word, pc: exit.pc, rs1, rs2 }, this.#moment(hart))
    switch (outcome.kind) {
      case "exception":
        return this.#exception(hart, { ...outcome, pc: exit.pc })
      case "next":
        this.#count("csr")
        this.engine.completeSystem(cpu, outcome.value ?? undefined)
        if (outcome.affects === "translation" || outcome.affects === "both") this.#translationWritten(hart, word >>> 20)
        if (outcome.affects === "tlb") hart.refreshTlb()
        break
      case "return":
        this.#count("return")
        this.engine.completeJump(cpu, outcome.pc)
        hart.returned()
        hart.refreshTranslation()
        break
      case "wait":
        this.#count("wait")
        this.engine.completeSystem(cpu)
        hart.waiting = true
        break
      case "fence":
        this.#count("fence")
        hart.fence(outcome.scope.address)
        hart.refreshTlb()
        this.engine.completeSystem(cpu)
        break
      default:
        unreachable(outcome)
    }
    this.#completed(hart)
  }

  #translationWritten(hart: Hart, csr: number): void {
    if (csr >= PMP_CSR_FIRST && csr <= PMP_CSR_LAST) hart.refreshProtection()
    hart.refreshTranslation()
  }

  #onLoad(hart: Hart, { address, width, virtualAddress, pc }: Extract<EngineExit, { kind: "io-load" }>): void {
    const answer = this.#wiring.map.load(address, width)
    if (answer.kind === "absent") return this.#exception(hart, { cause: Exception.loadAccess, value: virtualAddress, pc })
    this.#count("io-load")
    this.#uartUsed ||= isUart(address)
    this.engine.completeLoad(hart.index, answer.value)
    this.#completed(hart)
  }

  #onStore(hart: Hart, { address, width, value, virtualAddress, pc }: Extract<EngineExit, { kind: "io-store" }>): void {
    if (this.#wiring.map.store(address, width, value).kind === "absent") {
      return this.#exception(hart, { cause: Exception.storeAccess, value: virtualAddress, pc })
    }
    this.#count("io-store")
    this.#uartUsed ||= isUart(address)
    this.engine.completeStore(hart.index)
    this.#completed(hart)
    const finish = this.#wiring.finisher.finish()
    if (finish === null) return
    this.#end ??= { kind: "end", reason: finish.kind === "reset" ? "reset" : "finisher", code: finish.kind === "fail" ? finish.code : 0 }
  }

  /** Console input goes to the UART as it has room, or answers a read of HTIF. */
  #deliverInput(): void {
    if (this.console.waitingBytes === 0) return
    this.#htif?.answerRead()
    this.#wiring.deliverInput({ uartUsed: this.#uartUsed })
  }

  #count(name: string, times = 1): void {
    this.#exits.set(name, (this.#exits.get(name) ?? 0) + times)
  }
}

function htifOf({ symbols }: BootImage): HtifState | null {
  const tohost = symbols.get("tohost")
  return tohost === undefined ? null : { tohost, fromhost: symbols.get("fromhost"), reading: false }
}

function isUart(address: bigint): boolean {
  return address >= UART.base && address < UART.base + BigInt(UART.bytes)
}

function memoryOf(engine: Engine): GuestMemory {
  return {
    read: (address, bytes) => (engine.isMemory(address, bytes) ? engine.readMemory(address, bytes) : null),
    write(address, data) {
      if (!engine.isMemory(address, data.length)) return false
      engine.writeMemory(address, data)
      return true
    },
  }
}

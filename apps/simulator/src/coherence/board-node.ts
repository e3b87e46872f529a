/**
 * One guest whose harts lie on several nodes: each node runs its harts on an engine of its own, memory is shared by pages under the coherence
 * protocol, and the devices are at node 0 (board-devices.ts). Without a VMM: what the native board (trap/board) is on one node.
 *
 * An access to a device at another node, and an SBI call, is a message to node 0 and waits for the answer (class B); interrupt lines are told
 * as levels when they change. Time is the world's: the same on all nodes. A page that has come is kept for a moment (`PageHolds`), a hart that
 * only polls rests (hart-rests.ts), an AMO on a page that is taken again and again goes to the page (`farOperations`).
 * Not here: loss of the messages between these nodes (linked-node.ts), remote fences.
 */
import { send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert, defined, unreachable } from "@backplane/foundation-base/assert"
import { PAGE_BYTES, type EngineExit } from "@backplane/compute-contract/engine"
import type { AgentCounts } from "@backplane/memory-agent/agent-options"
import { PageAgent } from "@backplane/memory-agent/page-agent"
import { PageHolds, whileCpusGoOn } from "@backplane/memory-agent/page-holds"
import { gathered } from "@backplane/memory-agent/page-runs"
import { amoOf, isLoadReserved, operationOf } from "@backplane/memory-agent/operation"
import { MEMORY_CONTROLLER, nodeActor } from "@backplane/scenario-machine/topology"
import { boot } from "@backplane/trap-board/boot"
import { Console } from "@backplane/trap-board/console"
import { Hart } from "@backplane/trap-board/hart"
import { servingOf } from "@backplane/trap-board/serving"
import { Exception, SSIP } from "@backplane/trap-csr/causes"
import { Slot } from "@backplane/trap-csr/csr-file"
import { EBREAK, ECALL, executeSystem } from "@backplane/trap-csr/execute-system"
import { interruptToTake, pendingBits, wakes } from "@backplane/trap-csr/interrupts"
import type { Moment } from "@backplane/trap-csr/moment"
import type { HartState } from "@backplane/trap-sbi/sbi-numbers"
import { BoardDevices } from "./board-devices.ts"
import { addressOf, pageOf } from "./guest-pages.ts"
import { HartRests } from "./hart-rests.ts"
import type { BoardMessage, BoardNodeConfig, Hears, Out, Says, SharedEnd } from "./board-messages.ts"

/** Cycles of one tick of the 10 MHz timebase: one instruction a cycle at 1 GHz. */
const CYCLES_PER_TICK = 100
const QUANTUM_INSTRUCTIONS = 5_000
/** A kernel goes through all its memory when it starts. */
const WALK_PAGES = 64
/** Instructions of one round of a spin lock, at most. */
const ROUND_MAX = 48
const DEVICES = 0
const USER = 0n
const TURN = "turn"
const A0 = 10
const A7 = 17
const EXTENSION_TIME = 0x54494d45n
const NOTHING_PENDING = 0n

type Blocked =
  /** Waits for a page; with `resultTo`, for an AMO done where the page lies, whose result goes to that register. */
  { readonly kind: "page"; readonly page: number; readonly resultTo: number | null } | { readonly kind: "answer" } | null

export class BoardNodeMachine implements Machine<Hears, Says> {
  readonly agent: PageAgent
  readonly harts: readonly Hart[]
  readonly console = new Console()
  end: SharedEnd | null = null
  /** Retired by the harts of this node. */
  instructions = 0
  readonly #config: BoardNodeConfig
  readonly #devices: BoardDevices | null
  readonly #local: readonly number[]
  readonly #moments: readonly Moment[]
  readonly #blocked: Blocked[]
  readonly #brought: Set<number>[]
  readonly #holds: PageHolds
  readonly #rests: HartRests
  readonly #states: HartState[]
  /** Lines of the harts of this node, as node 0 last told. */
  readonly #lines: bigint[]
  #cycles = 0
  #turnAt = -1
  #next = 0

  constructor(config: BoardNodeConfig) {
    const { engine, node, image } = config
    this.#config = config
    const total = engine.options.cpus
    const serving = { ...servingOf(image.start), rounds: config.restCycles > 0 ? ("told" as const) : ("none" as const) }
    this.harts = Array.from({ length: total }, (_, index) => new Hart(engine, { index, serving }))
    this.#local = this.harts.map(({ index }) => index).filter((hart) => config.nodeOfHart(hart) === node)
    this.#moments = this.harts.map(({ index }) => this.#momentOf(index))
    this.#blocked = new Array<Blocked>(total).fill(null)
    this.#brought = this.harts.map(() => new Set<number>())
    this.#lines = new Array<bigint>(total).fill(NOTHING_PENDING)
    this.#holds = new PageHolds(whileCpusGoOn(config.holdCycles))
    this.#rests = new HartRests(total, { restCycles: config.restCycles, backOffCycles: config.holdCycles })
    boot(engine, image, { harts: this.harts, memoryBytes: engine.options.memoryBytes })
    this.#states = this.harts.map(({ state }) => state)
    for (let page = 0; page < engine.options.memoryBytes / PAGE_BYTES; page++) engine.setFrameRights(addressOf(page), "none")
    this.agent = this.#newAgent()
    this.#devices = node === DEVICES ? this.#newDevices() : null
  }

  #newAgent(): PageAgent {
    const { engine, node, nodes, retryCycles, pinCycles } = this.#config
    return new PageAgent({
      space: "guest",
      node,
      nodes,
      memory: {
        read: (page) => engine.readMemory(addressOf(page), PAGE_BYTES),
        write: (page, bytes) => {
          engine.writeMemory(addressOf(page), bytes)
        },
        setRights: (page, rights) => {
          engine.setFrameRights(addressOf(page), rights)
          if (rights === "none") this.#rests.left(this.#cycles)
        },
      },
      homeOf: () => MEMORY_CONTROLLER,
      nodeActor,
      retryCycles,
      pinCycles,
      walkPages: { ahead: WALK_PAGES, pages: engine.options.memoryBytes / PAGE_BYTES, when: "at-once" },
      onChange: (page) => {
        this.#wake(page)
      },
      onResult: (page, value) => {
        this.#completeOperation(page, value)
      },
      onRefused: () => {
        this.peerLost()
      },
    })
  }

  #newDevices(): BoardDevices {
    return new BoardDevices({
      config: this.#config,
      console: this.console,
      states: this.#states,
      ticks: () => this.#ticks(),
      access: (now, page, out) => this.agent.access(now, { page, write: true }, out),
      used: (now, pages, out) => {
        this.agent.retired(now, pages, out)
        this.#rests.written(null)
      },
      begin: (hart, from) => {
        this.#hart(hart).begin(from)
      },
      setSoftware: (hart, pending) => {
        this.#setSoftware(hart, pending)
      },
      end: (end) => {
        this.end ??= end
      },
    })
  }

  counts(): AgentCounts {
    return this.agent.counts()
  }

  peerLost(): void {
    this.end ??= { kind: "end", reason: "lost", code: 1 }
  }

  start(now: VirtualTime): readonly Effect<Says>[] {
    const out: Out = []
    this.#setTurn(now, now + 1, out)
    return out
  }

  step(now: VirtualTime, input: Input<Hears>): readonly Effect<Says>[] {
    const out: Out = []
    this.#cycles = Math.max(this.#cycles, now)
    if (input.kind === "message") this.#onMessage(now, input.from, input.body, out)
    else if (input.kind === "timer" && input.key === TURN) {
      this.#turnAt = -1
      this.#turn(now, out)
    } else if (input.kind === "timer") this.agent.onTimer(now, out)
    if (this.#devices?.goOn(now, out) === true) this.#rests.written(null)
    this.#devices?.tellLines(out)
    this.#letGo(now, out)
    this.#planTurn(now, out)
    return gathered(out, (to) => this.agent.runs.of(to))
  }

  #onMessage(now: VirtualTime, from: ActorId, body: Hears, out: Out): void {
    switch (body.kind) {
      case "MemoryUp": {
        const { incarnation: memoryIncarnation } = body
        return void out.push(send(from, { kind: "LeaseReport", node: this.#config.node, incarnation: 1, memoryIncarnation, leases: [] }))
      }
      case "IoAsk":
        return this.#devices?.io(body, (answer, to) => void to.push(send(from, answer)), out)
      case "IoAnswer":
        return this.#onIoAnswer(body)
      case "HartLines":
        this.#lines[body.hart] = body.lines
        return
      case "SbiAsk":
        return this.#devices?.sbi(body, (answer, to) => void to.push(send(from, answer)), out)
      case "SbiAnswered":
        return this.#onSbiAnswered(body)
      case "HartBegin":
        return this.#hart(body.hart).begin(body)
      case "HartSoftware":
        return this.#setSoftware(body.hart, body.pending)
      case "ConsoleTyped":
      case "StillThere":
        return
      default:
        return this.agent.hearAny(now, from, body, out)
    }
  }

  #hart(index: number): Hart {
    return defined(this.harts[index], "the hart exists")
  }

  #ticks(): bigint {
    return BigInt(Math.floor(this.#cycles / CYCLES_PER_TICK))
  }

  /** Read when it is asked: most runs look neither at the count nor at the clock. */
  #momentOf(hart: number): Moment {
    const instret = (): bigint => this.#config.engine.readInstret(hart)
    const time = (): bigint => this.#ticks()
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
    return defined(this.#moments[hart.index], "the hart exists")
  }

  #readLines(hart: Hart): void {
    hart.file.set(Slot.lines, this.#devices?.lines(hart.index) ?? this.#lines[hart.index] ?? NOTHING_PENDING)
  }

  #ready(index: number): boolean {
    const hart = this.#hart(index)
    if (this.#blocked[index] !== null || hart.state === "stopped" || hart.stuck()) return false
    this.#readLines(hart)
    const interrupted = (): boolean => interruptToTake(hart.file, this.#moment(hart)) !== null
    if (this.#rests.rests(index, { now: this.#cycles, interrupted })) return false
    if (!hart.waiting) return true
    if (!wakes(hart.file, this.#moment(hart))) return false
    hart.waiting = false
    return true
  }

  #planTurn(now: VirtualTime, out: Out): void {
    if (this.end !== null) return
    if (this.#local.some((hart) => this.#ready(hart))) return this.#setTurn(now, Math.max(now + 1, this.#cycles), out)
    const moments = this.#local.flatMap((index) => {
      if (this.#blocked[index] !== null) return []
      const deadline = this.#hart(index).deadline(NEVER)
      const rest = this.#rests.until(index)
      // A timer that has rung and is masked (a lock is waited for) says nothing about when to look again.
      const rings = deadline === null || deadline >= NEVER || deadline <= this.#ticks() ? [] : [Number(deadline) * CYCLES_PER_TICK]
      return rest === null ? rings : [...rings, rest]
    })
    const timerRings = this.#devices?.timer(this.#ticks()) ?? null
    if (timerRings !== null) moments.push(Number(timerRings) * CYCLES_PER_TICK)
    if (moments.length > 0) this.#setTurn(now, Math.max(now + 1, Math.min(...moments)), out)
  }

  #setTurn(now: VirtualTime, at: number, out: Out): void {
    if (this.#turnAt >= now && this.#turnAt <= at) return
    this.#turnAt = at
    out.push(timer(TURN, virtualTime(at)))
  }

  /** The next hart that can go on, for a quantum. */
  #turn(now: VirtualTime, out: Out): void {
    for (let tried = 0; tried < this.#local.length; tried++) {
      const index = this.#local[(this.#next + tried) % this.#local.length] ?? 0
      if (!this.#ready(index)) continue
      this.#next = (this.#next + tried + 1) % this.#local.length
      return this.#runHart(now, this.#hart(index), out)
    }
  }

  #runHart(now: VirtualTime, hart: Hart, out: Out): void {
    const { engine } = this.#config
    const { index, file } = hart
    const moment = this.#moment(hart)
    let rested = false
    let left = QUANTUM_INSTRUCTIONS
    while (left > 0 && !rested && this.#blocked[index] === null && !hart.waiting && this.end === null) {
      this.#readLines(hart)
      const interrupt = interruptToTake(file, moment)
      if (interrupt !== null) hart.trap({ cause: interrupt, interrupt: true, value: 0n, pc: engine.readPc(index) })
      const deadline = hart.deadline(NEVER)
      const until = deadline !== null && deadline > moment.time ? Number(deadline - moment.time) * CYCLES_PER_TICK : left
      const { exit, served } = hart.run(Math.max(1, Math.min(left, until)), () => pendingBits(file, moment))
      left -= Math.max(1, exit.retired)
      this.#retired(hart, exit.retired)
      this.#handle(now, hart, exit, out)
      if (served !== null && served.cameBack !== null) {
        this.#rests.cameBack(index, this.#cycles)
        rested = true
      }
    }
    if (left < QUANTUM_INSTRUCTIONS) this.#rests.written(index)
    if (!rested && left <= 0 && this.#blocked[index] === null && !hart.waiting) this.#lookForRound(now, hart, out)
  }

  /** It has run for a quantum: does it only poll? Locks are waited for in kernels. */
  #lookForRound(now: VirtualTime, hart: Hart, out: Out): void {
    if (hart.file.get(Slot.privilege) === USER || !this.#rests.isTimeToLook(hart.index)) return
    const { steps, round, exit } = this.#config.engine.findRound(hart.index, ROUND_MAX)
    this.#retired(hart, steps)
    this.#rests.looked(hart.index, round !== null, this.#cycles)
    if (exit !== null) this.#handle(now, hart, exit, out)
  }

  #retired(hart: Hart, count: number): void {
    this.#cycles += count
    this.instructions += count
    if (count === 0) return
    const brought = defined(this.#brought[hart.index], "the hart exists")
    if (brought.size === 0 || this.#config.engine.readReservation(hart.index) !== null) return
    this.#holds.hold(brought, this.#cycles)
    brought.clear()
  }

  /** The host completed the instruction of an exit: it counts like any other. */
  #completed(hart: Hart): void {
    hart.retired()
    this.#retired(hart, 1)
  }

  #letGo(now: VirtualTime, out: Out): void {
    const pages = this.#holds.due(this.#cycles, {
      goOn: this.#local.some((hart) => this.#ready(hart)),
      wait: this.#local.some((hart) => this.#blocked[hart]?.kind === "page"),
    })
    if (pages.length > 0) this.agent.retired(now, pages, out)
  }

  #handle(now: VirtualTime, hart: Hart, exit: EngineExit, out: Out): void {
    switch (exit.kind) {
      case "budget":
        return
      case "frame":
        return this.#onFrame(now, hart, exit, out)
      case "exception":
        return hart.trap({ cause: exit.cause, interrupt: false, value: exit.value, pc: exit.pc })
      case "system":
        return this.#onSystem(hart, exit, out)
      case "io-load":
      case "io-store": {
        const { address, width } = exit
        const ask: BoardMessage = { kind: "IoAsk", hart: hart.index, address, width, value: exit.kind === "io-store" ? exit.value : null }
        this.#blocked[hart.index] = { kind: "answer" }
        if (this.#devices === null) return void out.push(send(nodeActor(DEVICES), ask))
        return this.#devices.io(ask, (answer) => this.#onIoAnswer(answer), out)
      }
      case "watch":
      case "tlb-miss":
      case "stage-miss":
        assert(false, `nobody asked for ${exit.kind}`)
        return
      default:
        unreachable(exit)
    }
  }

  #onFrame(now: VirtualTime, hart: Hart, exit: Extract<EngineExit, { kind: "frame" }>, out: Out): void {
    const { engine, farOperations } = this.#config
    const page = pageOf(exit.address)
    // A load-reserved is the first half of a store: the page comes as it will be needed, and stays until the SC.
    const write = exit.write || (exit.access === "load" && isLoadReserved(exit.instruction))
    const operation = farOperations ? operationOf(exit, (register) => engine.readRegister(hart.index, register)) : null
    defined(this.#brought[hart.index], "the hart exists").add(page)
    this.#rests.disturbed(hart.index)
    // Set before: where home and frame are here, the answer may come at once.
    this.#blocked[hart.index] = { kind: "page", page, resultTo: null }
    if (this.agent.access(now, { page, write, operation }, out)) this.#blocked[hart.index] = null
    else if (operation !== null && this.agent.inspect(page).state === "IO_D" && !this.#isOperating(page))
      this.#blocked[hart.index] = { kind: "page", page, resultTo: amoOf(exit.instruction)?.rd ?? 0 }
  }

  #isOperating(page: number): boolean {
    return this.#blocked.some((blocked) => blocked?.kind === "page" && blocked.page === page && blocked.resultTo !== null)
  }

  #wake(page: number): void {
    this.#blocked.forEach((blocked, hart) => {
      if (blocked?.kind === "page" && blocked.page === page) this.#blocked[hart] = null
    })
  }

  /** The AMO was done where the page lies: this hart goes on behind it. */
  #completeOperation(page: number, value: bigint): void {
    const index = this.#blocked.findIndex((blocked) => blocked?.kind === "page" && blocked.page === page && blocked.resultTo !== null)
    const blocked = this.#blocked[index]
    assert(blocked?.kind === "page" && blocked.resultTo !== null, "a hart waits for the operation")
    const { engine } = this.#config
    engine.writeRegister(index, blocked.resultTo, value)
    engine.writePc(index, engine.readPc(index) + 4n)
    engine.writeInstret(index, engine.readInstret(index) + 1n)
    defined(this.#brought[index], "the hart exists").delete(page)
    this.#completed(this.#hart(index))
    this.#wake(page)
  }

  #onSystem(hart: Hart, exit: Extract<EngineExit, { kind: "system" }>, out: Out): void {
    const { engine, image } = this.#config
    const cpu = hart.index
    const word = exit.length === 2 ? EBREAK : exit.instruction
    if (word === ECALL && image.start === "supervisor" && hart.file.get(Slot.privilege) === 1n) return this.#onSbi(hart, out)
    const rs1 = engine.readRegister(cpu, (word >>> 15) & 31)
    const rs2 = engine.readRegister(cpu, (word >>> 20) & 31)
    const outcome = executeSystem(hart.file, { word, pc: exit.pc, rs1, rs2 }, this.#moment(hart))
    switch (outcome.kind) {
      case "exception":
        return hart.trap({ cause: outcome.cause, interrupt: false, value: outcome.value, pc: exit.pc })
      case "next":
        engine.completeSystem(cpu, outcome.value ?? undefined)
        if (outcome.affects === "translation" || outcome.affects === "both") {
          hart.refreshProtection()
          hart.refreshTranslation()
        }
        break
      case "return":
        engine.completeJump(cpu, outcome.pc)
        hart.returned()
        hart.refreshTranslation()
        break
      case "wait":
        engine.completeSystem(cpu)
        hart.waiting = true
        break
      case "fence":
        hart.fence(outcome.scope.address)
        engine.completeSystem(cpu)
        break
      default:
        unreachable(outcome)
    }
    this.#completed(hart)
  }

  #onIoAnswer({ hart: index, value, absent }: Extract<BoardMessage, { kind: "IoAnswer" }>): void {
    const { engine } = this.#config
    const hart = this.#hart(index)
    this.#blocked[index] = null
    const pc = engine.readPc(index)
    if (absent) return hart.trap({ cause: value === null ? Exception.storeAccess : Exception.loadAccess, interrupt: false, value: 0n, pc })
    if (value === null) engine.completeStore(index)
    else engine.completeLoad(index, value)
    this.#completed(hart)
  }

  #onSbi(hart: Hart, out: Out): void {
    const { engine } = this.#config
    const registers = Array.from({ length: A7 - A0 + 1 }, (_, index) => engine.readRegister(hart.index, A0 + index))
    // The timer is the hart's own; everything else is a matter of all harts or of a device.
    if (registers[A7 - A0] === EXTENSION_TIME || registers[A7 - A0] === 0n) {
      hart.file.set(Slot.stimecmp, registers[0] ?? NEVER)
      return this.#onSbiAnswered({ kind: "SbiAnswered", hart: hart.index, error: 0n, value: 0n })
    }
    this.#blocked[hart.index] = { kind: "answer" }
    const ask: BoardMessage = { kind: "SbiAsk", hart: hart.index, registers }
    if (this.#devices === null) return void out.push(send(nodeActor(DEVICES), ask))
    this.#devices.sbi(ask, (answer) => this.#onSbiAnswered(answer), out)
  }

  #onSbiAnswered({ hart: index, error, value }: Extract<BoardMessage, { kind: "SbiAnswered" }>): void {
    const { engine } = this.#config
    this.#blocked[index] = null
    engine.writeRegister(index, A0, error)
    if (value !== null) engine.writeRegister(index, A0 + 1, value)
    engine.completeSystem(index)
    this.#completed(this.#hart(index))
  }

  #setSoftware(index: number, pending: boolean): void {
    const { file } = this.#hart(index)
    const bits = file.get(Slot.mipSoftware)
    file.set(Slot.mipSoftware, pending ? bits | SSIP : bits & ~SSIP)
  }
}

/** `mtimecmp` and `stimecmp` after reset. */
const NEVER = 2n ** 64n - 1n

/**
 * One guest whose harts lie on several nodes: each node runs its harts on an engine of its own, memory is shared by pages under the coherence
 * protocol, and the devices are at node 0. In simulation, without a VMM: what the native board (trap/board) is on one node.
 *
 * An access to a device at another node, and an SBI call, is a message to node 0 and waits for the answer (class B); interrupt lines are told
 * as levels when they change. A device that reads or writes the guest's memory first gets the pages it needs, as a hart would. Time is the
 * world's: the same on all nodes. Not here: loss of the messages between these nodes (linked-node.ts), remote fences.
 */
import { send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert, defined, unreachable } from "@backplane/foundation-base/assert"
import { PAGE_BYTES, RAM_BASE, type EngineExit } from "@backplane/compute-contract/engine"
import type { AgentCounts } from "@backplane/memory-agent/agent-options"
import { PageAgent } from "@backplane/memory-agent/page-agent"
import { isLoadReserved } from "@backplane/memory-agent/operation"
import { MEMORY_CONTROLLER, nodeActor } from "@backplane/scenario-machine/topology"
import { boot } from "@backplane/trap-board/boot"
import { Console } from "@backplane/trap-board/console"
import { Hart } from "@backplane/trap-board/hart"
import { Wiring } from "@backplane/trap-board/wiring"
import { Exception, SSIP } from "@backplane/trap-csr/causes"
import { Slot } from "@backplane/trap-csr/csr-file"
import { EBREAK, ECALL, executeSystem } from "@backplane/trap-csr/execute-system"
import { interruptToTake, wakes } from "@backplane/trap-csr/interrupts"
import type { Moment } from "@backplane/trap-csr/moment"
import { callSbi } from "@backplane/trap-sbi/sbi"
import type { SbiAnswer, SbiEffect } from "@backplane/trap-sbi/sbi-types"
import type { HartState } from "@backplane/trap-sbi/sbi-numbers"
import { DmaPages } from "./dma-pages.ts"
import { addressOf, guestMemory, pageOf, pagesOf } from "./guest-pages.ts"
import type { BoardMessage, BoardNodeConfig, Hears, Out, Says, SharedEnd } from "./board-messages.ts"

/** Cycles of one tick of the 10 MHz timebase: one instruction a cycle at 1 GHz. */
const CYCLES_PER_TICK = 100
const QUANTUM_INSTRUCTIONS = 5_000
/** A kernel goes through all its memory when it starts. */
const WALK_PAGES = 64
const DEVICES = 0
const TURN = "turn"
const A0 = 10
const A7 = 17
const EXTENSION_TIME = 0x54494d45n
const NOTHING_PENDING = 0n

type Blocked = { readonly kind: "page"; readonly page: number } | { readonly kind: "answer" } | null

export class BoardNodeMachine implements Machine<Hears, Says> {
  readonly agent: PageAgent
  readonly harts: readonly Hart[]
  readonly console = new Console()
  end: SharedEnd | null = null
  /** Retired by the harts of this node. */
  instructions = 0
  readonly #config: BoardNodeConfig
  readonly #wiring: Wiring
  readonly #dma: DmaPages
  readonly #local: readonly number[]
  readonly #blocked: Blocked[]
  readonly #brought: Set<number>[]
  readonly #states: HartState[]
  /** Lines as last told: here of the harts of this node, at node 0 of all. */
  readonly #lines: bigint[]
  /** What waits for the pages of a device, in order. */
  readonly #waitingDma: { readonly pages: () => readonly number[]; readonly go: (out: Out) => void }[] = []
  readonly #dmaBrought = new Set<number>()
  #cycles = 0
  #turnAt = -1
  #next = 0
  #uartUsed = false

  constructor(config: BoardNodeConfig) {
    const { engine, node, nodes, image } = config
    this.#config = config
    const total = engine.options.cpus
    this.harts = Array.from({ length: total }, (_, index) => new Hart(engine, { index }))
    this.#local = this.harts.map(({ index }) => index).filter((hart) => config.nodeOfHart(hart) === node)
    this.#blocked = new Array<Blocked>(total).fill(null)
    this.#brought = this.harts.map(() => new Set<number>())
    this.#lines = new Array<bigint>(total).fill(NOTHING_PENDING)
    this.#dma = new DmaPages(engine)
    this.#wiring = new Wiring({
      harts: total,
      clock: () => this.#ticks(),
      console: this.console,
      memory: guestMemory(engine),
      disks: node === DEVICES ? config.disks : [],
    })
    boot(engine, image, { harts: this.harts, memoryBytes: engine.options.memoryBytes })
    this.#states = this.harts.map(({ state }) => state)
    for (let page = 0; page < engine.options.memoryBytes / PAGE_BYTES; page++) engine.setFrameRights(addressOf(page), "none")
    this.agent = new PageAgent({
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
        },
      },
      homeOf: () => MEMORY_CONTROLLER,
      nodeActor,
      retryCycles: config.retryCycles,
      pinCycles: config.pinCycles,
      walkPages: { ahead: WALK_PAGES, pages: engine.options.memoryBytes / PAGE_BYTES },
      onChange: (page) => {
        this.#blocked.forEach((blocked, hart) => {
          if (blocked?.kind === "page" && blocked.page === page) this.#blocked[hart] = null
        })
      },
      onResult: () => undefined,
      onRefused: () => {
        this.peerLost()
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
    this.#goOnWithDma(now, out)
    this.#tellLines(out)
    this.#planTurn(now, out)
    return out
  }

  #onMessage(now: VirtualTime, from: ActorId, body: Hears, out: Out): void {
    switch (body.kind) {
      case "MemoryUp": {
        const { incarnation: memoryIncarnation } = body
        return void out.push(send(from, { kind: "LeaseReport", node: this.#config.node, incarnation: 1, memoryIncarnation, leases: [] }))
      }
      case "IoAsk":
        return this.#atDevice(body, (answer, to) => void to.push(send(from, answer)), out)
      case "IoAnswer":
        return this.#onIoAnswer(body)
      case "HartLines":
        this.#lines[body.hart] = body.lines
        return
      case "SbiAsk":
        return this.#atSbi(body, (answer, to) => void to.push(send(from, answer)), out)
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

  #moment(hart: number): Moment {
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

  #linesOf(hart: number): bigint {
    return this.#config.node === DEVICES ? this.#wiring.lines(hart) : (this.#lines[hart] ?? NOTHING_PENDING)
  }

  /** Node 0 tells the other nodes how the lines of their harts stand, when they changed. */
  #tellLines(out: Out): void {
    if (this.#config.node !== DEVICES) return
    this.#wiring.deliverInput({ uartUsed: this.#uartUsed })
    for (const { index } of this.harts) {
      const node = this.#config.nodeOfHart(index)
      const lines = this.#wiring.lines(index)
      if (node === DEVICES || lines === this.#lines[index]) continue
      this.#lines[index] = lines
      out.push(send(nodeActor(node), { kind: "HartLines", hart: index, lines }))
    }
  }

  #ready(index: number): boolean {
    const hart = this.#hart(index)
    if (this.#blocked[index] !== null || hart.state === "stopped" || hart.stuck()) return false
    hart.file.set(Slot.lines, this.#linesOf(index))
    if (!hart.waiting) return true
    if (!wakes(hart.file, this.#moment(index))) return false
    hart.waiting = false
    return true
  }

  #planTurn(now: VirtualTime, out: Out): void {
    if (this.end !== null) return
    if (this.#local.some((hart) => this.#ready(hart))) return this.#setTurn(now, Math.max(now + 1, this.#cycles), out)
    const deadlines = this.#local.flatMap((index) => {
      const deadline = this.#blocked[index] === null ? this.#hart(index).deadline(NEVER) : null
      return deadline === null || deadline >= NEVER ? [] : [Number(deadline) * CYCLES_PER_TICK]
    })
    if (deadlines.length > 0) this.#setTurn(now, Math.max(now + 1, Math.min(...deadlines)), out)
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
    for (let left = QUANTUM_INSTRUCTIONS; left > 0 && this.#blocked[hart.index] === null && !hart.waiting && this.end === null;) {
      hart.file.set(Slot.lines, this.#linesOf(hart.index))
      const moment = this.#moment(hart.index)
      const interrupt = interruptToTake(hart.file, moment)
      if (interrupt !== null) hart.trap({ cause: interrupt, interrupt: true, value: 0n, pc: engine.readPc(hart.index) })
      const deadline = hart.deadline(NEVER)
      const until = deadline !== null && deadline > moment.time ? Number(deadline - moment.time) * CYCLES_PER_TICK : left
      const exit = engine.run(hart.index, Math.max(1, Math.min(left, until)))
      left -= Math.max(1, exit.retired)
      this.#retired(now, hart, exit.retired, out)
      this.#handle(now, hart, exit, out)
    }
  }

  #retired(now: VirtualTime, hart: Hart, count: number, out: Out): void {
    this.#cycles += count
    this.instructions += count
    if (count === 0) return
    hart.retired()
    const brought = defined(this.#brought[hart.index], "the hart exists")
    if (brought.size === 0 || this.#config.engine.readReservation(hart.index) !== null) return
    const pages = [...brought]
    brought.clear()
    this.agent.retired(now, pages, out)
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
        return this.#onSystem(now, hart, exit, out)
      case "io-load":
      case "io-store": {
        const { address, width } = exit
        const ask: BoardMessage = { kind: "IoAsk", hart: hart.index, address, width, value: exit.kind === "io-store" ? exit.value : null }
        this.#blocked[hart.index] = { kind: "answer" }
        if (this.#config.node !== DEVICES) return void out.push(send(nodeActor(DEVICES), ask))
        return this.#atDevice(ask, (answer) => this.#onIoAnswer(answer), out)
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
    const page = pageOf(exit.address)
    const write = exit.write || (exit.access === "load" && isLoadReserved(exit.instruction))
    defined(this.#brought[hart.index], "the hart exists").add(page)
    this.#blocked[hart.index] = { kind: "page", page }
    if (this.agent.access(now, { page, write }, out)) this.#blocked[hart.index] = null
  }

  #onSystem(now: VirtualTime, hart: Hart, exit: Extract<EngineExit, { kind: "system" }>, out: Out): void {
    const { engine, image } = this.#config
    const cpu = hart.index
    const word = exit.length === 2 ? EBREAK : exit.instruction
    if (word === ECALL && image.start === "supervisor" && hart.file.get(Slot.privilege) === 1n) return this.#onSbi(hart, out)
    const rs1 = engine.readRegister(cpu, (word >>> 15) & 31)
    const rs2 = engine.readRegister(cpu, (word >>> 20) & 31)
    const outcome = executeSystem(hart.file, { word, pc: exit.pc, rs1, rs2 }, this.#moment(cpu))
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
        engine.flushTranslations(cpu, outcome.scope.address ?? undefined)
        engine.completeSystem(cpu)
        break
      default:
        unreachable(outcome)
    }
    this.#retired(now, hart, 1, out)
  }

  #onIoAnswer({ hart: index, value, absent }: Extract<BoardMessage, { kind: "IoAnswer" }>): void {
    const { engine } = this.#config
    const hart = this.#hart(index)
    this.#blocked[index] = null
    const pc = engine.readPc(index)
    if (absent) return hart.trap({ cause: value === null ? Exception.storeAccess : Exception.loadAccess, interrupt: false, value: 0n, pc })
    if (value === null) engine.completeStore(index)
    else engine.completeLoad(index, value)
    hart.retired()
    this.instructions += 1
  }

  /** At node 0: a load (`value` null) or a store of any hart. What needs the guest's memory waits for its pages. */
  #atDevice(
    { hart, address, width, value }: Extract<BoardMessage, { kind: "IoAsk" }>,
    answer: (answer: Extract<BoardMessage, { kind: "IoAnswer" }>, out: Out) => void,
    out: Out,
  ): void {
    this.#uartUsed ||= address >> 8n === UART_BASE >> 8n
    if (value === null) {
      const found = this.#wiring.map.load(address, width)
      return answer({ kind: "IoAnswer", hart, value: found.kind === "absent" ? 0n : found.value, absent: found.kind === "absent" }, out)
    }
    const store = (to: Out): void => {
      const absent = this.#wiring.map.store(address, width, value).kind === "absent"
      const finish = this.#wiring.finisher.finish()
      if (finish !== null)
        this.end ??= { kind: "end", reason: finish.kind === "reset" ? "reset" : "finisher", code: finish.kind === "fail" ? finish.code : 0 }
      answer({ kind: "IoAnswer", hart, value: null, absent }, to)
    }
    if (!this.#dma.stored(address, value)) return store(out)
    this.#waitingDma.push({ pages: () => this.#dma.pages(address), go: store })
  }

  /** The first that waits goes on when the node may write all its pages; else they are asked for. */
  #goOnWithDma(now: VirtualTime, out: Out): void {
    for (let first = this.#waitingDma[0]; first !== undefined; first = this.#waitingDma[0]) {
      const missing = first.pages().filter((page) => {
        this.#dmaBrought.add(page)
        return !this.agent.access(now, { page, write: true }, out)
      })
      if (missing.length > 0) return
      this.#waitingDma.shift()
      first.go(out)
      const pages = [...this.#dmaBrought]
      this.#dmaBrought.clear()
      this.agent.retired(now, pages, out)
    }
  }

  #onSbi(hart: Hart, out: Out): void {
    const { engine, node } = this.#config
    const registers = Array.from({ length: A7 - A0 + 1 }, (_, index) => engine.readRegister(hart.index, A0 + index))
    // The timer is the hart's own; everything else is a matter of all harts or of a device.
    if (registers[A7 - A0] === EXTENSION_TIME || registers[A7 - A0] === 0n) {
      hart.file.set(Slot.stimecmp, registers[0] ?? NEVER)
      return this.#onSbiAnswered({ kind: "SbiAnswered", hart: hart.index, error: 0n, value: 0n })
    }
    this.#blocked[hart.index] = { kind: "answer" }
    const ask: BoardMessage = { kind: "SbiAsk", hart: hart.index, registers }
    if (node !== DEVICES) return void out.push(send(nodeActor(DEVICES), ask))
    this.#atSbi(ask, (answer) => this.#onSbiAnswered(answer), out)
  }

  #onSbiAnswered({ hart: index, error, value }: Extract<BoardMessage, { kind: "SbiAnswered" }>): void {
    const { engine } = this.#config
    this.#blocked[index] = null
    engine.writeRegister(index, A0, error)
    if (value !== null) engine.writeRegister(index, A0 + 1, value)
    engine.completeSystem(index)
    this.#hart(index).retired()
    this.instructions += 1
  }

  #atSbi(
    { hart, registers }: Extract<BoardMessage, { kind: "SbiAsk" }>,
    reply: (answer: Extract<BoardMessage, { kind: "SbiAnswered" }>, out: Out) => void,
    out: Out,
  ): void {
    const answer: SbiAnswer = callSbi(
      { hart, extension: registers[7] ?? 0n, function: registers[6] ?? 0n, arguments: registers.slice(0, 6) },
      {
        harts: this.#states,
        memory: { from: RAM_BASE, bytes: BigInt(this.#config.engine.options.memoryBytes) },
        input: this.console.waiting(),
      },
    )
    const go = (to: Out): void => {
      for (const effect of answer.effects) this.#carryOut(effect, to)
      reply({ kind: "SbiAnswered", hart, error: answer.error, value: answer.value }, to)
    }
    const pages = answer.effects.flatMap((effect) => pagesOf(effect))
    if (pages.length === 0) go(out)
    else this.#waitingDma.push({ pages: () => pages, go })
  }

  #carryOut(effect: SbiEffect, out: Out): void {
    const { engine, nodeOfHart, node } = this.#config
    switch (effect.kind) {
      case "raise-software":
      case "clear-software":
        for (const hart of effect.kind === "raise-software" ? effect.harts : [effect.hart]) {
          const pending = effect.kind === "raise-software"
          if (nodeOfHart(hart) === node) this.#setSoftware(hart, pending)
          else out.push(send(nodeActor(nodeOfHart(hart)), { kind: "HartSoftware", hart, pending }))
        }
        return
      case "start":
        this.#states[effect.hart] = "started"
        if (nodeOfHart(effect.hart) === node) this.#hart(effect.hart).begin(effect)
        else
          out.push(send(nodeActor(nodeOfHart(effect.hart)), { kind: "HartBegin", hart: effect.hart, pc: effect.pc, opaque: effect.opaque }))
        return
      case "shutdown":
        this.end ??= { kind: "end", reason: "shutdown", code: effect.outcome === "success" ? 0 : 1 }
        return
      case "reset":
        this.end ??= { kind: "end", reason: "reset", code: 0 }
        return
      case "console-byte":
        return this.console.write(effect.byte)
      case "console-write":
        for (const byte of engine.readMemory(effect.address, effect.bytes)) this.console.write(byte)
        return
      case "consume-input":
        this.console.take(effect.bytes)
        return
      case "write-memory":
        return engine.writeMemory(effect.address, Uint8Array.from(effect.data))
      case "fence-instructions":
        return
      default:
        throw new Error(`a guest over several nodes has no SBI effect ${effect.kind}`)
    }
  }

  #setSoftware(index: number, pending: boolean): void {
    const { file } = this.#hart(index)
    const bits = file.get(Slot.mipSoftware)
    file.set(Slot.mipSoftware, pending ? bits | SSIP : bits & ~SSIP)
  }
}

/** `mtimecmp` and `stimecmp` after reset. */
const NEVER = 2n ** 64n - 1n
const UART_BASE = 0x1000_0000n

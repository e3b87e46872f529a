/**
 * Node 0's side of a guest over several nodes: the devices and SBI, for harts of all nodes.
 *
 * A device that reads or writes the guest's memory first gets the pages it needs, as a hart would; what waits for that is served in order.
 * Interrupts of devices go to harts of this node where one listens: a hart elsewhere would have to bring the pages of the driver to it first.
 */
import { send } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { nodeActor } from "@backplane/scenario-machine/topology"
import type { Console } from "@backplane/trap-board/console"
import { Wiring } from "@backplane/trap-board/wiring"
import { UART, UART_INTERRUPT, virtioInterrupt, VIRTIO_SLOTS } from "@backplane/trap-devices/address-map/virt-map"
import type { PlicAffinity } from "@backplane/trap-devices/plic/plic"
import { DmaPages } from "@backplane/trap-devices/virtio-mmio/dma-pages"
import { callSbi } from "@backplane/trap-sbi/sbi"
import type { SbiEffect } from "@backplane/trap-sbi/sbi-types"
import type { HartState } from "@backplane/trap-sbi/sbi-numbers"
import { guestMemory, pagesOf } from "./guest-pages.ts"
import type { BoardMessage, BoardNodeConfig, Out, SharedEnd } from "./board-messages.ts"

type IoAsk = Extract<BoardMessage, { kind: "IoAsk" }>
type IoAnswer = Extract<BoardMessage, { kind: "IoAnswer" }>
type SbiAsk = Extract<BoardMessage, { kind: "SbiAsk" }>
type SbiAnswered = Extract<BoardMessage, { kind: "SbiAnswered" }>

/** What the node does for its devices. */
export interface DeviceNode {
  readonly config: BoardNodeConfig
  readonly console: Console
  /** By hart, as SBI's hart state management sees it. */
  readonly states: HartState[]
  ticks(): bigint
  /** Asks for the page to be written to. True: it may be now. */
  access(now: VirtualTime, page: number, out: Out): boolean
  /** What they were brought for has been done. */
  used(now: VirtualTime, pages: readonly number[], out: Out): void
  begin(hart: number, from: { readonly pc: bigint; readonly opaque: bigint }): void
  setSoftware(hart: number, pending: boolean): void
  end(end: SharedEnd): void
}

export class BoardDevices {
  readonly #node: DeviceNode
  readonly #wiring: Wiring
  readonly #dma: DmaPages
  /** What waits for the pages of a device, in order. */
  readonly #waiting: { readonly pages: () => readonly number[]; readonly go: (out: Out) => void }[] = []
  readonly #brought = new Set<number>()
  /** Lines of each hart as last told. */
  readonly #lines: bigint[]
  #uartUsed = false

  constructor(node: DeviceNode) {
    const { engine, nodeOfHart } = node.config
    const harts = engine.options.cpus
    this.#node = node
    this.#dma = new DmaPages({
      read: (address, bytes) => engine.readMemory(address, bytes),
      isMemory: (...range) => engine.isMemory(...range),
    })
    this.#lines = new Array<bigint>(harts).fill(0n)
    this.#wiring = new Wiring({
      harts,
      clock: () => node.ticks(),
      console: node.console,
      memory: guestMemory(engine),
      disks: node.config.disks,
      interruptAffinity: ownHarts(harts, (hart) => nodeOfHart(hart) === node.config.node),
    })
  }

  lines(hart: number): bigint {
    return this.#wiring.lines(hart)
  }

  /** When the board's timer of any hart rings next, in ticks; null: none does. */
  timer(now: bigint): bigint | null {
    let first: bigint | null = null
    for (let hart = 0; hart < this.#lines.length; hart++) {
      const deadline = this.#wiring.clint.deadline(hart)
      if (deadline > now && deadline < NEVER && (first === null || deadline < first)) first = deadline
    }
    return first
  }

  /** The other nodes are told how the lines of their harts stand, when they changed. */
  tellLines(out: Out): void {
    const { nodeOfHart, node } = this.#node.config
    this.#wiring.deliverInput({ uartUsed: this.#uartUsed })
    this.#lines.forEach((told, hart) => {
      const at = nodeOfHart(hart)
      if (at === node) return
      const lines = this.#wiring.lines(hart)
      if (lines === told) return
      this.#lines[hart] = lines
      out.push(send(nodeActor(at), { kind: "HartLines", hart, lines }))
    })
  }

  /** A load (`value` null) or a store of any hart. What needs the guest's memory waits for its pages. */
  io({ hart, address, width, value }: IoAsk, answer: (answer: IoAnswer, out: Out) => void, out: Out): void {
    this.#uartUsed ||= address >> 8n === UART.base >> 8n
    if (value === null) {
      const found = this.#wiring.map.load(address, width)
      return answer({ kind: "IoAnswer", hart, value: found.kind === "absent" ? 0n : found.value, absent: found.kind === "absent" }, out)
    }
    const store = (to: Out): void => {
      const absent = this.#wiring.map.store(address, width, value).kind === "absent"
      const finish = this.#wiring.finisher.finish()
      if (finish !== null)
        this.#node.end({
          kind: "end",
          reason: finish.kind === "reset" ? "reset" : "finisher",
          code: finish.kind === "fail" ? finish.code : 0,
        })
      answer({ kind: "IoAnswer", hart, value: null, absent }, to)
    }
    if (!this.#dma.stored(address, value)) return store(out)
    this.#waiting.push({ pages: () => this.#dma.pages(address), go: store })
  }

  sbi({ hart, registers }: SbiAsk, reply: (answer: SbiAnswered, out: Out) => void, out: Out): void {
    const { states, config, console } = this.#node
    const answer = callSbi(
      { hart, extension: registers[7] ?? 0n, function: registers[6] ?? 0n, arguments: registers.slice(0, 6) },
      { harts: states, memory: { from: RAM_BASE, bytes: BigInt(config.engine.options.memoryBytes) }, input: console.waiting() },
    )
    const go = (to: Out): void => {
      for (const effect of answer.effects) this.#carryOut(effect, to)
      reply({ kind: "SbiAnswered", hart, error: answer.error, value: answer.value }, to)
    }
    const pages = answer.effects.flatMap((effect) => pagesOf(effect))
    if (pages.length === 0) go(out)
    else this.#waiting.push({ pages: () => pages, go })
  }

  /** The first that waits goes on when the node may write all its pages; else they are asked for. True: one did. */
  goOn(now: VirtualTime, out: Out): boolean {
    let went = false
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const missing = first.pages().filter((page) => {
        this.#brought.add(page)
        return !this.#node.access(now, page, out)
      })
      if (missing.length > 0) return went
      this.#waiting.shift()
      first.go(out)
      went = true
      const pages = [...this.#brought]
      this.#brought.clear()
      this.#node.used(now, pages, out)
    }
    return went
  }

  #carryOut(effect: SbiEffect, out: Out): void {
    const { console, states } = this.#node
    const { engine, nodeOfHart, node } = this.#node.config
    switch (effect.kind) {
      case "raise-software":
      case "clear-software":
        for (const hart of effect.kind === "raise-software" ? effect.harts : [effect.hart]) {
          const pending = effect.kind === "raise-software"
          if (nodeOfHart(hart) === node) this.#node.setSoftware(hart, pending)
          else out.push(send(nodeActor(nodeOfHart(hart)), { kind: "HartSoftware", hart, pending }))
        }
        return
      case "start":
        states[effect.hart] = "started"
        if (nodeOfHart(effect.hart) === node) this.#node.begin(effect.hart, effect)
        else
          out.push(send(nodeActor(nodeOfHart(effect.hart)), { kind: "HartBegin", hart: effect.hart, pc: effect.pc, opaque: effect.opaque }))
        return
      case "shutdown":
        return this.#node.end({ kind: "end", reason: "shutdown", code: effect.outcome === "success" ? 0 : 1 })
      case "reset":
        return this.#node.end({ kind: "end", reason: "reset", code: 0 })
      case "console-byte":
        return console.write(effect.byte)
      case "console-write":
        for (const byte of engine.readMemory(effect.address, effect.bytes)) console.write(byte)
        return
      case "consume-input":
        console.take(effect.bytes)
        return
      case "write-memory":
        return engine.writeMemory(effect.address, Uint8Array.from(effect.data))
      case "fence-instructions":
        return
      default:
        throw new Error(`a guest over several nodes has no SBI effect ${effect.kind}`)
    }
  }
}

/** Every source goes to these harts. */
function ownHarts(harts: number, isOwn: (hart: number) => boolean): PlicAffinity {
  let own = 0
  for (let hart = 0; hart < Math.min(harts, MASK_BITS); hart++) if (isOwn(hart)) own |= 1 << hart
  const sources = [UART_INTERRUPT, ...Array.from({ length: VIRTIO_SLOTS }, (_, slot) => virtioInterrupt(slot))]
  return new Map(sources.map((source) => [source, own]))
}

const MASK_BITS = 31
/** `mtimecmp` after reset. */
const NEVER = 2n ** 64n - 1n

/**
 * A deliberate bug: an engine whose harts have store buffers, as with total store order. A checker of sequential consistency must see it.
 *
 * A store goes into the buffer and the hart goes on; loads of the same bytes find it there; some time later the hart steps aside and does it.
 * Fences and atomics wait until the buffer is empty.
 */
import { decode } from "@backplane/compute-riscv/decode"
import type { Engine } from "@backplane/compute-contract/engine"
import type { Random } from "@backplane/foundation-base/random"

interface Buffered {
  readonly pc: bigint
  readonly base: bigint
  readonly value: bigint
  readonly address: bigint
}

const DRAIN_CHANCE = 0.15
/** Registers that a store is done with: those of the instruction itself. */
interface Aside {
  readonly pc: bigint
  readonly registers: readonly (readonly [number, bigint])[]
}

export class StoreBuffer {
  readonly #engine: Engine
  readonly #hart: number
  readonly #stores: Buffered[] = []
  /** While the hart does a store of its buffer: where it was. */
  #aside: Aside | null = null
  #ended = false

  constructor(engine: Engine, hart: number) {
    this.#engine = engine
    this.#hart = hart
  }

  /** What the hart does next; always one instruction. */
  budget(random: Random): number | null {
    if (this.#aside !== null) return 1
    const first = this.#stores[0]
    if (this.#ended && first === undefined) return null
    const next = this.#ended ? null : (this.#next() ?? null)
    const kind = next?.instruction.operation.kind ?? null
    const mustDrain = this.#ended || (kind !== "alu" && kind !== "store" && kind !== "load" && kind !== "branch" && kind !== "system")
    if (first !== undefined && (mustDrain || random.chance(DRAIN_CHANCE))) {
      this.#stepAside(first)
      return 1
    }
    if (next !== null && kind === "store") {
      this.#buffer(next.rs1, next.rs2, next.immediate)
      return this.budget(random)
    }
    if (next !== null && kind === "load") {
      const address = this.#engine.readRegister(this.#hart, next.rs1) + BigInt(next.immediate)
      const own = this.#stores.findLast((store) => store.address === address)
      if (own !== undefined) {
        this.#engine.writeRegister(this.#hart, next.rd, BigInt.asUintN(64, BigInt.asIntN(32, own.value)))
        this.#engine.writePc(this.#hart, this.#engine.readPc(this.#hart) + 4n)
        return this.budget(random)
      }
    }
    return 1
  }

  retired(): void {
    const aside = this.#aside
    if (aside === null) return
    this.#stores.shift()
    this.#aside = null
    for (const [register, value] of aside.registers) this.#engine.writeRegister(this.#hart, register, value)
    this.#engine.writePc(this.#hart, aside.pc)
  }

  /** The thread is at its end; the hart is not, as long as there are stores to do. */
  ended(): boolean {
    this.#ended = true
    return this.#stores.length === 0
  }

  #next(): ReturnType<typeof decode> {
    const bytes = this.#engine.readMemory(this.#engine.readPc(this.#hart), 4)
    return decode(new DataView(bytes.buffer).getUint32(0, true))
  }

  #buffer(rs1: number, rs2: number, immediate: number): void {
    const pc = this.#engine.readPc(this.#hart)
    const base = this.#engine.readRegister(this.#hart, rs1)
    this.#stores.push({ pc, base, value: this.#engine.readRegister(this.#hart, rs2), address: base + BigInt(immediate) })
    this.#engine.writePc(this.#hart, pc + 4n)
  }

  #stepAside({ pc, base, value }: Buffered): void {
    const bytes = this.#engine.readMemory(pc, 4)
    const store = decode(new DataView(bytes.buffer).getUint32(0, true))
    if (store === null || store === undefined) return
    const registers = [store.rs1, store.rs2].map((register) => [register, this.#engine.readRegister(this.#hart, register)] as const)
    this.#aside = { pc: this.#engine.readPc(this.#hart), registers }
    this.#engine.writeRegister(this.#hart, store.rs2, value)
    this.#engine.writeRegister(this.#hart, store.rs1, base)
    this.#engine.writePc(this.#hart, pc)
  }
}

/**
 * PLIC: which device interrupt goes to which context, one claim at a time. The essay is README.md of this folder.
 */
import type { Device, Width } from "../device.ts"

export const PLIC_SOURCES = 96
const WORD_BITS = 32
const SOURCE_WORDS = PLIC_SOURCES / WORD_BITS
/** Three bits of priority; zero never interrupts. */
const PRIORITY_MASK = 7

const PENDING = 0x1000
const ENABLE = 0x2000
const ENABLE_STRIDE = 0x80
const CONTEXT = 0x20_0000
const CONTEXT_STRIDE = 0x1000
const THRESHOLD = 0
const CLAIM = 4

export interface PlicState {
  /** By source; entry 0 does not exist in hardware. */
  readonly priority: readonly number[]
  /** One bit per source, in words of 32. */
  readonly pending: readonly number[]
  /** Claimed and not yet completed: hidden from every context, though it may be pending anew. Words of 32, too. */
  readonly claimed: readonly number[]
  /** By context, then by word. */
  readonly enabled: readonly (readonly number[])[]
  readonly threshold: readonly number[]
}

export function plicReset(contexts: number): PlicState {
  return {
    priority: new Array<number>(PLIC_SOURCES).fill(0),
    pending: new Array<number>(SOURCE_WORDS).fill(0),
    claimed: new Array<number>(SOURCE_WORDS).fill(0),
    enabled: Array.from({ length: contexts }, () => new Array<number>(SOURCE_WORDS).fill(0)),
    threshold: new Array<number>(contexts).fill(0),
  }
}

/** Context 2h is M-mode of hart h, context 2h + 1 its S-mode. */
export function machineContext(hart: number): number {
  return 2 * hart
}

export function supervisorContext(hart: number): number {
  return 2 * hart + 1
}

/** By source, the harts that it goes to, bit h for hart h. A source without any goes to all. */
export type PlicAffinity = ReadonlyMap<number, number>

export class Plic implements Device {
  readonly #affinity: PlicAffinity
  /** Some context's output may have changed: the board reads `output` of all again. */
  readonly #changed: () => void
  #state: PlicState

  constructor(changed: () => void, state: PlicState, affinity: PlicAffinity = new Map()) {
    this.#affinity = affinity
    this.#changed = changed
    this.#state = state
  }

  capture(): PlicState {
    return this.#state
  }

  /** A device drives its wire. Each driving high is a request, each driving low takes the request back. Unknown sources are not wired. */
  drive(source: number, level: boolean): void {
    if (source <= 0 || source >= PLIC_SOURCES) return
    this.#state = { ...this.#state, pending: withBit(this.#state.pending, source, level) }
    this.#changed()
  }

  /** The external interrupt line of a context. */
  output(context: number): boolean {
    const best = this.#best(context)
    return best !== 0 && this.#priority(best) > (this.#state.threshold[context] ?? PRIORITY_MASK)
  }

  /** Registers are 32-bit words: a double-word access reaches two, a narrower or misaligned one reads zero and writes nothing. */
  load(offset: number, width: Width): bigint {
    if (offset % 4 !== 0 || width < 4) return 0n
    const low = BigInt(this.#loadWord(offset))
    return width === 4 ? low : low | (BigInt(this.#loadWord(offset + 4)) << 32n)
  }

  store(offset: number, width: Width, value: bigint): void {
    if (offset % 4 !== 0 || width < 4) return
    this.#storeWord(offset, Number(value & 0xffff_ffffn))
    if (width === 8) this.#storeWord(offset + 4, Number((value >> 32n) & 0xffff_ffffn))
  }

  #loadWord(offset: number): number {
    if (offset >= CONTEXT) return this.#loadContext(Math.floor((offset - CONTEXT) / CONTEXT_STRIDE), (offset - CONTEXT) % CONTEXT_STRIDE)
    if (offset >= ENABLE)
      return this.#state.enabled[Math.floor((offset - ENABLE) / ENABLE_STRIDE)]?.[((offset - ENABLE) % ENABLE_STRIDE) / 4] ?? 0
    if (offset >= PENDING) return this.#state.pending[(offset - PENDING) / 4] ?? 0
    return this.#priority(offset / 4)
  }

  #storeWord(offset: number, value: number): void {
    if (offset >= CONTEXT)
      this.#storeContext(Math.floor((offset - CONTEXT) / CONTEXT_STRIDE), { at: (offset - CONTEXT) % CONTEXT_STRIDE, value })
    else if (offset >= ENABLE)
      this.#storeEnable(Math.floor((offset - ENABLE) / ENABLE_STRIDE), { word: ((offset - ENABLE) % ENABLE_STRIDE) / 4, value })
    else if (offset < PENDING) this.#storePriority(offset / 4, value & PRIORITY_MASK)
    // The pending words are read-only.
    this.#changed()
  }

  #loadContext(context: number, at: number): number {
    if (at === THRESHOLD) return this.#state.threshold[context] ?? 0
    return at === CLAIM ? this.#claim(context) : 0
  }

  #storeContext(context: number, { at, value }: { at: number; value: number }): void {
    if (context >= this.#state.threshold.length) return
    if (at === THRESHOLD) this.#state = { ...this.#state, threshold: this.#state.threshold.with(context, value & PRIORITY_MASK) }
    if (at === CLAIM) this.#complete(value)
  }

  #storeEnable(context: number, { word, value }: { word: number; value: number }): void {
    const words = this.#state.enabled[context]
    if (words === undefined || word >= SOURCE_WORDS) return
    // Source 0 means "none": it can not be enabled.
    const legal = word === 0 ? value & ~1 : value
    this.#state = { ...this.#state, enabled: this.#state.enabled.with(context, words.with(word, legal >>> 0)) }
  }

  #storePriority(source: number, value: number): void {
    if (source === 0 || source >= PLIC_SOURCES) return
    this.#state = { ...this.#state, priority: this.#state.priority.with(source, value) }
  }

  /** Atomic: the request is taken and hidden in one step, so of two harts that claim only one gets it. */
  #claim(context: number): number {
    const source = this.#best(context)
    if (source === 0) return 0
    this.#state = {
      ...this.#state,
      pending: withBit(this.#state.pending, source, false),
      claimed: withBit(this.#state.claimed, source, true),
    }
    this.#changed()
    return source
  }

  /** Opens the gateway again. A request that came meanwhile shows now; the wire's level is not sampled. */
  #complete(source: number): void {
    if (source >= PLIC_SOURCES) return
    this.#state = { ...this.#state, claimed: withBit(this.#state.claimed, source, false) }
  }

  /** Highest priority above zero, lowest number among equals; 0 if there is none. The threshold plays no part in a claim. */
  #best(context: number): number {
    const { enabled, pending, claimed } = this.#state
    let best = 0
    for (let word = 0; word < SOURCE_WORDS; word += 1) {
      let waiting = (enabled[context]?.[word] ?? 0) & (pending[word] ?? 0) & ~(claimed[word] ?? 0)
      while (waiting !== 0) {
        const bit = 31 - Math.clz32(waiting & -waiting)
        const source = word * WORD_BITS + bit
        if (this.#priority(source) > this.#priority(best) && this.#goesTo(source, context)) best = source
        waiting &= ~(1 << bit)
      }
    }
    return best
  }

  /** The board's wish beside the guest's enables. If no hart that it wishes for listens, whoever listens gets it: no interrupt is lost by it. */
  #goesTo(source: number, context: number): boolean {
    const harts = this.#affinity.get(source) ?? 0
    if (harts === 0 || ((harts >>> (context >>> 1)) & 1) === 1) return true
    const word = Math.floor(source / WORD_BITS)
    const listens = (words: readonly number[], of: number): boolean =>
      ((harts >>> (of >>> 1)) & 1) === 1 && (((words[word] ?? 0) >>> (source % WORD_BITS)) & 1) === 1
    return !this.#state.enabled.some(listens)
  }

  #priority(source: number): number {
    return this.#state.priority[source] ?? 0
  }
}

function withBit(words: readonly number[], source: number, level: boolean): readonly number[] {
  const word = Math.floor(source / WORD_BITS)
  const bit = 1 << (source % WORD_BITS)
  const old = words[word] ?? 0
  return words.with(word, (level ? old | bit : old & ~bit) >>> 0)
}

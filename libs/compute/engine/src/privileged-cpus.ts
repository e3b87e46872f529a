/** The face of assembly/privileged.ts: privileged state in linear memory, and what CPUs carry out themselves. The promises: compute/contract/privileged. */
import { PRIVILEGED_WORDS } from "@backplane/compute-contract/privileged"
import { CAME_BACK, CONTEXT_BYTES, CONTEXT_COUNT, LAYOUT, MODE, SERVE, SERVED_CAUSES, SERVED_FIELDS } from "./layout.ts"
import type { BeforeRun, PrivilegedCpus, Served, ServedCallExits, ServedCounts, ServingHow } from "@backplane/compute-contract/privileged"
import type { Translation } from "@backplane/compute-contract/engine"
import type { EngineFunctions } from "./wasm-module.ts"

const LITTLE = true
const CALL_BEFORE = 1
const CALL_SINCE = 2
/** From CALL_CLOSED_EXITS to CALLS_MOST. */
const CALL_EXIT_FIELDS = 4
const NOTHING: ServedCounts = { csrs: 0, satps: 0, returns: 0, fences: 0, traps: [] }

export interface PrivilegedPlace {
  readonly view: DataView
  readonly functions: EngineFunctions
  /** Address of a CPU's state block. */
  at(cpu: number): number
}

export class PrivilegedState implements PrivilegedCpus {
  readonly #place: PrivilegedPlace

  constructor(place: PrivilegedPlace) {
    this.#place = place
  }

  words(cpu: number): BigUint64Array {
    return new BigUint64Array(this.#place.view.buffer, this.#place.at(cpu) + LAYOUT.VIRTUAL_CSRS, PRIVILEGED_WORDS)
  }

  serve(cpu: number, how: ServingHow | null): void {
    const { view, functions } = this.#place
    const at = this.#place.at(cpu)
    view.setUint32(at + LAYOUT.SERVE, how === null ? 0 : bitsOf(how), LITTLE)
    view.setUint32(at + LAYOUT.CALL_STATE, 0, LITTLE)
    view.setBigUint64(at + LAYOUT.ROUND_MARK, 0n, LITTLE)
    this.forgetSpaces(cpu)
    this.#clear(at)
    functions.flushAll(at)
  }

  begin(cpu: number, before: BeforeRun): void {
    const { view } = this.#place
    const at = this.#place.at(cpu)
    view.setBigUint64(at + LAYOUT.PENDING, before.pending, LITTLE)
    view.setUint32(at + LAYOUT.TRAPS_NESTED, before.trapsNested, LITTLE)
    view.setUint32(at + LAYOUT.CALL_STATE, before.callOpen ? CALL_BEFORE : 0, LITTLE)
    view.setUint32(at + LAYOUT.FENCES_LEAVE, before.fencesLeave ? 1 : 0, LITTLE)
  }

  take(cpu: number): Served | null {
    const at = this.#place.at(cpu)
    const word = (offset: number): number => this.#place.view.getUint32(at + offset, LITTLE)
    const counts = this.#counts(at + LAYOUT.SERVED_CSRS)
    if (counts === null) return null
    const served = {
      ...counts,
      trapsNested: word(LAYOUT.TRAPS_NESTED),
      trappedLast: word(LAYOUT.TRAPPED_LAST) === 1,
      cameBack: cameBackOf(word(LAYOUT.CAME_BACK)),
      moved: word(LAYOUT.MOVED) === 1,
      calls: {
        closedFirst: word(LAYOUT.CALL_CLOSED) === 1,
        whole: word(LAYOUT.CALLS),
        open: word(LAYOUT.CALL_STATE) === CALL_SINCE,
        exits: (word(LAYOUT.SERVE) & (SERVE.EXITS_ALL | SERVE.EXITS_SPACES)) === 0 ? null : this.#callExits(at),
      },
    }
    this.#clear(at)
    return served
  }

  /** Fields as from SERVED_CSRS on; null: all are 0. */
  #counts(from: number): ServedCounts | null {
    const word = (offset: number): number => this.#place.view.getUint32(from + offset - LAYOUT.SERVED_CSRS, LITTLE)
    const csrs = word(LAYOUT.SERVED_CSRS)
    const satps = word(LAYOUT.SERVED_SATPS)
    const returns = word(LAYOUT.SERVED_RETURNS)
    const fences = word(LAYOUT.SERVED_FENCES)
    const traps = []
    for (let cause = 0; cause < SERVED_CAUSES; cause++) {
      const count = word(LAYOUT.SERVED_TRAPS + cause * 4)
      if (count !== 0) traps.push({ cause, count })
    }
    if (csrs === 0 && satps === 0 && returns === 0 && fences === 0 && traps.length === 0) return null
    return { csrs, satps, returns, fences, traps }
  }

  #callExits(at: number): ServedCallExits {
    const word = (offset: number): number => this.#place.view.getUint32(at + offset, LITTLE)
    const open = word(LAYOUT.CALL_STATE) === 0 ? 0 : this.#place.functions.lookAtCall(at, 1)
    return {
      closed: word(LAYOUT.CALL_CLOSED_EXITS),
      whole: word(LAYOUT.CALLS_EXITS),
      fewest: word(LAYOUT.CALLS_FEWEST),
      most: word(LAYOUT.CALLS_MOST),
      open,
      inside: this.#counts(at + LAYOUT.CALL_INSIDE) ?? NOTHING,
    }
  }

  addSpace(cpu: number, from: Translation, root: bigint): void {
    const { view } = this.#place
    const at = this.#place.at(cpu)
    const next = view.getUint32(at + LAYOUT.CONTEXT_VICTIM, LITTLE)
    const number = numberOf(from)
    let index = next
    for (let known = 0; known < CONTEXT_COUNT; known++) {
      const context = at + LAYOUT.CONTEXTS + known * CONTEXT_BYTES
      const isSame = view.getUint32(context, LITTLE) === number && view.getBigUint64(context + 8, LITTLE) === from.root
      if (isSame && view.getUint32(context + 4, LITTLE) === 1) index = known
    }
    const context = at + LAYOUT.CONTEXTS + index * CONTEXT_BYTES
    view.setUint32(context, number, LITTLE)
    view.setUint32(context + 4, 1, LITTLE)
    view.setBigUint64(context + 8, from.root, LITTLE)
    view.setBigUint64(context + 16, root, LITTLE)
    if (index === next) view.setUint32(at + LAYOUT.CONTEXT_VICTIM, (next + 1) % CONTEXT_COUNT, LITTLE)
  }

  forgetSpaces(cpu: number): void {
    const at = this.#place.at(cpu)
    for (let index = 0; index < CONTEXT_COUNT; index++) {
      this.#place.view.setUint32(at + LAYOUT.CONTEXTS + index * CONTEXT_BYTES + 4, 0, LITTLE)
    }
  }

  fence(cpu: number, virtualAddress?: bigint): void {
    this.#place.functions.fence(this.#place.at(cpu), virtualAddress ?? 0n, virtualAddress === undefined ? 0 : 1)
  }

  #clear(at: number): void {
    const { view } = this.#place
    const zero = (from: number, words: number): void => void new Uint32Array(view.buffer, at + from, words).fill(0)
    zero(LAYOUT.SERVED_CSRS, SERVED_FIELDS)
    if ((view.getUint32(at + LAYOUT.SERVE, LITTLE) & (SERVE.EXITS_ALL | SERVE.EXITS_SPACES)) !== 0) {
      zero(LAYOUT.CALL_BASE, SERVED_FIELDS)
      zero(LAYOUT.CALL_INSIDE, SERVED_FIELDS)
      zero(LAYOUT.CALL_CLOSED_EXITS, CALL_EXIT_FIELDS)
    }
    view.setUint32(at + LAYOUT.CAME_BACK, 0, LITTLE)
    view.setUint32(at + LAYOUT.MOVED, 0, LITTLE)
    view.setUint32(at + LAYOUT.CALL_CLOSED, 0, LITTLE)
    view.setUint32(at + LAYOUT.CALLS, 0, LITTLE)
  }
}

function cameBackOf(word: number): Served["cameBack"] {
  return word === CAME_BACK.NOT ? null : word === CAME_BACK.ALONE ? "proof" : "guess"
}

function bitsOf({ traps, spaces, translations, supervisorCalls, exits, rounds, tables }: ServingHow): number {
  const tablesBit = tables === "noted" ? SERVE.TABLES : 0
  if (traps === "leave") return tablesBit
  const toldBit = translations === "told" ? SERVE.CONTEXTS : 0
  const callsBit = supervisorCalls === "leave" ? SERVE.CALLS_LEAVE : 0
  const exitsBit = exits === "all" ? SERVE.EXITS_ALL : exits === "spaces" ? SERVE.EXITS_SPACES : 0
  const roundsBit = rounds === "told" ? SERVE.ROUNDS : 0
  return SERVE.TRAPS | exitsBit | roundsBit | (spaces ? SERVE.SPACES : 0) | toldBit | callsBit | tablesBit
}

/** As assembly/privileged.ts packs it. */
function numberOf({ mode, fetchPrivilege, dataPrivilege, sum, mxr }: Translation): number {
  const flags = mode === "bare" ? 0 : (sum ? 1 : 0) | (mxr ? 2 : 0)
  return (mode === "sv39" ? MODE.SV39 : MODE.BARE) | (fetchPrivilege << 4) | (dataPrivilege << 8) | (flags << 12)
}

/**
 * Hypercalls of mode `para`: what a guest that knows of its VMM asks for. The interface is para.md; this carries it out for one VM.
 *
 * P1: a page that is out has no frame, and no translation of any vCPU leads to one. P2: a refused call has done what its a1 says, no more.
 */
import { Slot } from "@backplane/trap-csr/csr-file"
import { SSIP } from "@backplane/trap-csr/causes"
import { STCE } from "@backplane/trap-csr/interrupts"
import { SbiError } from "@backplane/trap-sbi/sbi-numbers"
import { TVM } from "@backplane/trap-csr/status"
import { writeSatp } from "@backplane/trap-csr/translation"
import { PAGE_BYTES, PAGE_SHIFT } from "./machine-frames.ts"
import type { Entry, ExitView, Request, Step } from "./entry.ts"
import type { PhysicalMap } from "./physical-map.ts"
import type { Vcpu } from "./vcpu.ts"

/** SBI's space for extensions of one implementation, and its number. SBI specification 2.0, "Firmware Specific Extension Space". */
export const HYPERCALL = 0x0a00_4250n
/** In the device tree: how a guest finds out. */
export const HYPERVISOR = "backplane,para"
const A0 = 10
const A6 = 16
const A7 = 17
const ARGUMENTS = 6
const WORD_BYTES = 8n
const LIST_MAX = 512n
const CALLS_MAX = 64n
const CALL_WORDS = 8n
const FEATURES = 0x3ffn
const ANY = 2n ** 64n - 1n
const EVERYTHING = { address: null, addressSpace: null } as const
/** Bit V of a page-table entry. */
const VALID = 1n
const ZEROS = new Uint8Array(PAGE_BYTES)

const NAMES = [
  "features",
  "yield",
  "update-tables",
  "set-timer",
  "zero-page",
  "balloon-out",
  "balloon-in",
  "switch-space",
  "multicall",
  "balloon-target",
] as const
type Name = (typeof NAMES)[number]
const YIELD = 1n
const MULTICALL = 8n
const BALLOON_TARGET = 9n

/** Frames promised to the VM, as the node keeps them. */
export interface FrameQuota {
  giveBack(frames: number): void
  /** False: the node has none left. */
  claim(frames: number): boolean
}

/** A VM by itself: nobody else wants its frames. */
export const OWN_QUOTA: FrameQuota = { giveBack: () => undefined, claim: () => true }

export interface HypercallOptions {
  readonly memory: PhysicalMap
  readonly vcpus: readonly Vcpu[]
  readonly quota: FrameQuota
  /** Told how many entries of a list were gone through. */
  readonly updated?: (entries: number) => void
  /** Pages that the guest had given back when it moved here. */
  readonly pagesOut?: number
}

/** What came of the calls so far. */
export interface ParaCounts {
  readonly calls: ReadonlyMap<string, number>
  readonly updates: number
  /** Pages that the guest wanted zeroed and that were so: nobody wrote them. */
  readonly zeroingAvoided: number
  readonly zeroed: number
  readonly pagesOut: number
  /** Whether the guest has ever asked how many pages it is to do without; and how many that are. */
  readonly listens: boolean
  readonly target: number
}

interface Answer {
  readonly error: bigint
  readonly value: bigint
}

type Arguments = readonly bigint[]

export class Hypercalls {
  readonly #options: HypercallOptions
  readonly #calls = new Map<string, number>()
  #updates = 0
  #zeroingAvoided = 0
  #zeroed = 0
  #pagesOut = 0
  #target = 0
  #listens = false

  constructor(options: HypercallOptions) {
    this.#options = options
    this.#pagesOut = options.pagesOut ?? 0
    // Until the node says otherwise: a guest that hears of no wish any more would have them all back, on a node that may be as short.
    this.#target = this.#pagesOut
  }

  counts(): ParaCounts {
    const [calls, updates, zeroingAvoided] = [this.#calls, this.#updates, this.#zeroingAvoided]
    return { calls, updates, zeroingAvoided, zeroed: this.#zeroed, pagesOut: this.#pagesOut, listens: this.#listens, target: this.#target }
  }

  /** So many pages the guest would do well to do without, in all: it hears of it when it asks, and is rung up (SSIP) as long as that is not so. */
  askBalloon(pages: number): void {
    this.#target = pages
    const [first] = this.#options.vcpus
    if (this.#listens && this.#pagesOut !== pages) first?.file.set(Slot.mipSoftware, first.file.get(Slot.mipSoftware) | SSIP)
  }

  /** Is this environment call from S-mode one of ours? */
  static asked(view: ExitView): boolean {
    return view.register(A7) === HYPERCALL
  }

  call(vcpu: Vcpu, view: ExitView): Entry | Request {
    const number = view.register(A6)
    const values = Array.from({ length: ARGUMENTS }, (_, index) => view.register(A0 + index))
    const answer = this.#answer(vcpu, number, values)
    const cause = `hypercall-${nameOf(number) ?? "unknown"}`
    const step: Step = {
      kind: "next",
      result: null,
      registers: [
        { register: A0, value: answer.error },
        { register: A0 + 1, value: answer.value },
      ],
    }
    if (number !== YIELD || answer.error !== SbiError.success) return { kind: "entry", cause, class: "R", step }
    return { kind: "request", cause, class: "R", step, wanted: { kind: "yield", to: this.#vcpuOf(values[0]) } }
  }

  #vcpuOf(wanted = ANY): number | null {
    return wanted < BigInt(this.#options.vcpus.length) ? Number(wanted) : null
  }

  #answer(vcpu: Vcpu, number: bigint, values: Arguments): Answer {
    const name = nameOf(number)
    if (name === null) return refused(SbiError.notSupported)
    this.#calls.set(name, (this.#calls.get(name) ?? 0) + 1)
    return this.#carryOut(vcpu, name, values)
  }

  #carryOut(vcpu: Vcpu, name: Name, values: Arguments): Answer {
    const [first = 0n, second = 0n] = values
    switch (name) {
      case "features":
        return done(FEATURES)
      case "yield":
        return first === ANY || this.#vcpuOf(first) !== null ? done(0n) : refused(SbiError.invalidParameter)
      case "update-tables":
        return this.#updateTables(first, second)
      case "set-timer":
        return setTimer(vcpu, first)
      case "zero-page":
        return this.#zeroPage(first)
      case "balloon-out":
        return this.#forList(first, second, (page) => this.#balloonOut(page))
      case "balloon-in":
        return this.#forList(first, second, (page) => this.#balloonIn(page))
      case "switch-space":
        return switchSpace(vcpu, first, second)
      case "multicall":
        return this.#multicall(vcpu, first, second)
      case "balloon-target":
        this.#listens = true
        return done(BigInt(this.#target))
    }
  }

  #updateTables(list: bigint, count: bigint): Answer {
    const { memory, vcpus } = this.#options
    const wrong = listProblem(list, count, LIST_MAX)
    if (wrong !== null) return wrong
    let updated = 0n
    let changed = false
    for (; updated < count; updated += 1n) {
      const at = memory.read64(list + 2n * WORD_BYTES * updated)
      const entry = memory.read64(list + 2n * WORD_BYTES * updated + WORD_BYTES)
      const old = at === null || at % WORD_BYTES !== 0n ? null : memory.read64(at)
      if (at === null || entry === null || old === null) break
      // Nothing hangs on an entry that was not valid, unless a fence is owed: its table is neither fenced nor noted as written.
      if ((old & VALID) === 0n && !vcpus.some(({ mmu }) => mmu.owes(at >> PAGE_SHIFT))) memory.writeEntry(at, entry)
      else changed = memory.write64(at, entry) || changed
    }
    this.#updates += Number(updated)
    this.#options.updated?.(Number(updated))
    if (changed) {
      for (const { file, mmu } of vcpus) {
        file.tlb?.fence(EVERYTHING)
        mmu.fence(EVERYTHING)
      }
    }
    return updated === count ? done(updated) : { error: SbiError.invalidAddress, value: updated }
  }

  #zeroPage(address: bigint): Answer {
    const { memory } = this.#options
    const page = pageOf(address)
    if (page === null || !memory.contains(address, PAGE_BYTES) || memory.isOut(page)) return refused(SbiError.invalidAddress)
    if (!memory.isTouched(page)) {
      this.#zeroingAvoided += 1
      return done(1n)
    }
    memory.write(address, ZEROS)
    this.#zeroed += 1
    return done(0n)
  }

  #balloonOut(page: bigint): bigint {
    const { memory, quota } = this.#options
    if (memory.isOut(page)) return SbiError.invalidParameter
    if (!memory.contains(page << PAGE_SHIFT, PAGE_BYTES)) return SbiError.invalidAddress
    memory.takeOut(page)
    quota.giveBack(1)
    this.#pagesOut += 1
    return SbiError.success
  }

  #balloonIn(page: bigint): bigint {
    const { memory, quota } = this.#options
    if (!memory.isOut(page)) return SbiError.invalidParameter
    if (!quota.claim(1)) return SbiError.failed
    memory.bringBack(page)
    this.#pagesOut -= 1
    return SbiError.success
  }

  #forList(list: bigint, count: bigint, each: (page: bigint) => bigint): Answer {
    const wrong = listProblem(list, count, LIST_MAX)
    if (wrong !== null) return wrong
    for (let index = 0n; index < count; index += 1n) {
      const page = pageOf(this.#options.memory.read64(list + WORD_BYTES * index))
      const error = page === null ? SbiError.invalidAddress : each(page)
      if (error !== SbiError.success) return { error, value: index }
    }
    return done(count)
  }

  #multicall(vcpu: Vcpu, list: bigint, count: bigint): Answer {
    const { memory } = this.#options
    const wrong = listProblem(list, count, CALLS_MAX)
    if (wrong !== null) return wrong
    for (let index = 0n; index < count; index += 1n) {
      const at = list + CALL_WORDS * WORD_BYTES * index
      const words = Array.from({ length: ARGUMENTS + 1 }, (_, word) => memory.read64(at + WORD_BYTES * BigInt(word)))
      if (words.includes(null)) return { error: SbiError.invalidAddress, value: index }
      const [number = 0n, ...values] = words.map((word) => word ?? 0n)
      const nested = number === MULTICALL || number === YIELD || number === BALLOON_TARGET || number === 0n
      const { error } = nested ? refused(SbiError.denied) : this.#answer(vcpu, number, values)
      memory.write64(at + WORD_BYTES * (CALL_WORDS - 1n), error)
      if (error !== SbiError.success) return { error, value: index }
    }
    return done(count)
  }
}

function nameOf(number: bigint): Name | null {
  return number < BigInt(NAMES.length) ? (NAMES[Number(number)] ?? null) : null
}

/** The page number of a page's address. */
function pageOf(address: bigint | null): bigint | null {
  return address === null || address % BigInt(PAGE_BYTES) !== 0n ? null : address >> PAGE_SHIFT
}

function listProblem(list: bigint, count: bigint, most: bigint): Answer | null {
  if (list % WORD_BYTES !== 0n) return refused(SbiError.invalidAddress)
  return count === 0n || count > most ? refused(SbiError.invalidParameter) : null
}

function setTimer({ file }: Vcpu, deadline: bigint): Answer {
  if ((file.get(Slot.menvcfg) & STCE) === 0n) return refused(SbiError.denied)
  file.set(Slot.stimecmp, deadline)
  return done(0n)
}

function switchSpace({ file, mmu }: Vcpu, satp: bigint, fence: bigint): Answer {
  if ((file.get(Slot.mstatus) & TVM) !== 0n) return refused(SbiError.denied)
  writeSatp(file, satp)
  if (file.get(Slot.satp) !== satp) return refused(SbiError.invalidParameter)
  if (fence === 1n) {
    file.tlb?.fence(EVERYTHING)
    mmu.fence(EVERYTHING)
  }
  mmu.moved()
  return done(0n)
}

function done(value: bigint): Answer {
  return { error: SbiError.success, value }
}

function refused(error: bigint): Answer {
  return { error, value: 0n }
}

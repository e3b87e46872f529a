/**
 * Privileged operations that a CPU of the engine carries out itself, where its host asks for it: what hardware does, without a trip to the host.
 *
 * The usual CSRs, the CPU's own traps, mret and sret; where asked satp and sfence.vma. Rare CSRs, whatever depends on time, wfi, PMP and illegal
 * instructions leave as ever. The host tells before each run what is pending (`begin`) and asks after it what was served (`take`): the same run, with
 * fewer exits. Interrupts are never taken inside: where one might be due the run ends early, as `budget`.
 */
import type { Translation } from "./engine.ts"

/** Of the privileged state of one CPU: 64 words, numbered as `Slot` of trap/csr. */
export const PRIVILEGED_WORDS = 64

export interface ServingHow {
  /** CSRs, the CPU's own traps and returns; `leave`: none of them, and the rest of this says nothing but for `tables`. */
  readonly traps: "served" | "leave"
  /** satp and sfence.vma, too; with translations `told` a fence only while it forgets nothing (`fencesLeave`). */
  readonly spaces: boolean
  /** `own`: the CPU's state says how addresses translate. `told`: only as `addSpace` has told, else it leaves; page faults leave, too. */
  readonly translations: "own" | "told"
  /** An environment call of S-mode: a trap, or the host's business (SBI, a hypercall). */
  readonly supervisorCalls: "trap" | "leave"
  /** What the host counts as if it had left (`Served.calls`): all of it, satp and sfence.vma, or none. */
  readonly exits: "all" | "spaces" | "none"
  /**
   * `told`: a run ends where the CPU turns supervisor interrupts on in the state in which it did so before, with no user mode between, and all that it has stored meanwhile
   * came to nothing (`Served.cameBack`): it has gone round in its kernel and found nothing to do. `none`: nobody looks.
   */
  readonly rounds: "told" | "none"
  /** Tables that walks read are noted, so that a fence with no change between forgets nothing (`fence`). */
  readonly tables: "noted" | "unknown"
}

export interface ServedCounts {
  /** Instructions on CSRs, without those of satp. */
  readonly csrs: number
  readonly satps: number
  readonly returns: number
  readonly fences: number
  /** By exception cause, 0…15; only those that occurred. */
  readonly traps: readonly { readonly cause: number; readonly count: number }[]
}

/** What was served since the last report. */
export interface Served extends ServedCounts {
  /** Traps without a return between, as `begin` counted them on. */
  readonly trapsNested: number
  /** The last thing was a trap, and nothing has retired since. */
  readonly trappedLast: boolean
  /**
   * The run has ended because it came round (`ServingHow.rounds`). `proof`: nobody else has written meanwhile, so it goes round until somebody does or interrupts it.
   * `guess`: somebody may have, and may have undone what it stored or left it something to do; it has done nothing itself, as far as memory shows. Null: it has not come round.
   */
  readonly cameBack: "proof" | "guess" | null
  /** The CPU's translation is another than was set. */
  readonly moved: boolean
  readonly calls: ServedCalls
}

/** System calls of user mode, from the environment call to the next return to user mode. "Exits" are what `ServingHow.exits` says, that call and that return left out. */
export interface ServedCalls {
  /** The call that was open before has ended. */
  readonly closedFirst: boolean
  /** So many began and ended. */
  readonly whole: number
  /** One has begun and is open. */
  readonly open: boolean
  /** Null where none are counted. */
  readonly exits: ServedCallExits | null
}

export interface ServedCallExits {
  /** Of the call that was open before, since then; of the whole ones together; of that with fewest and with most; of the one that is open, since the report before. */
  readonly closed: number
  readonly whole: number
  readonly fewest: number
  readonly most: number
  readonly open: number
  /** All that was served inside calls, exits or not. */
  readonly inside: ServedCounts
}

/** What a CPU that serves itself is told before a run. */
export interface BeforeRun {
  /** As `mip` is now and will be while the run lasts. */
  readonly pending: bigint
  readonly trapsNested: number
  /** A system call is under way. */
  readonly callOpen: boolean
  /** With translations `told`: the host must see fences, since there is something to forget. */
  readonly fencesLeave: boolean
}

export interface PrivilegedCpus {
  /** The words themselves, unsigned 64 bits: writing them changes the CPU. Valid as long as the engine. */
  words(cpu: number): BigUint64Array
  /** What this CPU serves from now on; null: nothing, as at first. Forgets its look-ups and what it was told of spaces. */
  serve(cpu: number, how: ServingHow | null): void
  begin(cpu: number, before: BeforeRun): void
  /** Null: nothing was. */
  take(cpu: number): Served | null
  /** For `told`: state that translates as `from` goes on with the tables at `root`, otherwise as now. */
  addSpace(cpu: number, from: Translation, root: bigint): void
  forgetSpaces(cpu: number): void
  /** sfence.vma by a host that carries it out: of one page, or of all. Unlike `flushTranslations` it trusts that tables which nobody wrote are what they were. */
  fence(cpu: number, virtualAddress?: bigint): void
}

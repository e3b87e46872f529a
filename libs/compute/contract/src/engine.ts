/**
 * The engine: executes RV64 user-level instructions on the CPUs of one memory, and leaves with a cause for everything else.
 *
 * Not here: privileged state, interrupts, devices and time. Whoever holds the engine (the native board, the VMM) looks at
 * the exit, changes registers or translation, and runs again. Synchronous and metered by instructions, never by time:
 * the same calls give the same result. Cause numbers are those of `mcause` (privileged manual, table "mcause values after
 * trap"). Design: README.md of compute/engine.
 */

import type { PrivilegedCpus } from "./privileged.ts"

/** Where the architecture's RAM begins (QEMU's `virt`). */
export const RAM_BASE = 0x8000_0000n

/** Of translation, of protection by page tables, and of what moves between nodes. */
export const PAGE_BYTES = 4096

export type AccessKind = "fetch" | "load" | "store"

/**
 * Why `run` returned. Common to all: `pc` is the virtual address of the instruction that did *not* complete (for `budget`
 * and `watch`: of the next one), `retired` the instructions completed by this call, exact.
 */
export type EngineExit = EngineExitBody & { readonly pc: bigint; readonly retired: number }

export type EngineExitBody =
  /** As many instructions as asked; fewer, where the CPU serves itself (privileged.ts) and interrupts must be looked at. */
  | { readonly kind: "budget" }
  /** An exception of the instruction at `pc`: illegal (2), misaligned LR/SC/AMO (4, 6), access (1, 5, 7) or page fault (12, 13, 15). */
  | { readonly kind: "exception"; readonly cause: number; readonly value: bigint; readonly instruction: number }
  /** An instruction of the SYSTEM opcode: ecall, ebreak, CSR, mret, sret, wfi, sfence.vma, or none of these (then illegal). `length` in bytes: 2 for c.ebreak. */
  | { readonly kind: "system"; readonly instruction: number; readonly length: 2 | 4 }
  /** A load outside RAM. Answer with `completeLoad`, or take an access fault (cause 5, `virtualAddress`). */
  | {
      readonly kind: "io-load"
      readonly address: bigint
      readonly virtualAddress: bigint
      readonly width: 1 | 2 | 4 | 8
      readonly instruction: number
    }
  /** A store outside RAM; `value` is zero-extended from `width` bytes. Answer with `completeStore`, or take an access fault (cause 7). */
  | {
      readonly kind: "io-store"
      readonly address: bigint
      readonly virtualAddress: bigint
      readonly width: 1 | 2 | 4 | 8
      readonly value: bigint
      readonly instruction: number
    }
  /** A store to a watched page completed (see `watchPage`). `address` is physical. */
  | { readonly kind: "watch"; readonly address: bigint }
  /** Translation mode `refill` only: the look-up TLB has no entry. Answer with `installTranslation` and run again. */
  | { readonly kind: "tlb-miss"; readonly access: AccessKind; readonly virtualAddress: bigint; readonly instruction: number }
  /**
   * With a second stage only: it has no entry for the physical `address` (of the access itself, or of a table that the walk reads), or
   * none that allows a store though `write` is asked. Make one and run again, or take an access fault for `access` at `virtualAddress`.
   */
  | {
      readonly kind: "stage-miss"
      readonly access: AccessKind
      readonly address: bigint
      readonly virtualAddress: bigint
      readonly write: boolean
      readonly instruction: number
    }
  /**
   * The frame of the machine `address` may not be used so (`setFrameRights`): by the access itself, or by the walk that reads a table or,
   * with `write`, sets A and D there. Give the rights and run again.
   */
  | {
      readonly kind: "frame"
      readonly access: AccessKind
      readonly address: bigint
      readonly virtualAddress: bigint
      readonly write: boolean
      readonly instruction: number
    }

/** What the CPUs may do with a frame: see `setFrameRights`. */
export type FrameRights = "none" | "read" | "write"

/** 0 user, 1 supervisor, 3 machine: as in `mstatus.MPP`. */
export type PrivilegeLevel = 0 | 1 | 3

/**
 * How addresses of one CPU become physical, until the next call. Several recent ones keep their look-up TLB, keyed by
 * everything in here: going to and fro is cheap, and `flushTranslations` forgets all of them.
 */
export interface Translation {
  /** `bare`: virtual is physical. `sv39`: the engine walks the tables at `root` and sets A and D. `refill`: misses leave. */
  readonly mode: "bare" | "sv39" | "refill"
  /** Physical page number of the root table (`satp.PPN`); for `refill` any number that names the address space. */
  readonly root: bigint
  readonly fetchPrivilege: PrivilegeLevel
  /** Differs from `fetchPrivilege` only under `mstatus.MPRV`. A machine-mode fetch is always bare, whatever `mode` says. */
  readonly dataPrivilege: PrivilegeLevel
  readonly sum: boolean
  readonly mxr: boolean
  /**
   * A second stage (hardware's nested paging): machine page number of the root of tables in Sv39's form, physical → machine, for
   * everything from `RAM_BASE` up, the tables of the first stage included; R and W of its leaves count, U, A and D do not. PMP is asked for
   * physical addresses. Absent: physical is machine. A change of root forgets all look-ups; a change of tables needs `flushTranslations`.
   */
  readonly secondStage?: bigint
}

/** One PMP region in priority order, in bytes, `to` exclusive. `locked` binds machine mode too. */
export interface ProtectionRegion {
  readonly from: bigint
  readonly to: bigint
  readonly read: boolean
  readonly write: boolean
  readonly execute: boolean
  readonly locked: boolean
}

/**
 * One mapping for translation mode `refill`: 4 KiB, for the CPU's present translation. Fetches are kept apart from loads and stores: give
 * those of the access that missed, so that no other page is driven out.
 */
export interface InstalledTranslation {
  readonly virtualAddress: bigint
  readonly physicalAddress: bigint
  readonly read: boolean
  readonly write: boolean
  readonly execute: boolean
}

/** One entry of the look-up TLB, for audits. */
export interface LookUp {
  readonly access: AccessKind
  readonly virtualAddress: bigint
  /** Of the page's first byte; below `RAM_BASE` only where mode `refill` was given a device. */
  readonly machineAddress: bigint
  /** It serves the CPU's present translation; else another that is kept. */
  readonly current: boolean
}

/** What of a CPU must move with its vCPU. The reservation need not: a move may break it (`writeReservation` where it shall not). */
export interface CpuState {
  /** x0…x31, unsigned 64 bits. */
  readonly registers: readonly bigint[]
  readonly pc: bigint
  readonly instret: bigint
}

/** `round`: instructions of one round, null where none was found. `exit`: a step left; the exit is for the caller, `retired` are all steps. */
export interface FoundRound {
  readonly steps: number
  readonly round: number | null
  readonly exit: EngineExit | null
}

export interface EngineOptions {
  /** Bytes of RAM from `RAM_BASE`; a multiple of 4096. */
  readonly memoryBytes: number
  readonly cpus: number
}

/** All 64-bit values are unsigned (0…2^64-1); wider or negative ones given in are reduced modulo 2^64. */
export interface Engine {
  readonly options: EngineOptions
  /** Privileged operations that CPUs carry out without leaving; null: this engine leaves with all of them. */
  readonly privileged: PrivilegedCpus | null

  /** Runs one CPU for at most `budgetInstructions` (1…2^31-1) and stops exactly there. */
  run(cpu: number, budgetInstructions: number): EngineExit

  /**
   * Steps a CPU on until pc and registers are what they were and nothing between wrote memory or left, at most so many instructions: then every further
   * round is the same until somebody else writes, or an interrupt is due. The steps are ordinary execution.
   */
  findRound(cpu: number, mostInstructions: number): FoundRound

  readRegister(cpu: number, index: number): bigint
  /** A write of x0 is discarded. */
  writeRegister(cpu: number, index: number, value: bigint): void
  readPc(cpu: number): bigint
  writePc(cpu: number, pc: bigint): void
  /** Instructions retired, those completed by the host (`complete…`) included. */
  readInstret(cpu: number): bigint
  writeInstret(cpu: number, instret: bigint): void
  captureCpu(cpu: number): CpuState
  restoreCpu(cpu: number, state: CpuState): void

  /** Finishes the load of the last exit `io-load`: `value` is cut to its width and extended as the instruction says. Retires it. */
  completeLoad(cpu: number, value: bigint): void
  /** Finishes the store of the last exit `io-store`. Retires it. */
  completeStore(cpu: number): void
  /** Finishes the last exit `system`: writes `result` to its rd when given, goes to the next instruction. Retires it. */
  completeSystem(cpu: number, result?: bigint): void
  /** The same for one that jumps (mret, sret). Retires it. */
  completeJump(cpu: number, pc: bigint): void

  setTranslation(cpu: number, translation: Translation): void
  /** The PMP of one CPU; flushes its translations. Without any region and with `denyUnmatched`, only machine mode gets through. */
  setProtection(cpu: number, protection: { readonly regions: readonly ProtectionRegion[]; readonly denyUnmatched: boolean }): void
  /** Forgets every look-up TLB entry of this CPU (sfence.vma), or those of one page. */
  flushTranslations(cpu: number, virtualAddress?: bigint): void
  installTranslation(cpu: number, entry: InstalledTranslation): void
  /** The walk a load, store or fetch would do now (A and D are set as it would): its machine address, or the exception cause (0x100 and 0x101: what would be a `tlb-miss` and a `stage-miss`). */
  translate(cpu: number, virtualAddress: bigint, access: AccessKind): { readonly address: bigint } | { readonly cause: number }

  /** All that the look-up TLB of this CPU would answer without asking anybody, what mode `refill` was given included. Slow: for audits. */
  lookUps(cpu: number): readonly LookUp[]

  /** Physical memory. A range that is not wholly RAM is an assertion: ask `isMemory` first. */
  isMemory(address: bigint, bytes: number): boolean
  /** `into`: of that length, where an engine that can puts them; they are in what is returned, which is the caller's. */
  readMemory(address: bigint, bytes: number, into?: Uint8Array): Uint8Array
  /** As a device's DMA: code made from these bytes is forgotten, reservations of other CPUs on them break. */
  writeMemory(address: bigint, data: Uint8Array): void
  /** A store into the 4 KiB page of this physical address makes `run` return `watch` after it (HTIF's `tohost`). */
  watchPage(address: bigint, watched: "watched" | "unwatched"): void
  /**
   * What every CPU may do with the frame of this machine address; at first "write". An access that needs more leaves with `frame`. On
   * return no CPU has a look-up entry or decoded code that allows more; with "none" its reservations are broken. The host itself may
   * read and write it all the same.
   */
  setFrameRights(address: bigint, rights: FrameRights): void
  clearReservation(cpu: number): void
  /** Physical address of the last load-reserved while its reservation holds, else null. */
  readReservation(cpu: number): bigint | null
  /** Sets the reservation as if this CPU had just loaded it: for a run that must go on exactly as it would have. */
  writeReservation(cpu: number, address: bigint): void
}

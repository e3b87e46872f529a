/**
 * The engine's linear memory: where everything lies. The one source for the interpreter (AssemblyScript gets these numbers as
 * constants when it is built), for the TypeScript face, and for the translator to come.
 *
 *   0              constants of the module
 *   STATES         one state block per CPU: CPU_BYTES each, fields below
 *   frame flags    one byte per 4 KiB frame of RAM: FRAME_…
 *   frame → slot   u32 per frame: address of its decoded page, or 0
 *   slots          SLOT_BYTES each: a header (u32 host address of the frame, u32 frame), then one 8-byte record per halfword
 *   RAM            page-aligned, to the end
 */

/** Offsets in a CPU's state block. Sizes in bytes. */
export const LAYOUT = {
  /** x0…x31, 8 each. x0 is never written. */
  X: 0,
  /** Where writes of x0 go: the 33rd register, never read. */
  X_SINK: 256,
  /** Machine page number of the second stage's root table, 0 for one stage only. u64. */
  SECOND_STAGE: 264,
  PC: 272,
  INSTRET: 280,
  /** Address in linear memory of the reserved bytes, 0 for none. u32. */
  RESERVATION: 288,
  /** 0 bare, 1 sv39, 2 refill. u32 each. */
  MODE: 296,
  FETCH_PRIVILEGE: 300,
  DATA_PRIVILEGE: 304,
  /** Bit 0 SUM, bit 1 MXR. */
  TRANSLATION_FLAGS: 308,
  /** Physical page number of the root table. u64. */
  ROOT: 312,
  /** Address of the look-up TLB bank in use. u32. */
  BANK: 320,
  /** Next bank to give away. u32. */
  BANK_VICTIM: 324,
  PROTECTION_COUNT: 328,
  PROTECTION_DENY_UNMATCHED: 332,
  EXIT_KIND: 336,
  EXIT_CAUSE: 340,
  /** Virtual address or tval. u64. */
  EXIT_VALUE: 344,
  /** Physical address. u64. */
  EXIT_ADDRESS: 352,
  EXIT_INSTRUCTION: 360,
  /** Of a device access in bytes; for STAGE_MISS: 1 if the second stage must allow a store. */
  EXIT_WIDTH: 364,
  /** What a store outside RAM would write. u64. */
  EXIT_DATA: 368,
  EXIT_RETIRED: 376,
  /** A page-straddling instruction is decoded here: two records and the end mark. */
  SCRATCH: 384,
  /** Its raw bits. u32. */
  SCRATCH_RAW: 408,
  /** Regions of the PMP, 24 each: from u64, to u64, flags u32 (PROTECTION_…). */
  PROTECTION: 512,
  /** Privileged state of the CPU's own, 64 slots of 8 (trap/csr's file; CSR_SLOT are those that the engine knows). */
  VIRTUAL_CSRS: 2048,
  /** What is served without the host: bits of SERVE. 0: nothing. u32. */
  SERVE: 2560,
  /** Traps without a return between; the host and the engine both count. u32. */
  TRAPS_NESTED: 2564,
  /** Interrupts that are pending while the run lasts, as in `mip`. u64. */
  PENDING: 2568,
  /** A table that a walk has read was written since all look-ups were forgotten. u32. */
  TABLES_CHANGED: 2576,
  /** The last thing served was a trap, and nothing has retired since. u32. */
  TRAPPED_LAST: 2580,
  /** What was served changed the translation. u32. */
  MOVED: 2584,
  /** System calls of user mode: 0 none is open, 1 one of before the last report, 2 one since. u32. */
  CALL_STATE: 2588,
  /** The one of before was closed; calls opened and closed since. u32 each. */
  CALL_CLOSED: 2592,
  CALLS: 2596,
  /** Counts since the last report, SERVED_FIELDS of u32: CSR instructions, returns, fences, those of satp; then traps by cause. */
  SERVED_CSRS: 2600,
  SERVED_RETURNS: 2604,
  SERVED_FENCES: 2608,
  SERVED_SATPS: 2612,
  SERVED_TRAPS: 2616,
  /** Next of CONTEXTS to give away. u32. */
  CONTEXT_VICTIM: 2680,
  /** With CONTEXTS: fences are the host's. u32. */
  FENCES_LEAVE: 2684,
  /** Where translations come from a table: 24 each: how u32 (as in a bank's key), known u32, root u64, machine root u64. */
  CONTEXTS: 2688,
  /** One key per bank, 24 each: valid u32, mode and flags and privileges u32, root u64, superpages u32. */
  BANK_KEYS: 2880,
  /** The counts from SERVED_CSRS on as they were when the open call began or was last looked at; and how much of them fell into calls. */
  CALL_BASE: 3072,
  CALL_INSIDE: 3152,
  /** Exits of calls since the last report, u32 each: of the one of before, of the whole ones, of that with fewest, of that with most. */
  CALL_CLOSED_EXITS: 3232,
  CALLS_EXITS: 3236,
  CALLS_FEWEST: 3240,
  CALLS_MOST: 3244,
  /** Of rounds in the kernel: what is looked for, how many places were passed since it was noted and after how many another is noted. u64, then u32 each. */
  ROUND_MARK: 3248,
  ROUND_PASSED: 3256,
  ROUND_LIMIT: 3260,
  /** One of CAME_BACK below. u32. */
  CAME_BACK: 3264,
  /** Returns to the mark to pass by before the CPU's stores are watched again, now and after the next one that changed something; it has come round and goes on from there. u32 each. */
  ROUND_SKIP: 3268,
  ROUND_SKIP_NEXT: 3272,
  ROUND_RESUMES: 3276,
  /** Of a CPU whose stores are watched (assembly/own-stores.ts): that it is, words kept, and how often others had written when that began. u32 each. */
  STORES_WATCHED: 3280,
  STORES_WORDS: 3284,
  STORES_ALONE: 3288,
  /** The look-up TLB: BANKS × BANK_BYTES. */
  BANKS: 4096,
  /** Its state at the mark of its rounds, and when its last run ended (assembly/kernel-rounds.ts). */
  AT_MARK: 331776,
  AT_END: 332800,
  /** The words: STORES_PLACES places. */
  STORES_KEPT: 333824,
} as const

export const BANK_COUNT = 8
export const BANK_KEY_BYTES = 24
export const TLB_ENTRIES = 512
/** One entry: u64 tag (virtual page address, or all ones), u32 addend (host minus virtual; for fetch the decoded page), u32 unused. */
export const TLB_ENTRY_BYTES = 16
/**
 * In a bank: five direct-mapped arrays. `INSTALLED` holds what mode `refill` was given for loads and stores, `INSTALLED_FETCH` for fetches: u64
 * tag, u64 physical page | permission bits. Two arrays, so that an instruction and its data never drive each other out for ever.
 */
export const BANK = { READ: 0, WRITE: 8192, FETCH: 16384, INSTALLED: 24576, INSTALLED_FETCH: 32768 } as const
export const BANK_BYTES = 40960

/** Words of eight bytes that are kept at most; who writes more does something. Each in a place of a table: u32 address in linear memory, 0 for none; at 8 what was there, u64. */
export const STORES_WORDS_MAX = 768
export const STORES_PLACES = 1024
export const STORES_PLACE_BITS = 10
export const STORES_PLACE_BYTES = 16
export const CPU_BYTES = LAYOUT.STORES_KEPT + STORES_PLACES * STORES_PLACE_BYTES

export const PROTECTION_REGIONS_MAX = 64
export const PROTECTION_REGION_BYTES = 24
export const PROTECTION_READ = 1
export const PROTECTION_WRITE = 2
export const PROTECTION_EXECUTE = 4
export const PROTECTION_LOCKED = 8

/** The frame holds decoded instructions: stores go the slow way and forget them. */
export const FRAME_CODE = 1
/** Stores are reported (`watchPage`). */
export const FRAME_WATCHED = 2
/** Another CPU holds a reservation in it. */
export const FRAME_RESERVED = 4
/** The host allows no access, or no store: an access that needs it leaves (`setFrameRights`). */
export const FRAME_ABSENT = 8
export const FRAME_READ_ONLY = 16

/** A walk of a CPU that serves its own fences has read a table there: stores are noted, or a fence would have to forget everything. */
export const FRAME_TABLE = 32

/** Bits of `SERVE`. TRAPS: CSRs, the CPU's own traps and returns. SPACES: satp and sfence.vma. CONTEXTS: translations come from the table, page faults leave. CALLS_LEAVE: environment calls of S-mode leave. TABLES: tables are noted. EXITS_ALL, EXITS_SPACES: what counts as an exit inside calls. ROUNDS: coming round in the kernel ends the run. */
export const SERVE = { TRAPS: 1, SPACES: 2, CONTEXTS: 4, CALLS_LEAVE: 8, TABLES: 16, EXITS_ALL: 32, EXITS_SPACES: 64, ROUNDS: 128 } as const
/** Values of CAME_BACK: it has not; nobody else can have written meanwhile; somebody may have. */
export const CAME_BACK = { NOT: 0, ALONE: 1, BESIDE: 2 } as const
export const CONTEXT_COUNT = 8
export const CONTEXT_BYTES = 24
/** Causes that are counted one by one. */
export const SERVED_CAUSES = 16
export const SERVED_FIELDS = 4 + SERVED_CAUSES
/** Traps without a return between that the engine serves; further ones leave, so that the host can call the CPU stuck. */
export const TRAPS_NESTED_SERVED_MAX = 65_000
export const CSR_SLOTS = 64
/** The slots of trap/csr (`Slot`) that the engine works on; a test there compares the two. */
export const CSR_SLOT = {
  PRIVILEGE: 0,
  MSTATUS: 1,
  MEDELEG: 2,
  MIDELEG: 3,
  MIE: 4,
  MTVEC: 7,
  MSCRATCH: 9,
  MEPC: 10,
  MCAUSE: 11,
  MTVAL: 12,
  STVEC: 15,
  SSCRATCH: 17,
  SEPC: 18,
  SCAUSE: 19,
  STVAL: 20,
  SATP: 23,
  MHARTID: 26,
} as const

/** Bytes of a reservation set. */
export const GRANULE_BYTES = 64

export const RECORD_BYTES = 8
export const SLOT_HEADER_BYTES = 64
/** 2048 records, the end mark, and a line of padding so that slots do not share cache sets. */
export const SLOT_BYTES = SLOT_HEADER_BYTES + 2048 * RECORD_BYTES + 64
export const SLOTS_MAX = 1024

export const PAGE_BYTES = 4096
/** The first 64 KiB belong to the module's own constants. */
export const STATES = 65536

export const EXIT = { BUDGET: 0, EXCEPTION: 1, SYSTEM: 2, IO_LOAD: 3, IO_STORE: 4, WATCH: 5, TLB_MISS: 6, STAGE_MISS: 7, FRAME: 8 } as const
export const MODE = { BARE: 0, SV39: 1, REFILL: 2 } as const
export const ACCESS = { FETCH: 0, LOAD: 1, STORE: 2 } as const

export interface MemoryMap {
  readonly frameFlags: number
  readonly frameSlots: number
  readonly slots: number
  readonly slotCount: number
  readonly ram: number
  readonly bytes: number
}

const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to

/** Where the parts lie for a memory of this size. */
export function memoryMap(memoryBytes: number, cpus: number): MemoryMap {
  const frames = memoryBytes / PAGE_BYTES
  const frameFlags = STATES + cpus * CPU_BYTES
  const frameSlots = alignUp(frameFlags + frames, 64)
  const slots = alignUp(frameSlots + frames * 4, 64)
  const slotCount = Math.min(frames, SLOTS_MAX)
  const ram = alignUp(slots + slotCount * SLOT_BYTES, 65536)
  // Eight bytes beyond: raw instruction bits are read four at a time, also at the last halfword.
  return { frameFlags, frameSlots, slots, slotCount, ram, bytes: alignUp(ram + memoryBytes + 8, 65536) }
}

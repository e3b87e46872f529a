/**
 * Where the timed engine keeps caches, TLBs, directory and counters: a region of linear memory behind RAM. The one source for the
 * WebAssembly build and for the TypeScript face; the functional build has none of it.
 *
 *   header         TIMING_HEADER_BYTES: costs and places, u32 each (HEADER_…)
 *   CPU blocks     CLOCK_BYTES each: virtual time, where the CPU sits, counters (CLOCK_…)
 *   core blocks    head (CORE_…), then three filters, two first-level caches, the TLB; size by geometry
 *   node blocks    head (NODE_…), then the second-level cache
 *   directory      u32 per line of RAM: bit n: node n may hold it; bit 31: that node holds it alone
 *   frame homes    u8 per frame: its node, HOME_NONE before the first touch
 *   frame copies   u32 per frame: nodes with a copy of their own
 *   page counters  per frame, per node: u32 misses that read, u32 misses that wrote
 *
 * A first-level tag is line << 2 | state (0 invalid, 1 shared, 2 exclusive, 3 modified), a second-level tag line << 1 | dirty; line is the
 * address in linear memory / 64, and never 0. The ways of a set stand in the order of their last use, the newest first.
 * A filter has one u32 per set of its cache: the newest line, when an access to it changes nothing; else 0.
 */
import { TIMING_COUNTERS, type TimingCounter } from "@backplane/compute-contract/timing"
import { CPU_BYTES, LAYOUT, PAGE_BYTES, STATES } from "./layout.ts"

export const TIMING_HEADER_BYTES = 1024
export const TIMED_NODES_MAX = 30

/** u32 each, offsets in the header. */
export const HEADER = {
  NODES: 0,
  CPUS: 4,
  FIRST_SETS: 8,
  FIRST_WAYS: 12,
  SECOND_SETS: 16,
  SECOND_WAYS: 20,
  SECOND_HIT: 24,
  TLB_SETS: 28,
  TLB_WAYS: 32,
  TLB_MISS: 36,
  TRANSFER: 40,
  BUS_OCCUPANCY: 44,
  LOCAL: 48,
  REMOTE: 52,
  REMOTE_DIRTY: 56,
  MEMORY_OCCUPANCY: 60,
  /** 1: a store updates the copies in other cores of the node; 0: it invalidates them. */
  UPDATES: 64,
  /** PLACEMENT_…. */
  PLACEMENT: 68,
  /** What a store to a page with copies costs on top. */
  COLLAPSE: 72,
  CLOCKS: 76,
  CORES_AT: 80,
  CORE_BYTES: 84,
  NODES_AT: 88,
  NODE_BYTES: 92,
  DIRECTORY: 96,
  HOMES: 100,
  COPIES: 104,
  PAGE_COUNTERS: 108,
  CORE_COUNT: 112,
  /** Filters: bytes of one, which is 4 × FIRST_SETS. */
  FILTER_BYTES: 116,
  /** Offsets in a core block. */
  DATA_TAGS: 120,
  FETCH_TAGS: 124,
  TLB_TAGS: 128,
  TLB_HANDS: 132,
  /** While CPUs run together: when each can issue next, side by side for the search. u64 for each of up to 64 CPUs. */
  TURNS: 256,
} as const

export const PLACEMENT = { FIRST_TOUCH: 0, INTERLEAVE: 1, LOCAL: 2 } as const
export const HOME_NONE = 255

const COUNTERS_AT = 64
const offsetOf = (counter: TimingCounter): number => COUNTERS_AT + TIMING_COUNTERS.indexOf(counter) * 8

/** Offsets of counters in a CPU's block: u64 each, in the order of the contract's TIMING_COUNTERS. */
export const COUNTER = {
  FETCH_MISSES: offsetOf("fetchMisses"),
  DATA_MISSES: offsetOf("dataMisses"),
  UPGRADES: offsetOf("upgrades"),
  UPDATES: offsetOf("updates"),
  TRANSFERS: offsetOf("transfers"),
  SECOND_HITS: offsetOf("secondLevelHits"),
  LOCAL: offsetOf("localMisses"),
  REMOTE: offsetOf("remoteMisses"),
  THREE_HOP: offsetOf("threeHopMisses"),
  INVALIDATED: offsetOf("copiesInvalidated"),
  WRITE_BACKS: offsetOf("writeBacks"),
  TLB_MISSES: offsetOf("tlbMisses"),
  COLLAPSES: offsetOf("collapses"),
  FETCH_STALL: offsetOf("fetchStallCycles"),
  DATA_STALL: offsetOf("dataStallCycles"),
  TLB_STALL: offsetOf("tlbStallCycles"),
  QUEUE: offsetOf("queueCycles"),
  ISSUE_WAIT: offsetOf("issueWaitCycles"),
  EVENTS: offsetOf("eventCycles"),
} as const

/** A CPU's block. */
export const CLOCK = {
  /** Virtual time, cycles. u64. */
  TIME: 0,
  /** Where to stop a run at the latest: the run ends with the instruction that reaches it. u64. */
  DEADLINE: 8,
  /** Address of its core's block. u32 each. */
  CORE: 16,
  NODE: 20,
  /** 1: takes part in `runTogether`. */
  RUNNABLE: 24,
  /** The other CPU of the core, or its own index. */
  SIBLING: 28,
  COUNTERS: COUNTERS_AT,
} as const
export const CLOCK_BYTES = 256

export const CORE = {
  /** The first cycle that no instruction of the core has issued in. u64. */
  ISSUE_FREE: 0,
  FIRST_CPU: 8,
  CPU_COUNT: 12,
  NODE: 16,
  FILTERS: 64,
} as const

export const NODE = {
  /** When bus and memory are free again. u64 each. */
  BUS_FREE: 0,
  MEMORY_FREE: 8,
  FIRST_CORE: 16,
  CORE_COUNT: 20,
  SECOND_TAGS: 64,
} as const

export interface TimingShape {
  readonly nodes: number
  readonly cpus: number
  readonly cores: number
  readonly firstSets: number
  readonly firstWays: number
  readonly secondSets: number
  readonly secondWays: number
  readonly tlbSets: number
  readonly tlbWays: number
  readonly memoryBytes: number
}

export interface TimingMap {
  readonly clocks: number
  readonly cores: number
  readonly coreBytes: number
  readonly filterBytes: number
  readonly dataTags: number
  readonly fetchTags: number
  readonly tlbTags: number
  readonly tlbHands: number
  readonly nodes: number
  readonly nodeBytes: number
  readonly directory: number
  readonly homes: number
  readonly copies: number
  readonly pageCounters: number
  /** First byte behind the region. */
  readonly end: number
}

const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to

/** Where the parts lie, from the region's first byte. */
export function timingMap(at: number, shape: TimingShape): TimingMap {
  const filterBytes = shape.firstSets * 4
  const cacheBytes = shape.firstSets * shape.firstWays * 4
  const dataTags = alignUp(CORE.FILTERS + 3 * filterBytes, 64)
  const fetchTags = dataTags + cacheBytes
  const tlbTags = alignUp(fetchTags + cacheBytes, 64)
  const tlbHands = tlbTags + shape.tlbSets * shape.tlbWays * 8
  const coreBytes = alignUp(tlbHands + shape.tlbSets * 4, 64)
  const nodeBytes = alignUp(NODE.SECOND_TAGS + shape.secondSets * shape.secondWays * 4, 64)
  const frames = shape.memoryBytes / PAGE_BYTES
  const clocks = at + TIMING_HEADER_BYTES
  const cores = clocks + shape.cpus * CLOCK_BYTES
  const nodes = cores + shape.cores * coreBytes
  const directory = nodes + shape.nodes * nodeBytes
  const homes = directory + (shape.memoryBytes / 64) * 4
  const copies = alignUp(homes + frames, 64)
  const pageCounters = copies + frames * 4
  const end = pageCounters + frames * shape.nodes * 8
  return { clocks, cores, coreBytes, filterBytes, dataTags, fetchTags, tlbTags, tlbHands, nodes, nodeBytes, directory, homes, copies, pageCounters, end } // prettier-ignore
}

/** Where a CPU's state block holds the address of its CPU block. u32, 0 in the functional build. */
export const LAYOUT_CLOCK_AT = LAYOUT.SCRATCH_RAW + 4

export const stateBlockOf = (cpu: number): number => STATES + cpu * CPU_BYTES

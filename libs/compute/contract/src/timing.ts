/**
 * The timed engine: what it is configured with, all in cycles of the CPU, and what it counts. Who turns a scenario's cost table into this is
 * memory/timing; what the numbers mean is described there.
 */

/** Sets are powers of two. */
export interface CacheShape {
  readonly sets: number
  readonly ways: number
}

export interface TimingParameters {
  /** CPUs are dealt to cores, and cores to nodes, in contiguous blocks that differ by one at most. */
  readonly nodes: number
  readonly threadsPerCore: 1 | 2
  /** An instruction cache and a data cache of each core; a hit costs nothing beyond the instruction's own cycle. */
  readonly firstLevel: CacheShape
  /** Of each node; holds all that its first level holds. */
  readonly secondLevel: CacheShape & { readonly hitCycles: number }
  /** Of each core. */
  readonly tlb: CacheShape & { readonly missCycles: number }
  readonly transferCycles: number
  readonly busOccupancyCycles: number
  readonly localCycles: number
  readonly remoteCycles: number
  readonly remoteDirtyCycles: number
  readonly memoryOccupancyCycles: number
  readonly protocol: "invalidate" | "update"
  readonly placement: "first-touch" | "interleave" | "local"
  /** A store to a page with copies waits that long, and they are gone. */
  readonly collapseCycles: number
}

/** Counts of one CPU: first how often, then cycles. */
export const TIMING_COUNTERS = [
  /** First-level misses of instructions, and of loads and stores. */
  "fetchMisses",
  "dataMisses",
  /** Stores to lines held without the right to write, and stores that brought copies up to date (protocol `update`). */
  "upgrades",
  "updates",
  /** First-level misses that another core's modified copy served, and that the second level served. */
  "transfers",
  "secondLevelHits",
  /** Misses of the second level, and claims of lines: served within the node, or by another one; of these, from a third node. */
  "localMisses",
  "remoteMisses",
  "threeHopMisses",
  /** Copies that others lost by this CPU's stores. */
  "copiesInvalidated",
  "writeBacks",
  "tlbMisses",
  /** Pages whose copies a store of this CPU ended. */
  "collapses",
  /** Cycles that instructions, loads and stores waited for caches and memory, queues included. */
  "fetchStallCycles",
  "dataStallCycles",
  "tlbStallCycles",
  /** Of these, waiting for a bus or a memory that was busy. */
  "queueCycles",
  /** Waiting for the other thread of the core to issue. */
  "issueWaitCycles",
  /** Charged from outside: traps, exits, switches. */
  "eventCycles",
] as const
export type TimingCounter = (typeof TIMING_COUNTERS)[number]

export type CpuTiming = Readonly<Record<TimingCounter, number>> & {
  /** Virtual time of the CPU. */
  readonly cycles: number
}

/** Misses of each node on one page since the counters were cleared. */
export interface PageMisses {
  readonly reads: readonly number[]
  /** Upgrades between nodes included. */
  readonly writes: readonly number[]
}

/**
 * Virtual time of the timed engine: the clocks of its CPUs, where pages lie, what was counted, and CPUs in turns. The layout is
 * layout-timing.ts; what an access costs is decided in assembly/timing-protocol.ts.
 *
 * A frame is a number: that of its page from the beginning of RAM.
 */
import { assert } from "@backplane/foundation-base/assert"
import {
  TIMING_COUNTERS,
  type CpuTiming,
  type PageMisses,
  type TimingCounter,
  type TimingParameters,
} from "@backplane/compute-contract/timing"
import { PAGE_BYTES } from "./layout.ts"
import {
  CLOCK,
  CLOCK_BYTES,
  CORE,
  HEADER,
  HOME_NONE,
  LAYOUT_CLOCK_AT,
  NODE,
  PLACEMENT,
  TIMED_NODES_MAX,
  stateBlockOf,
  timingMap,
  type TimingMap,
} from "./layout-timing.ts"
import type { TimedFunctions } from "./wasm-module.ts"

const LITTLE = true
const NEVER = 2n ** 64n - 1n
const NOBODY = 0xffff_ffff

/** Contiguous blocks that differ by one at most: the first of block `index`. */
export const blockStart = (index: number, blocks: number, count: number): number => Math.floor((index * count) / blocks)

/** Bytes that the region takes behind RAM. */
export function timingBytes(parameters: TimingParameters, shape: { readonly memoryBytes: number; readonly cpus: number }): number {
  return mapOf(0, parameters, shape).end
}

function mapOf(
  at: number,
  parameters: TimingParameters,
  { memoryBytes, cpus }: { readonly memoryBytes: number; readonly cpus: number },
): TimingMap {
  const { nodes, threadsPerCore, firstLevel, secondLevel, tlb } = parameters
  assert(cpus % threadsPerCore === 0, "CPUs fill their cores")
  const cores = cpus / threadsPerCore
  assert(nodes >= 1 && nodes <= Math.min(TIMED_NODES_MAX, cores), `1…${TIMED_NODES_MAX} nodes, each with a core`)
  return timingMap(at, {
    nodes,
    cpus,
    cores,
    firstSets: firstLevel.sets,
    firstWays: firstLevel.ways,
    secondSets: secondLevel.sets,
    secondWays: secondLevel.ways,
    tlbSets: tlb.sets,
    tlbWays: tlb.ways,
    memoryBytes,
  })
}

export interface TimingPlace {
  readonly view: DataView
  readonly functions: TimedFunctions
  /** First byte of the region; 8-byte aligned. */
  readonly at: number
  /** First byte of RAM. */
  readonly ram: number
  readonly memoryBytes: number
  readonly cpus: number
}

/** Lines of 64 bytes. */
export interface Warmth {
  readonly firstLevelLines: number
  readonly secondLevelLines: number
}

export interface TurnsEnd {
  /** Who left with something for the host; null: the budget or the moment was reached, or nobody is runnable. */
  readonly cpu: number | null
  /** By all CPUs. */
  readonly retired: number
}

export class EngineTiming {
  readonly parameters: TimingParameters
  readonly #place: TimingPlace
  readonly #map: TimingMap

  constructor(parameters: TimingParameters, place: TimingPlace) {
    this.parameters = parameters
    this.#place = place
    this.#map = mapOf(place.at, parameters, place)
    this.#writeHeader()
    this.#writeBlocks()
    new Uint8Array(place.view.buffer, this.#map.homes, place.memoryBytes / PAGE_BYTES).fill(HOME_NONE)
    place.functions.configureTiming(place.at)
  }

  nodeOf(cpu: number): number {
    return this.#place.view.getUint32(this.#clock(cpu) + CLOCK.NODE, LITTLE)
  }

  /** Virtual time of a CPU, in cycles. */
  time(cpu: number): number {
    return Number(this.#place.view.getBigUint64(this.#clock(cpu), LITTLE))
  }

  /** Lets time pass on a CPU for something that is no instruction: a trap, an exit, a switch. */
  charge(cpu: number, cycles: number): void {
    this.#add(this.#clock(cpu), cycles)
    this.#add(this.#clock(cpu) + CLOCK.COUNTERS + TIMING_COUNTERS.indexOf("eventCycles") * 8, cycles)
  }

  /** A CPU that waited goes on at `cycles` if that is later. */
  waitUntil(cpu: number, cycles: number): void {
    if (this.time(cpu) < cycles) this.#place.view.setBigUint64(this.#clock(cpu), BigInt(cycles), LITTLE)
  }

  setRunnable(cpu: number, state: "runnable" | "waiting"): void {
    this.#place.view.setUint32(this.#clock(cpu) + CLOCK.RUNNABLE, state === "runnable" ? 1 : 0, LITTLE)
  }

  /** Runs the runnable CPUs in the order of their time: see assembly/timing-turns.ts. */
  runTogether(budgetInstructions: number, until?: number): TurnsEnd {
    const index = this.#place.functions.runTogether(budgetInstructions, until === undefined ? NEVER : BigInt(until)) >>> 0
    return { cpu: index === NOBODY ? null : index, retired: this.#place.functions.retiredByAll() }
  }

  counters(cpu: number): CpuTiming {
    const at = this.#clock(cpu) + CLOCK.COUNTERS
    const counts = TIMING_COUNTERS.map((name, index): [TimingCounter, number] => [
      name,
      Number(this.#place.view.getBigUint64(at + index * 8, LITTLE)),
    ])
    return { cycles: this.time(cpu), ...(Object.fromEntries(counts) as Record<TimingCounter, number>) }
  }

  pageMisses(frame: number): PageMisses {
    const at = this.#pageCounters(frame)
    const column = (offset: number): number[] =>
      Array.from({ length: this.parameters.nodes }, (_, node) => this.#place.view.getUint32(at + node * 8 + offset, LITTLE))
    return { reads: column(0), writes: column(4) }
  }

  /** Frames that anybody missed on since the counters were cleared, with a home. */
  usedFrames(): number[] {
    const { nodes } = this.parameters
    const words = new Uint32Array(this.#place.view.buffer, this.#map.pageCounters, (this.#place.memoryBytes / PAGE_BYTES) * nodes * 2)
    const frames: number[] = []
    for (let frame = 0; frame < words.length / (2 * nodes); frame++) {
      if (words.subarray(frame * 2 * nodes, (frame + 1) * 2 * nodes).some((count) => count !== 0)) frames.push(frame)
    }
    return frames
  }

  /** How warm a CPU is for a task with these frames: lines of them in its core's data cache, and in the second level of its node. */
  warmth(cpu: number, frames: ReadonlySet<number>): Warmth {
    const { firstLevel, secondLevel, threadsPerCore } = this.parameters
    const core = this.#map.cores + Math.floor(cpu / threadsPerCore) * this.#map.coreBytes
    const node = this.#map.nodes + this.nodeOf(cpu) * this.#map.nodeBytes
    const count = (at: number, tags: number, shift: number): number =>
      new Uint32Array(this.#place.view.buffer, at, tags).reduce(
        (sum, tag) => sum + (tag !== 0 && frames.has(this.#frameOf(tag >>> shift)) ? 1 : 0),
        0,
      )
    return {
      firstLevelLines: count(core + this.#map.dataTags, firstLevel.sets * firstLevel.ways, 2),
      secondLevelLines: count(node + NODE.SECOND_TAGS, secondLevel.sets * secondLevel.ways, 1),
    }
  }

  #frameOf(line: number): number {
    return Math.floor((line * 64 - this.#place.ram) / PAGE_BYTES)
  }

  clearPageMisses(): void {
    new Uint8Array(this.#place.view.buffer, this.#map.pageCounters, this.#map.end - this.#map.pageCounters).fill(0)
  }

  /** The node of a frame; null before its first use. */
  home(frame: number): number | null {
    const home = this.#place.view.getUint8(this.#map.homes + this.#checked(frame))
    return home === HOME_NONE ? null : home
  }

  /** Places a frame that nobody has used yet. */
  place(frame: number, node: number): void {
    assert(node >= 0 && node < this.parameters.nodes, "the node exists")
    this.#place.view.setUint8(this.#map.homes + this.#checked(frame), node)
  }

  /** Nodes with a copy of their own. */
  copies(frame: number): number[] {
    const mask = this.#place.view.getUint32(this.#map.copies + this.#checked(frame) * 4, LITTLE)
    return Array.from({ length: this.parameters.nodes }, (_, node) => node).filter((node) => (mask >>> node) & 1)
  }

  /** The page goes to another node: a new frame, of which no cache has anything. What that costs is the caller's to charge. */
  migrate(frame: number, to: number): void {
    this.#place.functions.dropFrame(this.#checked(frame))
    this.place(frame, to)
    this.#place.view.setUint32(this.#map.copies + frame * 4, 0, LITTLE)
  }

  /** Reads of these nodes are local from now on, until somebody stores to the page. */
  replicate(frame: number, on: readonly number[]): void {
    this.#place.functions.shareFrame(this.#checked(frame))
    const at = this.#map.copies + frame * 4
    this.#place.view.setUint32(at, on.reduce((mask, node) => mask | (1 << node), this.#place.view.getUint32(at, LITTLE)) >>> 0, LITTLE)
  }

  collapse(frame: number): void {
    this.#place.view.setUint32(this.#map.copies + this.#checked(frame) * 4, 0, LITTLE)
  }

  #clock(cpu: number): number {
    assert(cpu >= 0 && cpu < this.#place.cpus, "the CPU exists")
    return this.#map.clocks + cpu * CLOCK_BYTES
  }

  #checked(frame: number): number {
    assert(frame >= 0 && frame < this.#place.memoryBytes / PAGE_BYTES, "the frame exists")
    return frame
  }

  #pageCounters(frame: number): number {
    return this.#map.pageCounters + this.#checked(frame) * this.parameters.nodes * 8
  }

  #add(at: number, cycles: number): void {
    assert(Number.isSafeInteger(cycles) && cycles >= 0, "cycles only pass")
    this.#place.view.setBigUint64(at, this.#place.view.getBigUint64(at, LITTLE) + BigInt(cycles), LITTLE)
  }

  #writeHeader(): void {
    const { nodes, firstLevel, secondLevel, tlb } = this.parameters
    const { transferCycles, busOccupancyCycles, localCycles, remoteCycles, remoteDirtyCycles, memoryOccupancyCycles } = this.parameters
    const { protocol, placement, collapseCycles } = this.parameters
    const places = { "first-touch": PLACEMENT.FIRST_TOUCH, interleave: PLACEMENT.INTERLEAVE, local: PLACEMENT.LOCAL }
    const map = this.#map
    const values: Record<Exclude<keyof typeof HEADER, "TURNS">, number> = {
      NODES: nodes,
      CPUS: this.#place.cpus,
      FIRST_SETS: firstLevel.sets,
      FIRST_WAYS: firstLevel.ways,
      SECOND_SETS: secondLevel.sets,
      SECOND_WAYS: secondLevel.ways,
      SECOND_HIT: secondLevel.hitCycles,
      TLB_SETS: tlb.sets,
      TLB_WAYS: tlb.ways,
      TLB_MISS: tlb.missCycles,
      TRANSFER: transferCycles,
      BUS_OCCUPANCY: busOccupancyCycles,
      LOCAL: localCycles,
      REMOTE: remoteCycles,
      REMOTE_DIRTY: remoteDirtyCycles,
      MEMORY_OCCUPANCY: memoryOccupancyCycles,
      UPDATES: protocol === "update" ? 1 : 0,
      PLACEMENT: places[placement],
      COLLAPSE: collapseCycles,
      CLOCKS: map.clocks,
      CORES_AT: map.cores,
      CORE_BYTES: map.coreBytes,
      NODES_AT: map.nodes,
      NODE_BYTES: map.nodeBytes,
      DIRECTORY: map.directory,
      HOMES: map.homes,
      COPIES: map.copies,
      PAGE_COUNTERS: map.pageCounters,
      CORE_COUNT: this.#cores(),
      FILTER_BYTES: map.filterBytes,
      DATA_TAGS: map.dataTags,
      FETCH_TAGS: map.fetchTags,
      TLB_TAGS: map.tlbTags,
      TLB_HANDS: map.tlbHands,
    }
    for (const name of Object.keys(values) as (keyof typeof values)[]) this.#word(this.#place.at + HEADER[name], values[name])
  }

  #cores(): number {
    return this.#place.cpus / this.parameters.threadsPerCore
  }

  #writeBlocks(): void {
    const { nodes, threadsPerCore } = this.parameters
    const cores = this.#cores()
    for (let node = 0; node < nodes; node++) {
      const first = blockStart(node, nodes, cores)
      const end = blockStart(node + 1, nodes, cores)
      const at = this.#map.nodes + node * this.#map.nodeBytes
      this.#word(at + NODE.FIRST_CORE, first)
      this.#word(at + NODE.CORE_COUNT, end - first)
      for (let core = first; core < end; core++) this.#writeCore(core, node, threadsPerCore)
    }
  }

  #writeCore(core: number, node: number, threads: number): void {
    const at = this.#map.cores + core * this.#map.coreBytes
    this.#word(at + CORE.FIRST_CPU, core * threads)
    this.#word(at + CORE.CPU_COUNT, threads)
    this.#word(at + CORE.NODE, node)
    for (let cpu = core * threads; cpu < (core + 1) * threads; cpu++) {
      const clock = this.#clock(cpu)
      this.#place.view.setBigUint64(clock + CLOCK.DEADLINE, NEVER, LITTLE)
      this.#word(clock + CLOCK.CORE, at)
      this.#word(clock + CLOCK.NODE, node)
      this.#word(clock + CLOCK.SIBLING, threads === 2 ? cpu ^ 1 : cpu)
      this.#word(stateBlockOf(cpu) + LAYOUT_CLOCK_AT, clock)
    }
  }

  #word(at: number, value: number): void {
    this.#place.view.setUint32(at, value, LITTLE)
  }
}

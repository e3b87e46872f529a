/** The timed build only: costs and places, read once from the header, and the clock of the run under way. Layout: src/layout-timing.ts. */
import {
  CLOCK_BYTES, CLOCK_CORE, CLOCK_DEADLINE, CLOCK_TIME, CORE_ISSUE_FREE, HEADER_BUS_OCCUPANCY, HEADER_CLOCKS, HEADER_COLLAPSE, HEADER_COPIES,
  HEADER_CORES_AT, HEADER_CORE_BYTES, HEADER_CPUS, HEADER_DATA_TAGS, HEADER_DIRECTORY, HEADER_FETCH_TAGS, HEADER_FILTER_BYTES, HEADER_FIRST_SETS,
  HEADER_FIRST_WAYS, HEADER_HOMES, HEADER_LOCAL, HEADER_MEMORY_OCCUPANCY, HEADER_NODES, HEADER_NODES_AT, HEADER_NODE_BYTES, HEADER_PAGE_COUNTERS,
  HEADER_PLACEMENT, HEADER_REMOTE, HEADER_REMOTE_DIRTY, HEADER_SECOND_HIT, HEADER_SECOND_SETS, HEADER_SECOND_WAYS, HEADER_TLB_HANDS, HEADER_TLB_MISS,
  HEADER_TLB_SETS, HEADER_TLB_TAGS, HEADER_TLB_WAYS, HEADER_TRANSFER, HEADER_TURNS, HEADER_UPDATES, LAYOUT_CLOCK_AT,
} from "./layout" // prettier-ignore

export let nodeCount: u32 = 0
export let timedCpus: u32 = 0
export let firstMask: u32 = 0
export let firstWays: u32 = 0
export let secondMask: u32 = 0
export let secondWays: u32 = 0
export let secondHit: u32 = 0
export let tlbMask: u32 = 0
export let tlbWays: u32 = 0
export let tlbMiss: u32 = 0
export let transfer: u32 = 0
export let busOccupancy: u32 = 0
export let localLatency: u32 = 0
export let remoteLatency: u32 = 0
export let remoteDirtyLatency: u32 = 0
export let memoryOccupancy: u32 = 0
export let updates: bool = false
export let placement: u32 = 0
export let collapseCost: u32 = 0
export let clocks: u32 = 0
/** Array of HEADER_TURNS. */
export let turns: u32 = 0
export let coresAt: u32 = 0
export let coreBytes: u32 = 0
export let nodesAt: u32 = 0
export let nodeBytes: u32 = 0
export let directory: u32 = 0
export let homes: u32 = 0
export let copies: u32 = 0
export let pageCounters: u32 = 0
export let filterBytes: u32 = 0
export let dataTags: u32 = 0
export let fetchTags: u32 = 0
export let tlbTags: u32 = 0
export let tlbHands: u32 = 0

/** Reads the header at `at`; the host has filled it in. */
export function configureTiming(at: u32): void {
  nodeCount = load<u32>(at, HEADER_NODES)
  timedCpus = load<u32>(at, HEADER_CPUS)
  firstMask = load<u32>(at, HEADER_FIRST_SETS) - 1
  firstWays = load<u32>(at, HEADER_FIRST_WAYS)
  secondMask = load<u32>(at, HEADER_SECOND_SETS) - 1
  secondWays = load<u32>(at, HEADER_SECOND_WAYS)
  secondHit = load<u32>(at, HEADER_SECOND_HIT)
  tlbMask = load<u32>(at, HEADER_TLB_SETS) - 1
  tlbWays = load<u32>(at, HEADER_TLB_WAYS)
  tlbMiss = load<u32>(at, HEADER_TLB_MISS)
  transfer = load<u32>(at, HEADER_TRANSFER)
  busOccupancy = load<u32>(at, HEADER_BUS_OCCUPANCY)
  localLatency = load<u32>(at, HEADER_LOCAL)
  remoteLatency = load<u32>(at, HEADER_REMOTE)
  remoteDirtyLatency = load<u32>(at, HEADER_REMOTE_DIRTY)
  memoryOccupancy = load<u32>(at, HEADER_MEMORY_OCCUPANCY)
  updates = load<u32>(at, HEADER_UPDATES) != 0
  placement = load<u32>(at, HEADER_PLACEMENT)
  collapseCost = load<u32>(at, HEADER_COLLAPSE)
  clocks = load<u32>(at, HEADER_CLOCKS)
  turns = at + HEADER_TURNS
  coresAt = load<u32>(at, HEADER_CORES_AT)
  coreBytes = load<u32>(at, HEADER_CORE_BYTES)
  nodesAt = load<u32>(at, HEADER_NODES_AT)
  nodeBytes = load<u32>(at, HEADER_NODE_BYTES)
  directory = load<u32>(at, HEADER_DIRECTORY)
  homes = load<u32>(at, HEADER_HOMES)
  copies = load<u32>(at, HEADER_COPIES)
  pageCounters = load<u32>(at, HEADER_PAGE_COUNTERS)
  filterBytes = load<u32>(at, HEADER_FILTER_BYTES)
  dataTags = load<u32>(at, HEADER_DATA_TAGS)
  fetchTags = load<u32>(at, HEADER_FETCH_TAGS)
  tlbTags = load<u32>(at, HEADER_TLB_TAGS)
  tlbHands = load<u32>(at, HEADER_TLB_HANDS)
}

// @ts-ignore: decorator
@inline
export function clockOf(cpu: u32): u32 {
  return load<u32>(cpu, LAYOUT_CLOCK_AT)
}

// @ts-ignore: decorator
@inline
export function coreOf(cpu: u32): u32 {
  return load<u32>(clockOf(cpu), CLOCK_CORE)
}

// @ts-ignore: decorator
@inline
export function count(clock: u32, counter: u32, by: u64): void {
  store<u64>(clock + counter, load<u64>(clock + counter) + by)
}

/** A moment that never comes. */
export const NEVER: u64 = 0xffff_ffff_ffff_ffff

/** Virtual time when the stretch began, and what stood still in it so far. */
let began: u64 = 0
let stalled: u64 = 0
/** Cycles that may still stand still before instructions must be cut off to end at the deadline. */
let slack: u64 = 0
/** Stalls not yet taken off the instructions that are left. */
let unsettled: u64 = 0
/** The last instruction that stood still before its issue: its number in the stretch, from 1, and since when. */
let lateIssue: u32 = 0
let lateFrom: u64 = 0
const NONE: u32 = 0xffff_ffff
/** Instructions of the stretch that have issued before the access under way. */
let issued: u32 = 0
/** After the last instruction that stalled: the time it ended at, and the first cycle after its issue. */
let stallEnd: u64 = 0
let stallIssue: u64 = 0

/** Something happens from outside, at the time of that CPU. */
export function standAt(clock: u32): void {
  began = load<u64>(clock, CLOCK_TIME)
  stalled = 0
  issued = 0
}

/** How many of `budget` instructions may run until the deadline if none stalls; at least one. */
export function beginStretch(cpu: u32, budget: u32): u32 {
  const clock = clockOf(cpu)
  began = load<u64>(clock, CLOCK_TIME)
  stalled = 0
  unsettled = 0
  stallEnd = NEVER
  lateIssue = NONE
  const deadline = load<u64>(clock, CLOCK_DEADLINE)
  const window: u64 = deadline > began ? deadline - began : 1
  const stretch = window < u64(budget) ? u32(window) : budget
  slack = window - u64(stretch)
  return stretch
}

/** The stretch is over: the CPU's time, and until when its core cannot issue. */
export function endStretch(cpu: u32, retired: u32): void {
  const clock = clockOf(cpu)
  const now = began + u64(retired) + stalled
  store<u64>(clock, now, CLOCK_TIME)
  // While the last instruction stood still, before its issue or after it, the other thread could issue.
  store<u64>(load<u32>(clock, CLOCK_CORE), retired == lateIssue ? lateFrom : now == stallEnd ? stallIssue : now, CORE_ISSUE_FREE)
}

/** Is there time left for another stretch? */
export function beforeDeadline(cpu: u32): bool {
  const clock = clockOf(cpu)
  return load<u64>(clock, CLOCK_TIME) < load<u64>(clock, CLOCK_DEADLINE)
}

/** Before an access: how many instructions of the stretch have issued, its own included if it has. */
// @ts-ignore: decorator
@inline
export function enterAccess(count: u32): void {
  issued = count
}

// @ts-ignore: decorator
@inline
export function now(): u64 {
  return began + u64(issued) + stalled
}

/** The access under way is a fetch: whatever stands still does so before the issue. */
export function enterFetch(count: u32): void {
  issued = count
  fetching = true
}

export function leaveFetch(): void {
  fetching = false
}

let fetching: bool = false

/** The access under way takes that long. */
export function stall(cycles: u64): void {
  if (now() != stallEnd) stallIssue = now()
  if (fetching && lateIssue != issued + 1) {
    lateIssue = issued + 1
    lateFrom = now()
  }
  stalled += cycles
  unsettled += cycles
  stallEnd = now()
}

/** How many of the instructions left must be cut off. */
export function settle(left: u32): u32 {
  if (slack >= unsettled) {
    slack -= unsettled
    unsettled = 0
    return 0
  }
  const over = unsettled - slack
  slack = 0
  unsettled = 0
  return over < u64(left) ? u32(over) : left
}

export function clockAt(index: u32): u32 {
  return clocks + index * CLOCK_BYTES
}

/**
 * The timed build only: what a first-level miss, or a store without the right to it, does and costs. MESI by snooping inside the node; between
 * nodes a directory by line. The reference, said more plainly: memory/timing. Numbered steps are the same there.
 */
import {
  CLOCK_NODE, COUNTER_COLLAPSES, COUNTER_DATA_MISSES, COUNTER_DATA_STALL, COUNTER_FETCH_MISSES, COUNTER_FETCH_STALL, COUNTER_INVALIDATED, COUNTER_LOCAL,
  COUNTER_QUEUE, COUNTER_REMOTE, COUNTER_SECOND_HITS, COUNTER_THREE_HOP, COUNTER_TRANSFERS, COUNTER_UPDATES, COUNTER_UPGRADES, COUNTER_WRITE_BACKS,
  HOME_NONE, NODE_BUS_FREE, NODE_CORE_COUNT, NODE_FIRST_CORE, NODE_MEMORY_FREE, PLACEMENT_FIRST_TOUCH, PLACEMENT_INTERLEAVE,
} from "./layout" // prettier-ignore
import { ram } from "./memory"
import {
  ABSENT, EXCLUSIVE, MODIFIED, SHARED, breakReservationsOn, coreAt, dataSet, dataState, dropFetch, dropFirst, fetchSet, findFirst, findSecond, insert, reservedIn,
  secondSet, setDataFilters, setFetchFilter, shareData, toFront,
} from "./timing-cache" // prettier-ignore
import {
  busOccupancy, clockAt, clockOf, collapseCost, copies, coreOf, count, directory, firstWays, homes, localLatency, memoryOccupancy, nodeBytes, nodeCount, nodesAt, now,
  pageCounters, placement, remoteDirtyLatency, remoteLatency, secondHit, secondWays, stall, standAt, transfer, updates,
} from "./timing-state" // prettier-ignore

const ALONE: u32 = 0x8000_0000

// @ts-ignore: decorator
@inline
function nodeAt(node: u32): u32 {
  return nodesAt + node * nodeBytes
}

// @ts-ignore: decorator
@inline
function entryAt(line: u32): u32 {
  return directory + ((line - (ram >>> 6)) << 2)
}

/** An instruction of the line is fetched. */
export function touchFetch(cpu: u32, host: u32): void {
  const line = host >>> 6
  const core = coreOf(cpu)
  const set = fetchSet(core, line)
  const at = findFirst(set, line)
  const clock = clockOf(cpu)
  if (at != ABSENT) toFront(set, at, load<u32>(at))
  else {
    const before = now()
    count(clock, COUNTER_FETCH_MISSES, 1)
    miss(cpu, clock, core, line, true, false)
    insert(set, firstWays, (line << 2) | SHARED)
    count(clock, COUNTER_FETCH_STALL, now() - before)
  }
  setFetchFilter(core, line)
}

/** Bytes of one page are read. */
export function touchRead(cpu: u32, host: u32, size: u32): void {
  readLine(cpu, host >>> 6)
  if ((host + size - 1) >>> 6 != host >>> 6) readLine(cpu, (host + size - 1) >>> 6)
}

export function touchWrite(cpu: u32, host: u32, size: u32): void {
  writeLine(cpu, host >>> 6)
  if ((host + size - 1) >>> 6 != host >>> 6) writeLine(cpu, (host + size - 1) >>> 6)
}

function readLine(cpu: u32, line: u32): void {
  const core = coreOf(cpu)
  const set = dataSet(core, line)
  const at = findFirst(set, line)
  if (at != ABSENT) {
    const tag = load<u32>(at)
    toFront(set, at, tag)
    setDataFilters(core, line, (tag & 3) == MODIFIED && !reservedIn(core, line))
    return
  }
  const clock = clockOf(cpu)
  const before = now()
  count(clock, COUNTER_DATA_MISSES, 1)
  const state = miss(cpu, clock, core, line, false, false)
  fillData(clock, core, set, (line << 2) | state)
  setDataFilters(core, line, false)
  count(clock, COUNTER_DATA_STALL, now() - before)
}

function writeLine(cpu: u32, line: u32): void {
  const core = coreOf(cpu)
  const set = dataSet(core, line)
  const at = findFirst(set, line)
  let state = MODIFIED
  if (at != ABSENT && (load<u32>(at) & 3) != SHARED) toFront(set, at, (line << 2) | MODIFIED)
  else {
    const clock = clockOf(cpu)
    const before = now()
    if (at != ABSENT) {
      state = upgrade(cpu, clock, core, line)
      // Dropping copies elsewhere moves nothing in this set.
      toFront(set, at, (line << 2) | state)
    } else {
      count(clock, COUNTER_DATA_MISSES, 1)
      state = miss(cpu, clock, core, line, false, true)
      fillData(clock, core, set, (line << 2) | state)
    }
    count(clock, COUNTER_DATA_STALL, now() - before)
  }
  breakReservationsOn(cpu, line)
  setDataFilters(core, line, state == MODIFIED && !reservedIn(core, line))
}

/** A modified victim of the first level goes to the second, which holds its line. */
function fillData(clock: u32, core: u32, set: u32, tag: u32): void {
  const victim = insert(set, firstWays, tag)
  if ((victim & 3) != MODIFIED) return
  const line = victim >>> 2
  const at = findSecond(secondSet(nodeAt(load<u32>(clock, CLOCK_NODE)), line), line)
  store<u32>(at, load<u32>(at) | 1)
}

/** Waits until the bus of the node is free, and takes it. */
function takeBus(clock: u32, node: u32): void {
  const free = load<u64>(node, NODE_BUS_FREE)
  wait(clock, free)
  store<u64>(node, now() + u64(busOccupancy), NODE_BUS_FREE)
}

function takeMemory(clock: u32, node: u32): void {
  const free = load<u64>(node, NODE_MEMORY_FREE)
  wait(clock, free)
  store<u64>(node, now() + u64(memoryOccupancy), NODE_MEMORY_FREE)
}

function wait(clock: u32, until: u64): void {
  if (until <= now()) return
  count(clock, COUNTER_QUEUE, until - now())
  stall(until - now())
}

/** A line goes back to the memory of its home; nobody waits for it, but who comes next does. */
function writeBack(clock: u32, line: u32): void {
  const home = nodeAt(homeOf(line, 0))
  const free = load<u64>(home, NODE_MEMORY_FREE)
  store<u64>(home, (free > now() ? free : now()) + u64(memoryOccupancy), NODE_MEMORY_FREE)
  count(clock, COUNTER_WRITE_BACKS, 1)
}

/** Where the frame of the line lies; decided now if it was not. */
function homeOf(line: u32, toucher: u32): u32 {
  const frame = (line - (ram >>> 6)) >>> 6
  const home = load<u8>(homes + frame)
  if (home != HOME_NONE) return home
  const placed = placement == PLACEMENT_FIRST_TOUCH ? toucher : placement == PLACEMENT_INTERLEAVE ? frame % nodeCount : 0
  store<u8>(homes + frame, u8(placed))
  return placed
}

/** 1. the bus; 2. another core of the node, or the second level; 3. else memory. Gives the state for the first level. */
function miss(cpu: u32, clock: u32, core: u32, line: u32, fetch: bool, write: bool): u32 {
  const number = load<u32>(clock, CLOCK_NODE)
  const node = nodeAt(number)
  takeBus(clock, node)
  const set = secondSet(node, line)
  const at = findSecond(set, line)
  if (at == ABSENT) return missSecond(clock, number, line, write)
  let owned = false
  let others = false
  const first = load<u32>(node, NODE_FIRST_CORE)
  const end = first + load<u32>(node, NODE_CORE_COUNT)
  for (let index = first; index < end; index++) {
    const other = coreAt(index)
    const state = dataState(other, line)
    if (state == MODIFIED) owned = true
    // Its own instruction cache counts as another holder; its data cache does only for a fetch.
    if (other == core ? fetch && state != 0 : state != 0 || findFirst(fetchSet(other, line), line) != ABSENT) others = true
    if (other == core && !fetch && findFirst(fetchSet(other, line), line) != ABSENT) others = true
  }
  toFront(set, at, load<u32>(at) | (owned ? 1 : 0))
  stall(owned ? transfer : secondHit)
  count(clock, owned ? COUNTER_TRANSFERS : COUNTER_SECOND_HITS, 1)
  if (!write) {
    if (others) for (let index = first; index < end; index++) shareData(coreAt(index), line)
    return fetch || others || !(load<u32>(entryAt(line)) & ALONE) ? SHARED : EXCLUSIVE
  }
  if (!(load<u32>(entryAt(line)) & ALONE)) claim(clock, number, line)
  return takeFromOthers(clock, core, node, line, others)
}

/** A store to a line that this core holds shared. Gives the state from now on. */
function upgrade(cpu: u32, clock: u32, core: u32, line: u32): u32 {
  const number = load<u32>(clock, CLOCK_NODE)
  const node = nodeAt(number)
  takeBus(clock, node)
  count(clock, COUNTER_UPGRADES, 1)
  stall(transfer)
  let others = false
  const first = load<u32>(node, NODE_FIRST_CORE)
  const end = first + load<u32>(node, NODE_CORE_COUNT)
  for (let index = first; index < end; index++) {
    const other = coreAt(index)
    if ((other != core && dataState(other, line) != 0) || findFirst(fetchSet(other, line), line) != ABSENT) others = true
  }
  if (!(load<u32>(entryAt(line)) & ALONE)) claim(clock, number, line)
  return takeFromOthers(clock, core, node, line, others)
}

/** What becomes of the copies in the node when a core stores: gone, or brought up to date and kept. */
function takeFromOthers(clock: u32, core: u32, node: u32, line: u32, others: bool): u32 {
  if (!others) return MODIFIED
  const first = load<u32>(node, NODE_FIRST_CORE)
  const end = first + load<u32>(node, NODE_CORE_COUNT)
  if (updates) {
    for (let index = first; index < end; index++) if (coreAt(index) != core) shareData(coreAt(index), line)
    const at = findSecond(secondSet(node, line), line)
    store<u32>(at, load<u32>(at) | 1)
    count(clock, COUNTER_UPDATES, 1)
    return SHARED
  }
  for (let index = first; index < end; index++) {
    const other = coreAt(index)
    const dropped = other == core ? dropFetch(other, line) : dropFirst(other, line)
    if (dropped != 0) count(clock, COUNTER_INVALIDATED, 1)
  }
  return MODIFIED
}

function countPage(line: u32, node: u32, write: bool): void {
  const frame = (line - (ram >>> 6)) >>> 6
  const at = pageCounters + ((frame * nodeCount + node) << 3) + (write ? 4 : 0)
  store<u32>(at, load<u32>(at) + 1)
}

/** A node that has the line becomes the only one: through its home, and as slow as the farthest copy. */
function claim(clock: u32, number: u32, line: u32): void {
  countPage(line, number, true)
  const home = homeOf(line, number)
  takeMemory(clock, nodeAt(home))
  const far = home != number || dropElsewhere(clock, number, line)
  count(clock, far ? COUNTER_REMOTE : COUNTER_LOCAL, 1)
  if (home != number) dropElsewhere(clock, number, line)
  stall(far ? remoteLatency : localLatency)
  collapse(clock, line)
  store<u32>(entryAt(line), ALONE | (1 << number))
}

/** Every other node loses the line; gives whether one had it. */
function dropElsewhere(clock: u32, number: u32, line: u32): bool {
  const holders = load<u32>(entryAt(line)) & ~ALONE & ~(1 << number)
  for (let node: u32 = 0; node < nodeCount; node++) if (holders & (1 << node)) dropNode(clock, node, line)
  return holders != 0
}

/** A node loses the line; gives whether it was modified there. */
function dropNode(clock: u32, number: u32, line: u32): bool {
  const node = nodeAt(number)
  const first = load<u32>(node, NODE_FIRST_CORE)
  const end = first + load<u32>(node, NODE_CORE_COUNT)
  let dirty = false
  for (let index = first; index < end; index++) {
    const dropped = dropFirst(coreAt(index), line)
    if (dropped != 0) count(clock, COUNTER_INVALIDATED, 1)
    if (dropped & 2) dirty = true
  }
  const at = findSecond(secondSet(node, line), line)
  if (at != ABSENT) {
    if (load<u32>(at) & 1) dirty = true
    store<u32>(at, 0)
  }
  return dirty
}

/** A store to a page with copies on other nodes: they are given up first. */
function collapse(clock: u32, line: u32): void {
  const at = copies + (((line - (ram >>> 6)) >>> 6) << 2)
  if (load<u32>(at) == 0) return
  store<u32>(at, 0)
  count(clock, COUNTER_COLLAPSES, 1)
  stall(collapseCost)
}

/** 3. The node does not have the line: its home, or a copy of the page on this node, or the node that has it alone. */
function missSecond(clock: u32, number: u32, line: u32, write: bool): u32 {
  countPage(line, number, write)
  const home = homeOf(line, number)
  const copiesOfPage = load<u32>(copies + (((line - (ram >>> 6)) >>> 6) << 2))
  const copied = !write && (copiesOfPage & (1 << number)) != 0
  const server = copied ? number : home
  takeMemory(clock, nodeAt(server))
  const entry = load<u32>(entryAt(line))
  const alone = (entry & ALONE) != 0
  let latency = server == number ? localLatency : remoteLatency
  let far = server != number
  if (alone) {
    const owner = ctz(entry & ~ALONE)
    latency = owner == home || home == number ? remoteLatency : remoteDirtyLatency
    if (latency == remoteDirtyLatency && owner != home && home != number) count(clock, COUNTER_THREE_HOP, 1)
    far = true
    if (write) dropNode(clock, owner, line)
    else shareNode(clock, owner, line)
  } else if (write && dropElsewhere(clock, number, line)) {
    latency = remoteLatency
    far = true
  }
  count(clock, far ? COUNTER_REMOTE : COUNTER_LOCAL, 1)
  // The way is cleared while the line is fetched: what is written back takes its turn now, not when the line has come.
  fillSecond(clock, number, line)
  stall(latency)
  if (write) collapse(clock, line)
  // A copied page is read in several places: nobody may take a line of it without asking.
  const exclusive = write || (entry == 0 && copiesOfPage == 0)
  store<u32>(entryAt(line), exclusive ? ALONE | (1 << number) : (entry & ~ALONE) | (1 << number))
  return write ? MODIFIED : exclusive ? EXCLUSIVE : SHARED
}

/** The node that had the line alone keeps it shared; what it changed goes to memory. */
function shareNode(clock: u32, number: u32, line: u32): void {
  const node = nodeAt(number)
  const first = load<u32>(node, NODE_FIRST_CORE)
  const end = first + load<u32>(node, NODE_CORE_COUNT)
  let dirty = false
  for (let index = first; index < end; index++) if (shareData(coreAt(index), line)) dirty = true
  const at = findSecond(secondSet(node, line), line)
  if (load<u32>(at) & 1) dirty = true
  store<u32>(at, line << 1)
  if (dirty) writeBack(clock, line)
}

/** The second level takes the line; what it held instead leaves the whole node. */
function fillSecond(clock: u32, number: u32, line: u32): void {
  const node = nodeAt(number)
  const victim = insert(secondSet(node, line), secondWays, line << 1)
  if (victim == 0) return
  const gone = victim >>> 1
  let dirty = (victim & 1) != 0
  const first = load<u32>(node, NODE_FIRST_CORE)
  const end = first + load<u32>(node, NODE_CORE_COUNT)
  for (let index = first; index < end; index++) if (dropFirst(coreAt(index), gone) & 2) dirty = true
  const entry = load<u32>(entryAt(gone)) & ~(1 << number)
  store<u32>(entryAt(gone), entry == ALONE ? 0 : entry)
  if (dirty) writeBack(clock, gone)
}

/** Before a page is copied: no node has a line of it alone. */
export function shareFrame(frame: u32): void {
  standAt(clockAt(0))
  const first = (ram >>> 6) + (frame << 6)
  for (let line = first; line < first + 64; line++) {
    const entry = load<u32>(entryAt(line))
    if (!(entry & ALONE)) continue
    shareNode(clockAt(0), ctz(entry & ~ALONE), line)
    store<u32>(entryAt(line), entry & ~ALONE)
  }
}

/** A page that moves is another frame from now on: no cache has anything of it. */
export function dropFrame(frame: u32): void {
  standAt(clockAt(0))
  const first = (ram >>> 6) + (frame << 6)
  for (let line = first; line < first + 64; line++) {
    const holders = load<u32>(entryAt(line)) & ~ALONE
    for (let node: u32 = 0; node < nodeCount; node++) if (holders & (1 << node)) dropNode(clockAt(0), node, line)
    store<u32>(entryAt(line), 0)
  }
}

/**
 * The timed build only: the tags of one cache. The ways of a set stand newest first, so a hit moves a tag to the front and the victim is
 * an empty way or else the last. Filters say what needs no look: kept true here, wherever the front of a set or a state changes.
 */
import { CORE_CPU_COUNT, CORE_FILTERS, CORE_FIRST_CPU, CPU_BYTES, LAYOUT_RESERVATION, STATES } from "./layout"
import { coreBytes, coresAt, dataTags, fetchTags, filterBytes, firstMask, firstWays, secondMask, secondWays, timedCpus } from "./timing-state"
import { NODE_SECOND_TAGS } from "./layout"

export const SHARED: u32 = 1
export const EXCLUSIVE: u32 = 2
export const MODIFIED: u32 = 3
/** No way holds the line. */
export const ABSENT: u32 = 0xffff_ffff

// @ts-ignore: decorator
@inline
export function coreAt(index: u32): u32 {
  return coresAt + index * coreBytes
}

// @ts-ignore: decorator
@inline
export function dataSet(core: u32, line: u32): u32 {
  return core + dataTags + (((line & firstMask) * firstWays) << 2)
}

// @ts-ignore: decorator
@inline
export function fetchSet(core: u32, line: u32): u32 {
  return core + fetchTags + (((line & firstMask) * firstWays) << 2)
}

// @ts-ignore: decorator
@inline
export function secondSet(node: u32, line: u32): u32 {
  return node + NODE_SECOND_TAGS + (((line & secondMask) * secondWays) << 2)
}

/** Address of the tag of `line` in a first-level set, or ABSENT. */
export function findFirst(set: u32, line: u32): u32 {
  const end = set + (firstWays << 2)
  for (let at = set; at < end; at += 4) if (load<u32>(at) >>> 2 == line) return at
  return ABSENT
}

/** Address of the tag of `line` in a second-level set, or ABSENT. */
export function findSecond(set: u32, line: u32): u32 {
  const end = set + (secondWays << 2)
  for (let at = set; at < end; at += 4) if (load<u32>(at) >>> 1 == line) return at
  return ABSENT
}

/** The tag at `at` becomes the newest of its set, and reads `tag` from now on. */
export function toFront(set: u32, at: u32, tag: u32): void {
  for (; at > set; at -= 4) store<u32>(at, load<u32>(at - 4))
  store<u32>(set, tag)
}

/** Puts a tag in as the newest; gives the tag that had to go, or 0. */
export function insert(set: u32, ways: u32, tag: u32): u32 {
  let at = set
  const last = set + ((ways - 1) << 2)
  while (at < last && load<u32>(at) != 0) at += 4
  const victim = load<u32>(at)
  toFront(set, at, tag)
  return victim
}

/** The state in which the core's data cache holds the line; 0: not. */
export function dataState(core: u32, line: u32): u32 {
  const at = findFirst(dataSet(core, line), line)
  return at == ABSENT ? 0 : load<u32>(at) & 3
}

// @ts-ignore: decorator
@inline
function filter(core: u32, which: u32, line: u32): u32 {
  return core + CORE_FILTERS + which * filterBytes + ((line & firstMask) << 2)
}

/** After an access to `line`, now the newest of its set in the data cache. */
export function setDataFilters(core: u32, line: u32, writable: bool): void {
  store<u32>(filter(core, 0, line), line)
  store<u32>(filter(core, 1, line), writable ? line : 0)
}

export function setFetchFilter(core: u32, line: u32): void {
  store<u32>(filter(core, 2, line), line)
}

/** The next store of this core to the line comes to the protocol. */
export function closeWriteFilter(core: u32, line: u32): void {
  const at = filter(core, 1, line)
  if (load<u32>(at) == line) store<u32>(at, 0)
}

/** A copy in a data cache loses the right to be written; gives whether it was modified. */
export function shareData(core: u32, line: u32): bool {
  const at = findFirst(dataSet(core, line), line)
  if (at == ABSENT) return false
  const tag = load<u32>(at)
  store<u32>(at, (line << 2) | SHARED)
  closeWriteFilter(core, line)
  return (tag & 3) == MODIFIED
}

/** Both first-level caches of a core lose the line. Bit 0: there was a copy; bit 1: it was modified. */
export function dropFirst(core: u32, line: u32): u32 {
  let found: u32 = 0
  const data = findFirst(dataSet(core, line), line)
  if (data != ABSENT) {
    found = (load<u32>(data) & 3) == MODIFIED ? 3 : 1
    store<u32>(data, 0)
    if (load<u32>(filter(core, 0, line)) == line) store<u32>(filter(core, 0, line), 0)
    closeWriteFilter(core, line)
  }
  return found | dropFetch(core, line)
}

export function dropFetch(core: u32, line: u32): u32 {
  const at = findFirst(fetchSet(core, line), line)
  if (at == ABSENT) return 0
  store<u32>(at, 0)
  if (load<u32>(filter(core, 2, line)) == line) store<u32>(filter(core, 2, line), 0)
  return 1
}

/** A store by `cpu` breaks the reservations of all others on the line. */
export function breakReservationsOn(cpu: u32, line: u32): void {
  for (let index: u32 = 0; index < timedCpus; index++) {
    const other = STATES + index * CPU_BYTES
    if (other != cpu && load<u32>(other, LAYOUT_RESERVATION) >>> 6 == line) store<u32>(other, 0, LAYOUT_RESERVATION)
  }
}

/** Does a CPU of this core hold a reservation on the line? Then stores of the core must all come to the protocol. */
export function reservedIn(core: u32, line: u32): bool {
  const first = load<u32>(core, CORE_FIRST_CPU)
  const count = load<u32>(core, CORE_CPU_COUNT)
  for (let index = first; index < first + count; index++) {
    if (load<u32>(STATES + index * CPU_BYTES, LAYOUT_RESERVATION) >>> 6 == line) return true
  }
  return false
}

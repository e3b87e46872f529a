/**
 * Do the stores of a CPU come to nothing? While it is watched none of its writable look-up entries compares equal, so that all its stores come to access.ts, and what each
 * word held before the first of them is kept. Nobody else pays for it.
 *
 * Not here: what others write. They are only noted (`othersWrote`), so that it can be told whether the CPU was alone. N1: while a CPU is watched, each word of memory that it
 * has written is kept with what was there when that began.
 */
import {
  LAYOUT_STORES_ALONE, LAYOUT_STORES_KEPT, LAYOUT_STORES_WATCHED, LAYOUT_STORES_WORDS, STORES_PLACES, STORES_PLACE_BITS, STORES_PLACE_BYTES, STORES_WORDS_MAX,
} from "./layout" // prettier-ignore
import { TIMED } from "./fidelity"
import { flagStores, unflagStores } from "./look-up"

/** 2^32 over the golden ratio. */
const SPREAD: u32 = 0x9e3779b1
const PLACES_BYTES: u32 = STORES_PLACES * STORES_PLACE_BYTES

/** Counts what may have been written by anybody but the CPU that ran last: runs of another, and the host. */
let othersWriting: u32 = 0

export function othersWrote(): void {
  othersWriting++
}

// @ts-ignore: decorator
@inline
export function isWatched(cpu: u32): bool {
  return !TIMED && load<u32>(cpu, LAYOUT_STORES_WATCHED) != 0
}

/** From now on, anew. */
export function watchStores(cpu: u32): void {
  memory.fill(cpu + LAYOUT_STORES_KEPT, 0, PLACES_BYTES)
  store<u32>(cpu, 0, LAYOUT_STORES_WORDS)
  store<u32>(cpu, othersWriting, LAYOUT_STORES_ALONE)
  if (isWatched(cpu)) return
  store<u32>(cpu, 1, LAYOUT_STORES_WATCHED)
  flagStores(cpu)
}

export function endWatch(cpu: u32): void {
  if (!isWatched(cpu)) return
  store<u32>(cpu, 0, LAYOUT_STORES_WATCHED)
  unflagStores(cpu)
}

/** This CPU is about to write there, or may be. */
// @ts-ignore: decorator
@inline
export function noteStore(cpu: u32, host: u32, size: u32): void {
  if (isWatched(cpu)) noteWords(cpu, host, size)
}

function noteWords(cpu: u32, host: u32, size: u32): void {
  const first = cpu + LAYOUT_STORES_KEPT
  for (let word = host & ~7; word < host + size; word += 8) {
    let place = first + (((word >>> 3) * SPREAD) >>> (32 - STORES_PLACE_BITS)) * STORES_PLACE_BYTES
    while (load<u32>(place) != 0 && load<u32>(place) != word) {
      place += STORES_PLACE_BYTES
      if (place == first + PLACES_BYTES) place = first
    }
    if (load<u32>(place) == word) continue
    const words = load<u32>(cpu, LAYOUT_STORES_WORDS)
    if (words == STORES_WORDS_MAX) {
      endWatch(cpu)
      return
    }
    store<u32>(cpu, words + 1, LAYOUT_STORES_WORDS)
    store<u32>(place, word)
    store<u64>(place, load<u64>(word), 8)
  }
}

/** Every word that it has written holds what it held when the watch began. */
export function cameToNothing(cpu: u32): bool {
  const first = cpu + LAYOUT_STORES_KEPT
  for (let place = first; place < first + PLACES_BYTES; place += STORES_PLACE_BYTES) {
    const word = load<u32>(place)
    if (word != 0 && load<u64>(word) != load<u64>(place, 8)) return false
  }
  return true
}

/** Nobody else can have written since the watch began. */
export function wasAlone(cpu: u32): bool {
  return load<u32>(cpu, LAYOUT_STORES_ALONE) == othersWriting
}

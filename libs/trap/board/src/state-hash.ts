/**
 * One text for all that a board is: registers, CSRs, devices, clock and memory. Equal runs, equal hash, wherever they ran and however
 * they were cut. Tells two honest runs apart; no defence against an adversary.
 */
import { Fingerprint } from "@backplane/foundation-base/fingerprint"
import { forEachPage, recordOf, type BoardState } from "./board-capture.ts"
import type { Engine } from "@backplane/compute-contract/engine"

/** FNV-1a's prime of 32 bits, and another odd number for the second lane. */
const PRIMES = [0x0100_0193, 0x85eb_ca6b] as const
const BASIS = 0x811c_9dc5

/** 16 hexadecimal digits. What waits on the console is left out: when it is taken is the host's business. */
export function stateHash(engine: Engine, state: BoardState): string {
  const { console: _, ...record } = recordOf(state)
  const fingerprint = new Fingerprint().add(`${engine.options.memoryBytes} ${JSON.stringify(record)}`)
  forEachPage(engine, (page, bytes) => fingerprint.add(`${page} ${pageHash(bytes)}`))
  return fingerprint.hex()
}

/** FNV-1a by words of 32 bits in two lanes: a page takes microseconds, where the fingerprint by bytes takes a millisecond. */
function pageHash(bytes: Uint8Array): string {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  let low = BASIS
  let high = BASIS
  for (const word of words) {
    low = Math.imul(low ^ word, PRIMES[0])
    high = Math.imul(high ^ word ^ (low >>> 15), PRIMES[1])
  }
  return `${(high >>> 0).toString(16)}.${(low >>> 0).toString(16)}`
}

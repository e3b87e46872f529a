/**
 * The one hash of the store: which partition a key lies in, which leaf of a Merkle tree, and the fingerprint of a state.
 *
 * Two lanes of MurmurHash3's 32-bit mix over UTF-16 code units, each with its own seed: 64 bits, synchronous and without WebAssembly, so
 * that pure code may use it. Not a defence against somebody who looks for collisions. Source: Appleby, MurmurHash3_x86_32 (public domain).
 */
import { PARTITIONS } from "@backplane/kv-contract/limits"

export interface Hash64 {
  readonly high: number
  readonly low: number
}

export const ZERO_HASH: Hash64 = { high: 0, low: 0 }

export function hashOf(text: string): Hash64 {
  let high = 0x9747b28c
  let low = 0x3c6ef372
  for (let index = 0; index < text.length; index++) {
    const unit = scrambled(text.charCodeAt(index))
    high = stirred(high, unit)
    low = stirred(low, unit)
  }
  return { high: finished(high ^ text.length), low: finished(low ^ text.length) }
}

export function hexOf(hash: Hash64): string {
  return hash.high.toString(16).padStart(8, "0") + hash.low.toString(16).padStart(8, "0")
}

/** The name of a key over all buckets. A bucket's name has no slash, so no two keys share one. */
export function placeName(bucket: string, key: string): string {
  return `${bucket}/${key}`
}

export function partitionOf(bucket: string, key: string): number {
  return lane(placeName(bucket, key), 0x85ebca6b) % PARTITIONS
}

/** One hash of many, in their order; `high` and `low` have one length. */
export function foldHashes(high: Uint32Array, low: Uint32Array): Hash64 {
  let one = 0x9747b28c
  let other = 0x3c6ef372
  for (let index = 0; index < high.length; index++) {
    one = mixed(mixed(one, high[index] ?? 0), low[index] ?? 0)
    other = mixed(mixed(other, low[index] ?? 0), high[index] ?? 0)
  }
  return { high: finished(one ^ high.length), low: finished(other ^ high.length) }
}

function lane(text: string, seed: number): number {
  let hash = seed
  for (let index = 0; index < text.length; index++) hash = mixed(hash, text.charCodeAt(index))
  return finished(hash ^ text.length)
}

function mixed(hash: number, value: number): number {
  return stirred(hash, scrambled(value))
}

/** What a value is mixed in as; the same for every lane. */
function scrambled(value: number): number {
  const unit = Math.imul(value, 0xcc9e2d51)
  return Math.imul((unit << 15) | (unit >>> 17), 0x1b873593)
}

function stirred(hash: number, unit: number): number {
  const next = hash ^ unit
  return (Math.imul((next << 13) | (next >>> 19), 5) + 0xe6546b64) | 0
}

function finished(hash: number): number {
  let last = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  last = Math.imul(last ^ (last >>> 13), 0xc2b2ae35)
  return (last ^ (last >>> 16)) >>> 0
}

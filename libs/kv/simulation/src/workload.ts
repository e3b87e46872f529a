/** The buckets of a simulated store and what clients do in them, drawn from a seed. */
import type { Random } from "@backplane/foundation-base/random"
import type { Bucket } from "@backplane/kv-contract/bucket"

export const BUCKETS: readonly Bucket[] = [
  { name: "plain", policy: "siblings" },
  { name: "last", policy: "lww" },
  { name: "weak", policy: "siblings", r: 1, w: 1 },
  { name: "far", policy: "siblings", sloppy: true },
  { name: "set", policy: "crdt", crdt: "or-set" },
  { name: "count", policy: "crdt", crdt: "pn-counter" },
  { name: "map", policy: "crdt", crdt: "or-map" },
  { name: "register", policy: "linear" },
]

/** Buckets in which reads are checked against what the session saw. */
export const SESSION_BUCKETS = new Set(["plain", "weak", "far"])

export interface Wish {
  readonly bucket: string
  readonly key: string
  readonly op: "get" | "put" | "delete" | "cas" | "update"
  /** Cycles to wait before. */
  readonly pause: number
}

const KEYS = 3

/** Which buckets clients use, and the longest that one waits before its next request, in cycles. */
export interface Crowd {
  readonly buckets: readonly string[]
  readonly pauseMax: number
}

/**
 * Mostly everything is used, at ease. In one seed of eight clients hardly wait, in one bucket alone: then more requests of a key are done than it remembers
 * while one of them is repeated.
 */
export function drawCrowd(random: Random, buckets: readonly string[]): Crowd {
  return random.chance(1 / 8) ? { buckets: [random.pick(buckets)], pauseMax: 200_000 } : { buckets, pauseMax: 1_000_000 }
}

/** The counter in a map that clients change, as a value of the map names it. */
export const MAP_COUNTER = "n:counter"

/** `only` narrows the buckets. */
export function drawWish(random: Random, options: { readonly only: readonly string[]; readonly pauseMax: number }): Wish {
  const bucket = random.pick(options.only)
  // Few registers, so that few partitions need a leader and conflicts are many.
  const key = `k${random.below(bucket === "register" ? 2 : KEYS)}`
  const chance = random.unit()
  const op =
    bucket === "register"
      ? chance < 0.35
        ? "get"
        : "cas"
      : bucket === "set" || bucket === "count" || bucket === "map"
        ? chance < 0.3
          ? "get"
          : "update"
        : chance < 0.4
          ? "get"
          : chance < 0.85
            ? "put"
            : "delete"
  return { bucket, key, op, pause: random.between(1000, options.pauseMax) }
}

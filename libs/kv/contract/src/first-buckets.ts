/** The buckets that a new store has: one of each policy, and those that Backplane itself uses. More are made with `kv buckets create`. */
import type { Bucket } from "./bucket.ts"

export const FIRST_BUCKETS: readonly Bucket[] = [
  { name: "default", policy: "siblings" },
  { name: "last", policy: "lww" },
  { name: "registers", policy: "linear" },
  { name: "counters", policy: "crdt", crdt: "pn-counter" },
  { name: "sets", policy: "crdt", crdt: "or-set" },
  { name: "disks", policy: "lww" },
  { name: "images", policy: "lww" },
]

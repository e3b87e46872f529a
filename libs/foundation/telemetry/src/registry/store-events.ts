/** Events of the key-value store. */
import { countBy } from "./event-parts.ts"
import type { EventEntry } from "./kinds.ts"

export const STORE_EVENTS: Readonly<Record<string, EventEntry>> = {
  "kv.state": {
    meaning: "what a replica of the store knows of itself, told with each round of certificates",
    fields: {
      shard: "the replica",
      keys: "keys it holds",
      hints: "states it keeps for others that are away",
      unsure: "partitions of which its disk lost something, not yet repaired",
      moving: "partitions that are moved at the moment",
      certified: "seconds since the oldest certificate of a partition that it certifies; absent where one has none",
      apart: "reads so far that found replicas apart",
      reads: "reads so far",
      epoch: "of the configuration",
    },
    metrics: [
      { metric: "backplane_kv_keys", op: "set", field: "keys" },
      { metric: "backplane_kv_hints", op: "set", field: "hints" },
      { metric: "backplane_kv_unsure_partitions", op: "set", field: "unsure" },
      { metric: "backplane_kv_moving_partitions", op: "set", field: "moving" },
      { metric: "backplane_kv_certificate_age_seconds", op: "set", field: "certified" },
      { metric: "backplane_kv_reads", op: "set", field: "reads" },
      { metric: "backplane_kv_reads_apart", op: "set", field: "apart" },
      { metric: "backplane_kv_epoch", op: "set", field: "epoch" },
    ],
  },
  "kv.damaged": {
    meaning: "a replica began with a log of which something could not be read: it serves nothing of it, and has it from the others",
    fields: { shard: "the replica", count: "places in the log", reason: "what they are" },
    metrics: [],
  },
  "kv.mended": {
    meaning: "what a damaged log had lost is there again, from the other replicas",
    fields: { shard: "the replica" },
    metrics: [],
  },
  "kv.moved": {
    meaning: "a partition was copied to the replica that will hold it",
    fields: { shard: "the replica", partition: "which", keys: "keys that were copied" },
    metrics: [countBy("backplane_kv_keys_moved_total", "keys")],
  },
}

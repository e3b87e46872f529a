/**
 * What a whole store agrees on: its members, who holds which partition, what is being moved, its buckets.
 *
 * The truth is a linear register (`SYSTEM_BUCKET`, `CONFIG_KEY`) of the store itself; every replica knows a copy, and the higher epoch wins. While a
 * partition is moved it has two sets of holders, the old and the next; every quorum is then one of both (see kv/replication/placement).
 */
import { Type, type Static } from "typebox"
import { Compile } from "typebox/compile"
import { Bucket } from "./bucket.ts"
import { closed } from "./forms.ts"
import { PARTITIONS } from "./limits.ts"

/** The name of the store's own linear bucket; there in every store. */
export const SYSTEM_BUCKET = "system"
export const CONFIG_KEY = "store"

export const MEMBERS_MAX = 64
export const BUCKETS_MAX = 256

const Actor = Type.String({ minLength: 3, maxLength: 64 })
const Epoch = Type.Integer({ minimum: 0 })
const Holders = Type.Array(Actor, { minItems: 1, maxItems: 7 })
export const StoreMember = Type.Object({ id: Actor, zone: Type.String({ maxLength: 64 }) }, closed)
export type StoreMember = Static<typeof StoreMember>

export const StoreConfig = Type.Object(
  {
    epoch: Epoch,
    members: Type.Array(StoreMember, { minItems: 1, maxItems: MEMBERS_MAX }),
    holders: Type.Array(Holders, { minItems: PARTITIONS, maxItems: PARTITIONS, description: "per partition; the first certifies" }),
    next: Type.Record(Type.String({ pattern: "^[0-9]{1,2}$" }), Holders, {
      description: "of partitions that are being moved: who will hold them",
    }),
    changed: Type.Array(Epoch, {
      minItems: PARTITIONS,
      maxItems: PARTITIONS,
      description: "per partition the epoch of its last change: what is said under an older one is refused",
    }),
    target: Type.Optional(Type.Array(StoreMember, { maxItems: MEMBERS_MAX, description: "the members once all moves are done" })),
    buckets: Type.Array(Bucket, { maxItems: BUCKETS_MAX }),
    version: Type.Optional(
      Type.Integer({
        minimum: 2,
        description: "every member speaks it, and who does not cannot become one: what is kept may have its fields; absent: 1",
        since: 2,
      }),
    ),
  },
  { ...closed, description: "members, placement and buckets of a store, as of an epoch" },
)
export type StoreConfig = Static<typeof StoreConfig>

/** Compiled when it is first asked for: many who import this never do. */
let check: { Check(value: unknown): boolean } | null = null

/** What a register holds is text, and whoever may write there may err. */
export function isStoreConfig(value: unknown): value is StoreConfig {
  check ??= Compile(StoreConfig)
  return check.Check(value)
}

/**
 * Being told of changes: a gateway leases a watch at every replica and renews it; each replica tells what it takes over. The same change comes
 * from each replica that keeps the key; whoever watches drops what it has seen, so a replica that is killed is not missed.
 */
import { Type, type Static } from "typebox"
import { open } from "./forms.ts"
import { VALUE_LENGTH_MAX } from "./limits.ts"
import { AnyJson, BucketName, Key, Vector } from "./versions.ts"

/** A watch that is not renewed for so long is over. In cycles. */
export const WATCH_LEASE_CYCLES = 10_000_000
/** Watches that one replica keeps; one more is refused by silence and tried again. */
export const WATCHES_MAX = 1024

export const KvWatch = Type.Object(
  {
    kind: Type.Literal("KvWatch"),
    watch: Type.String({ minLength: 1, maxLength: 64, description: "name of the watch, the asker's own" }),
    bucket: BucketName,
    prefix: Type.String({ maxLength: 512 }),
    open: Type.Boolean({ description: "false: the watch is over" }),
  },
  { ...open, description: "gateway → replica: tell me what changes below this prefix; said again before the lease ends" },
)
export type KvWatch = Static<typeof KvWatch>

export const KvChanged = Type.Object(
  {
    kind: Type.Literal("KvChanged"),
    watch: Type.String({ minLength: 1, maxLength: 64 }),
    bucket: BucketName,
    key: Key,
    values: Type.Array(Type.String({ maxLength: VALUE_LENGTH_MAX })),
    result: Type.Optional(AnyJson),
    context: Vector,
  },
  { ...open, description: "replica → gateway: the key is so now, here" },
)
export type KvChanged = Static<typeof KvChanged>

/** Work on the data where it lies: what a replica hands to the worker beside it, and what comes back. Both are in one process. */
import { Type, type Static } from "typebox"
import { closed } from "./forms.ts"
import { KEY_LENGTH_MAX, PARTITIONS } from "./limits.ts"
import { AnyJson, BucketName } from "./versions.ts"

const Job = Type.String({ minLength: 1, maxLength: 96 })

/** Longest text of a function. */
export const FUNCTION_LENGTH_MAX = 16_384
export const Functions = {
  map: Type.String({
    minLength: 1,
    maxLength: FUNCTION_LENGTH_MAX,
    description: "(key, values) => anything; undefined leaves the key out",
  }),
  reduce: Type.String({ minLength: 1, maxLength: FUNCTION_LENGTH_MAX, description: "(a, b) => c; in any order and grouping" }),
  milliseconds: Type.Integer({ minimum: 1, maximum: 60_000, description: "of one partition; then it is stopped" }),
  megabytes: Type.Integer({ minimum: 8, maximum: 512, description: "of the worker's heap; beyond it is stopped" }),
} as const

export const KeySource = Type.Object(
  {
    bucket: BucketName,
    partition: Type.Integer({ minimum: 0, maximum: PARTITIONS - 1 }),
    prefix: Type.String({ maxLength: KEY_LENGTH_MAX }),
  },
  { ...closed, description: "the keys of a partition of a bucket that begin so" },
)
export type KeySource = Static<typeof KeySource>

export const KvCompute = Type.Object(
  {
    kind: Type.Literal("KvCompute"),
    job: Job,
    ...Functions,
    source: Type.Union([KeySource, Type.Null()]),
    partials: Type.Array(AnyJson, { maxItems: 4096, description: "results to reduce further, instead of keys" }),
  },
  {
    ...closed,
    description: "replica → replica (its worker): map and reduce these; the worker reads them where they lie, for both are in one process",
  },
)
export type KvCompute = Static<typeof KvCompute>

export const KvComputed = Type.Object(
  {
    kind: Type.Literal("KvComputed"),
    job: Job,
    result: Type.Optional(AnyJson),
    keys: Type.Optional(Type.Integer({ minimum: 0, description: "keys that were mapped" })),
    error: Type.Optional(Type.String({ maxLength: 1000 })),
  },
  { ...closed, description: "replica (its worker) → replica: the result, or why there is none" },
)
export type KvComputed = Static<typeof KvComputed>

/** Work on the data where it lies: what a replica hands to the worker beside it, and what comes back. Both are in one process. */
import { Type, type Static } from "typebox"
import { VALUE_LENGTH_MAX } from "./limits.ts"
import { AnyJson, Key } from "./versions.ts"

const closed = { additionalProperties: false } as const
const Job = Type.String({ minLength: 1, maxLength: 96 })

/** Longest text of a function. */
export const FUNCTION_LENGTH_MAX = 16_384
/** Entries and characters of one message; a partition that has more comes in several. */
export const COMPUTE_ENTRIES_MAX = 2_048
export const COMPUTE_CHARACTERS_MAX = 2_000_000

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

export const KvCompute = Type.Object(
  {
    kind: Type.Literal("KvCompute"),
    job: Job,
    ...Functions,
    entries: Type.Array(Type.Tuple([Key, Type.Array(Type.String({ maxLength: VALUE_LENGTH_MAX }))]), { maxItems: COMPUTE_ENTRIES_MAX }),
    partials: Type.Array(AnyJson, { maxItems: 4096, description: "results to reduce further, instead of entries" }),
    last: Type.Boolean(),
  },
  { ...closed, description: "replica → replica (its worker): map and reduce these; the answer comes after the last message of the job" },
)
export type KvCompute = Static<typeof KvCompute>

export const KvComputed = Type.Object(
  {
    kind: Type.Literal("KvComputed"),
    job: Job,
    result: Type.Optional(AnyJson),
    error: Type.Optional(Type.String({ maxLength: 1000 })),
  },
  { ...closed, description: "replica (its worker) → replica: the result, or why there is none" },
)
export type KvComputed = Static<typeof KvComputed>

/**
 * What is kept of a key, on the wire and on disk: causal context, concurrent versions, or a CRDT's state.
 *
 * Only the form; what the parts mean and how two states are joined is kv/versioning.
 */
import { Type, type Static } from "typebox"
import type { Json } from "@backplane/foundation-base/json"
import { closed } from "./forms.ts"
import {
  BUCKET_NAME_LENGTH_MAX,
  COUNTED_LENGTH_MAX,
  DONE_NAMES_MAX,
  DONE_SEQUENCES_MAX,
  KEY_LENGTH_MAX,
  SIBLINGS_MAX,
  VALUE_LENGTH_MAX,
  VECTOR_ENTRIES_MAX,
} from "./limits.ts"

/** Any JSON value; checked by who reads it. */
export const AnyJson = Type.Unsafe<Json>({})

export const WriterName = Type.String({
  minLength: 1,
  maxLength: 96,
  description:
    "who counts its events: a replica and a life of it (kv-shard.0@<epoch>); never used again after what it counted was forgotten",
})
/** Microseconds of wall time where clocks agree; see kv/versioning/hybrid-clock. */
export const Counter = Type.Integer({
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: "hybrid logical clock at the event: grows with each event of the writer, and past all that it had seen",
})
export const Dot = Type.Tuple([WriterName, Counter], { description: "one event: writer and its count" })
export type Dot = Static<typeof Dot>

export const Vector = Type.Record(Type.String({ minLength: 1, maxLength: 96 }), Counter, {
  maxProperties: VECTOR_ENTRIES_MAX,
  description: "per writer the highest event that is known; all earlier ones are known too",
})
export type Vector = Static<typeof Vector>

export const Version = Type.Object(
  {
    dot: Dot,
    value: Type.Union([Type.String({ maxLength: VALUE_LENGTH_MAX }), Type.Null()], {
      description: "null: the key was deleted (tombstone)",
    }),
  },
  closed,
)
export type Version = Static<typeof Version>

export const CRDT_NAMES = ["g-counter", "pn-counter", "lww-register", "mv-register", "or-set", "flag", "or-map"] as const
export type CrdtName = (typeof CRDT_NAMES)[number]

export const Done = Type.Array(Type.String({ maxLength: 256 }), {
  maxItems: DONE_SEQUENCES_MAX + DONE_NAMES_MAX,
  description:
    "the last requests of the key and the event that each made, as `time writer amount sequence requester`, oldest first; amount is 0 but for counters",
})
export type Done = Static<typeof Done>

export const Counted = Type.Array(Type.String({ maxLength: COUNTED_LENGTH_MAX }), {
  maxItems: DONE_SEQUENCES_MAX + DONE_NAMES_MAX,
  description: "of events in `done` that counted in a counter inside a map, which one: `time writer place`, in the order of their events",
  since: 2,
})
export type Counted = Static<typeof Counted>

export const KeyState = Type.Object(
  {
    context: Vector,
    versions: Type.Array(Version, { maxItems: SIBLINGS_MAX, description: "concurrent, in the order of their dots" }),
    crdt: Type.Optional(AnyJson),
    done: Type.Optional(Done),
    counted: Type.Optional(Counted),
  },
  { ...closed, description: "all that a replica knows of one key: events seen, and what they left" },
)
export type KeyState = Static<typeof KeyState>

/** Of a request that is followed: what later reconciliations point back to. */
export const TraceName = Type.String({
  pattern: "^[0-9a-f]{32}-[0-9a-f]{16}$",
  description: "trace and span of a request that is to be followed until its last replica has it",
})

export const BucketName = Type.String({ minLength: 1, maxLength: BUCKET_NAME_LENGTH_MAX, pattern: "^[a-z][a-z0-9-]*$" })
export const Key = Type.String({ minLength: 1, maxLength: KEY_LENGTH_MAX })

export const SessionToken = Type.Array(Type.Tuple([BucketName, Key, Vector]), {
  description: "per key what the session has seen or written, oldest use first",
})
export type SessionToken = Static<typeof SessionToken>

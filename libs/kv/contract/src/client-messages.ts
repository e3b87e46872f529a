/**
 * What gateways ask of replicas and what they hear. Many requests travel in one message; each has the requester's sequence, and a
 * repeat gets the stored answer. Any replica takes any request; one that holds no copy forwards it, and the last answers the first.
 */
import { Type, type Static } from "typebox"
import { BATCH_ITEMS_MAX, KEY_LENGTH_MAX, PARTITIONS, VALUE_LENGTH_MAX } from "./limits.ts"
import { Functions } from "./compute-messages.ts"
import { closed, open } from "./forms.ts"
import { IDEMPOTENCY_LENGTH_MAX } from "./idempotency.ts"
import { AnyJson, BucketName, Key, SessionToken, TraceName, Vector } from "./versions.ts"

const Count = Type.Integer({ minimum: 1, maximum: 7 })
const Value = Type.String({ maxLength: VALUE_LENGTH_MAX })
const common = { bucket: BucketName, key: Key }

export const Get = Type.Object(
  { type: Type.Literal("get"), ...common, r: Type.Optional(Count), session: Type.Optional(SessionToken) },
  { ...closed, description: "the value, or the concurrent values, and their context" },
)
export const Put = Type.Object(
  {
    type: Type.Literal("put"),
    ...common,
    value: Value,
    context: Type.Optional(Vector),
    w: Type.Optional(Count),
    sloppy: Type.Optional(Type.Boolean()),
    session: Type.Optional(SessionToken),
  },
  { ...closed, description: "replaces what the context covers; what it does not cover stays beside it (or yields, as the bucket says)" },
)
export const Delete = Type.Object(
  {
    type: Type.Literal("delete"),
    ...common,
    context: Type.Optional(Vector),
    w: Type.Optional(Count),
    sloppy: Type.Optional(Type.Boolean()),
    session: Type.Optional(SessionToken),
  },
  { ...closed, description: "as put, with nothing instead of a value" },
)
export const Update = Type.Object(
  {
    type: Type.Literal("update"),
    ...common,
    operation: AnyJson,
    w: Type.Optional(Count),
    sloppy: Type.Optional(Type.Boolean()),
    session: Type.Optional(SessionToken),
  },
  { ...closed, description: 'an operation of the bucket\'s CRDT, such as {"op": "add", "element": "a"}' },
)
export const CompareAndSet = Type.Object(
  {
    type: Type.Literal("cas"),
    ...common,
    expect: Type.Union([Value, Type.Null()], { description: "null: the key is not there" }),
    value: Type.Union([Value, Type.Null()], { description: "null: delete it" }),
  },
  { ...closed, description: "linear buckets: sets the register where it holds `expect`" },
)
export const Scan = Type.Object(
  {
    type: Type.Literal("scan"),
    bucket: BucketName,
    partition: Type.Integer({ minimum: 0, maximum: PARTITIONS - 1 }),
    prefix: Type.Optional(Type.String({ maxLength: KEY_LENGTH_MAX })),
    after: Type.Optional(Type.String({ maxLength: KEY_LENGTH_MAX })),
    limit: Type.Integer({ minimum: 1, maximum: 10_000 }),
    keysOnly: Type.Optional(Type.Boolean()),
  },
  { ...closed, description: "the keys of one partition of a bucket in order, as the replica that is asked knows them" },
)
export const MapReduce = Type.Object(
  {
    type: Type.Literal("mapreduce"),
    bucket: BucketName,
    partition: Type.Integer({ minimum: 0, maximum: PARTITIONS - 1 }),
    prefix: Type.Optional(Type.String({ maxLength: KEY_LENGTH_MAX })),
    ...Functions,
    partials: Type.Optional(Type.Array(AnyJson, { maxItems: 4096, description: "results of partitions, to be reduced to one" })),
  },
  { ...closed, description: "functions for the keys of one partition, run beside the replica that has them" },
)
/** What one key is asked for. */
export const KeyOperation = Type.Union([Get, Put, Delete, Update, CompareAndSet])
export type KeyOperation = Static<typeof KeyOperation>
export const Operation = Type.Union([Get, Put, Delete, Update, CompareAndSet, Scan, MapReduce])
export type Operation = Static<typeof Operation>

export const KvRequest = Type.Object(
  {
    sequence: Type.Integer({ minimum: 1, description: "of the requester: +1 a request; a repeat has the same" }),
    attempt: Type.Integer({ minimum: 0, description: "0, then +1 a repeat: a forwarder tries another replica" }),
    operation: Operation,
    trace: Type.Optional(TraceName),
    age: Type.Optional(
      Type.Integer({ minimum: 0, description: "of a repeat: cycles since it was sent first, by the requester's clock", since: 2 }),
    ),
    idempotency: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: IDEMPOTENCY_LENGTH_MAX,
        description:
          "the caller's own name of a write: whoever sends it again, it is done once; behind a # a fingerprint of what was sent, so that another request under the same name is refused",
      }),
    ),
  },
  open,
)
export type KvRequest = Static<typeof KvRequest>

/** Only says more: who does not hear it does what it would have refused. */
export const Sent = Type.Integer({
  description: "by the sender's clock: what waited too long on its way is refused, for its sender has asked another since",
  since: 2,
})

export const KvAsk = Type.Object(
  {
    kind: Type.Literal("KvAsk"),
    requests: Type.Array(KvRequest, { minItems: 1, maxItems: BATCH_ITEMS_MAX }),
    sent: Type.Optional(Sent),
  },
  { ...open, description: "gateway → replica: requests that were waiting" },
)
export type KvAsk = Static<typeof KvAsk>

export const REJECTIONS = [
  "unknown-bucket",
  "key-too-long",
  "value-too-large",
  "wrong-operation",
  "bad-operation",
  "bad-context",
  "bad-quorum",
  "too-many-siblings",
  "too-many-writers",
  "quorum-not-met",
  "forgotten",
  "session-not-met",
  "busy",
  "no-leader",
  "compute-failed",
  // Answers only a name with a fingerprint, which gateways give that know this reason.
  "key-reused",
] as const
export type RejectionReason = (typeof REJECTIONS)[number]

export const Staleness = Type.Object(
  {
    answered: Type.Integer({ minimum: 0, description: "replicas whose state is in the answer" }),
    apart: Type.Boolean({ description: "some of them had another state: a read repair follows" }),
    certifiedAt: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()], {
      description: "when all replicas of the partition were last known equal",
    }),
  },
  { ...open, description: "what is known of how old the answer may be" },
)
export type Staleness = Static<typeof Staleness>

export const KvSuccess = Type.Object(
  {
    sequence: Type.Integer({ minimum: 1 }),
    ok: Type.Literal(true),
    values: Type.Array(Value, { description: "of a get: none where the key is not there, several where they are concurrent" }),
    result: Type.Optional(AnyJson),
    context: Vector,
    swapped: Type.Optional(Type.Boolean({ description: "of a cas: false where the register held something else" })),
    session: Type.Optional(SessionToken),
    staleness: Type.Optional(Staleness),
  },
  open,
)
export const KvRejection = Type.Object(
  {
    sequence: Type.Integer({ minimum: 1 }),
    ok: Type.Literal(false),
    reason: Type.Enum([...REJECTIONS]),
    field: Type.Optional(Type.String()),
    remedy: Type.String({ description: "what the asker can do" }),
    unknown: Type.Boolean({ description: "true: the write may still take effect" }),
  },
  open,
)
export type KvSuccess = Static<typeof KvSuccess>
export type KvRejection = Static<typeof KvRejection>
export const KvAnswer = Type.Union([KvSuccess, KvRejection])
export type KvAnswer = Static<typeof KvAnswer>

export const KvTell = Type.Object(
  { kind: Type.Literal("KvTell"), answers: Type.Array(KvAnswer, { minItems: 1, maxItems: BATCH_ITEMS_MAX }) },
  { ...open, description: "replica → gateway: answers, in any order" },
)
export type KvTell = Static<typeof KvTell>

export const KvGone = Type.Object(
  { kind: Type.Literal("KvGone") },
  {
    ...open,
    description:
      "replica → gateway: its sender is gone, or the link to it broke: wait for nothing from it (also to replicas; the link says so)",
  },
)
export type KvGone = Static<typeof KvGone>

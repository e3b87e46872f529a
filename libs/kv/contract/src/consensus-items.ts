/** What the replicas of one partition say to each other about its linear registers (see kv/replication/consensus). */
import { Type, type Static } from "typebox"
import { closed, open } from "./forms.ts"
import { BATCH_ITEMS_MAX, PARTITIONS, VALUE_LENGTH_MAX } from "./limits.ts"
import { BucketName, Key } from "./versions.ts"

const Term = Type.Integer({ minimum: 0 })
const Index = Type.Integer({ minimum: 0 })
const Value = Type.Union([Type.String({ maxLength: VALUE_LENGTH_MAX }), Type.Null()])

export const Command = Type.Object(
  {
    requester: Type.String({ maxLength: 64 }),
    sequence: Type.Integer({ minimum: 0, description: "0: no request, the first entry of a term" }),
    bucket: BucketName,
    key: Key,
    /** Absent: an unconditional write. */
    expect: Type.Optional(Value),
    value: Value,
    /** Of a first entry: the configuration that its leader goes by. */
    epoch: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
)
export type Command = Static<typeof Command>
export const Entry = Type.Object({ term: Term, command: Command }, closed)
export type Entry = Static<typeof Entry>

export const Snapshot = Type.Object(
  {
    index: Index,
    term: Term,
    epoch: Type.Optional(Type.Integer({ minimum: 0, description: "the latest configuration that an entry up to there names" })),
    registers: Type.Array(Type.Tuple([Type.String({ maxLength: 600 }), Type.String({ maxLength: VALUE_LENGTH_MAX })])),
    /** Per requester the last sequence applied and whether it swapped: a repeat gets the stored answer, on any leader. */
    done: Type.Array(Type.Tuple([Type.String({ maxLength: 64 }), Index, Type.Boolean()])),
  },
  { ...closed, description: "the state after entry `index`: what stands in for the log up to there" },
)
export type Snapshot = Static<typeof Snapshot>

const Everyone = Type.Optional(
  Type.Boolean({ description: "every voter must agree, and those that lost data may: there may be no majority of others left" }),
)

const Gone = Type.Optional(Type.Boolean({ description: "the leader's link broke: do not wait for its silence" }))

export const ConsensusMessage = Type.Union([
  Type.Object({ step: Type.Literal("pre-vote"), term: Term, lastIndex: Index, lastTerm: Term, everyone: Everyone, gone: Gone }, open),
  Type.Object({ step: Type.Literal("pre-vote-answer"), term: Term, granted: Type.Boolean() }, open),
  Type.Object({ step: Type.Literal("vote"), term: Term, lastIndex: Index, lastTerm: Term, everyone: Everyone, gone: Gone }, open),
  Type.Object({ step: Type.Literal("vote-answer"), term: Term, granted: Type.Boolean() }, open),
  Type.Object(
    {
      step: Type.Literal("append"),
      term: Term,
      previousIndex: Index,
      previousTerm: Term,
      entries: Type.Array(Entry, { maxItems: BATCH_ITEMS_MAX }),
      commit: Index,
      round: Type.Integer({ minimum: 0, description: "the leader's read round that this confirms" }),
      snapshot: Type.Optional(Snapshot),
    },
    open,
  ),
  Type.Object(
    {
      step: Type.Literal("append-answer"),
      term: Term,
      ok: Type.Boolean(),
      match: Type.Integer({ minimum: 0, description: "ok: last index that is on my disk as on yours; else: try from here" }),
      round: Type.Integer({ minimum: 0 }),
      voter: Type.Boolean({ description: "false: I lost data and only learn; do not count me" }),
    },
    open,
  ),
])
export type ConsensusMessage = Static<typeof ConsensusMessage>

export const ConsensusItem = Type.Object(
  { type: Type.Literal("consensus"), partition: Type.Integer({ minimum: 0, maximum: PARTITIONS - 1 }), message: ConsensusMessage },
  open,
)
export type ConsensusItem = Static<typeof ConsensusItem>

/**
 * What the disks of VMs ask of the key-value store: a node asks the door beside it, which speaks with the replicas.
 *
 * Every operation may be done twice without harm: blocks are written once under a name of their own, and a register that was set is read
 * before it is set again. So a question is repeated until it is answered, and the door keeps nothing.
 */
import { Type, type Static } from "typebox"

const closed = { additionalProperties: false } as const
const Key = Type.String({ minLength: 1, maxLength: 256 })
const Bucket = Type.String({ minLength: 1, maxLength: 64 })
/** A block of CHUNK_BYTES in base64, a page of the map, or a root. */
const Text = Type.String({ maxLength: 262_144 })
const Request = Type.String({ minLength: 1, maxLength: 64, description: "the asker's own: never used again" })

const place = { bucket: Bucket, key: Key }
export const BlockOperation = Type.Union([
  Type.Object({ type: Type.Literal("get"), ...place }, closed),
  Type.Object({ type: Type.Literal("put"), ...place, value: Text }, closed),
  Type.Object({ type: Type.Literal("delete"), ...place }, closed),
  Type.Object(
    { type: Type.Literal("cas"), ...place, expect: Type.Union([Text, Type.Null()]), value: Type.Union([Text, Type.Null()]) },
    closed,
  ),
])
export type BlockOperation = Static<typeof BlockOperation>

export const BlockAsk = Type.Object(
  { kind: Type.Literal("BlockAsk"), request: Request, operation: BlockOperation },
  { ...closed, description: "node → node: to its door, which asks the store for a disk; repeated until answered" },
)
export type BlockAsk = Static<typeof BlockAsk>

export const BlockTold = Type.Object(
  {
    kind: Type.Literal("BlockTold"),
    request: Request,
    outcome: Type.Enum(["done", "refused", "again"], { description: "again: the store did not answer, which passes" }),
    values: Type.Array(Text, { maxItems: 64, description: "of a get: none where the key is not there" }),
    swapped: Type.Optional(Type.Boolean({ description: "of a cas" })),
    remedy: Type.Optional(Type.String({ maxLength: 300 })),
  },
  { ...closed, description: "node → node: from its door, what the store said" },
)
export type BlockTold = Static<typeof BlockTold>

export const diskMessages = { BlockAsk, BlockTold } as const

/** A bucket: how its concurrent writes are reconciled, and how many replicas a request waits for. */
import { Type, type Static } from "typebox"
import { closed } from "./forms.ts"
import { BucketName, CRDT_NAMES } from "./versions.ts"

export const POLICIES = ["lww", "siblings", "handler", "crdt", "linear"] as const
export type Policy = (typeof POLICIES)[number]

const Count = Type.Integer({ minimum: 1, maximum: 7 })

export const Bucket = Type.Object(
  {
    name: BucketName,
    policy: Type.Enum([...POLICIES]),
    crdt: Type.Optional(Type.Enum([...CRDT_NAMES], { description: "which type, where the policy is crdt" })),
    handler: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description: "where the policy is handler: name of a registered function, or service:<name> for a service on the bus",
      }),
    ),
    r: Type.Optional(Count),
    w: Type.Optional(Count),
    sloppy: Type.Optional(Type.Boolean({ description: "a write may count replicas that only hold it for one that is away" })),
    durability: Type.Optional(Type.Enum(["disk", "memory"], { description: "disk: acknowledged after it is synced on W replicas" })),
  },
  { ...closed, description: "configuration of one bucket; R + W > N by default" },
)
export type Bucket = Static<typeof Bucket>

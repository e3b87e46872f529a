/** A handler outside the store: a service in any language that makes one value of concurrent ones (`handler: "service:<name>"` in a bucket). */
import { Type, type Static } from "typebox"
import { open } from "./forms.ts"
import { SIBLINGS_MAX, VALUE_LENGTH_MAX } from "./limits.ts"
import { BucketName, Key } from "./versions.ts"

const Id = Type.String({ minLength: 1, maxLength: 96, description: "of the question; the answer bears the same" })
const Value = Type.String({ maxLength: VALUE_LENGTH_MAX })

/** What stands before the name of a service, as a bucket's handler. */
export const SERVICE_PREFIX = "service:"
/** `service:<name>`: asked as the actor `handler.<name>`. */
export const SERVICE_HANDLER = /^service:[a-z0-9][a-z0-9-]{0,31}$/

export const KvReconcile = Type.Object(
  {
    kind: Type.Literal("KvReconcile"),
    id: Id,
    bucket: BucketName,
    key: Key,
    values: Type.Array(Value, { minItems: 2, maxItems: SIBLINGS_MAX, description: "concurrent, in the order of their events" }),
  },
  { ...open, description: "replica → handler: make one value of these; asked again, with another id, while they stay" },
)
export type KvReconcile = Static<typeof KvReconcile>

export const KvReconciled = Type.Object(
  {
    kind: Type.Literal("KvReconciled"),
    id: Id,
    value: Type.Union([Value, Type.Null()], { description: "null: delete the key" }),
  },
  { ...open, description: "handler → replica: what takes their place; of no use once the key has changed" },
)
export type KvReconciled = Static<typeof KvReconciled>

/**
 * The edge: bodies are checked once when they come in and trusted from there on.
 *
 * Contracts know the shapes; an app hands in one codec made from them. A bigint is hexadecimal text on the wire.
 */
import type { Body } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import type { PackReader, PackWriter } from "@backplane/foundation-base/packed-bytes"

export interface BodyRejection {
  /** Path of the field, `/operands/0`; empty for the body as a whole. */
  readonly field: string
  readonly reason: string
}

export type Decoded =
  { readonly body: Body; readonly rejection?: undefined } | { readonly body?: undefined; readonly rejection: BodyRejection }

export interface BodyCodec {
  /** `value` is what JSON.parse gave: from anybody, in any shape. Never throws. */
  decode(value: Json): Decoded
  /** The body as JSON can carry it. Must not leave a bigint in it. */
  encode(body: Body): Json
  /** A second form, of bytes, for bodies that are many. Links use it where both sides have one. */
  readonly packer?: BodyPacker
}

export interface BodyPacker {
  /** False where the body goes as JSON: what was written is forgotten then. */
  pack(body: Body, writer: PackWriter): boolean
  /** From anybody. Lets through what `decode` would. Throws `NotPacked`, and nothing else. */
  unpack(reader: PackReader): Body
}

/** Knows no contract: checks only that there is a `kind`. For tests and for bodies that are plain JSON. */
export const plainCodec: BodyCodec = {
  decode(value: Json): Decoded {
    if (value === null || typeof value !== "object" || Array.isArray(value))
      return { rejection: { field: "", reason: "a body is a JSON object" } }
    const kind: unknown = Reflect.get(value, "kind")
    if (typeof kind !== "string") return { rejection: { field: "/kind", reason: "a body has a kind, and it is text" } }
    return { body: value as unknown as Body }
  },
  encode(body: Body): Json {
    return body as unknown as Json
  },
}

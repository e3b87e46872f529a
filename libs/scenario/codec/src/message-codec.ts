/**
 * Checks every message at the edge of a process, once: what comes out may be trusted.
 *
 * Fits the runtime's `BodyCodec` by shape. Schemas are compiled when a kind is first met.
 */
import type { Body } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import type { PackReader, PackWriter } from "@backplane/foundation-base/packed-bytes"
import { readMessage, writeMessage } from "@backplane/kv-contract/packed/packed-messages"
import { Compile } from "typebox/compile"
import { MESSAGES } from "./message-schemas.ts"

interface Checker {
  Check(value: unknown): boolean
  Errors(value: unknown): readonly { readonly instancePath: string; readonly message: string; readonly keyword: string }[]
}

type Decoded =
  | { readonly body: Body; readonly rejection?: undefined }
  | { readonly body?: undefined; readonly rejection: { readonly field: string; readonly reason: string } }

export class MessageCodec {
  /** The store's messages as bytes. */
  readonly packer = {
    pack: (body: Body, writer: PackWriter): boolean => writeMessage(writer, body),
    unpack: (reader: PackReader): Body => readMessage(reader),
  }
  readonly #schemas = new Map(MESSAGES.map((entry) => [entry.kind, entry.schema]))
  readonly #checkers = new Map<string, Checker>()

  decode(value: Json): Decoded {
    const kind = kindOf(value)
    if (kind === null) return { rejection: { field: "/kind", reason: "a body is an object with a kind, and the kind is text" } }
    const checker = this.#checkerOf(kind)
    if (checker === null) return { rejection: { field: "/kind", reason: `there is no message ${kind.slice(0, 64)}` } }
    if (checker.Check(value)) return { body: value as unknown as Body }
    const wrong = checker.Errors(value)[0]
    // A field too many fails against the schema `false`, which is no news to anyone.
    const what = wrong?.keyword === "boolean" ? "there is no such field" : (wrong?.message ?? "does not fit its schema")
    return { rejection: { field: wrong?.instancePath ?? "", reason: `${kind}: ${what}` } }
  }

  encode(body: Body): Json {
    return body as unknown as Json
  }

  #checkerOf(kind: string): Checker | null {
    const known = this.#checkers.get(kind)
    if (known !== undefined) return known
    const schema = this.#schemas.get(kind)
    if (schema === undefined) return null
    const checker: Checker = Compile(schema)
    this.#checkers.set(kind, checker)
    return checker
  }
}

function kindOf(value: Json): string | null {
  if (value === null || typeof value !== "object" || !("kind" in value)) return null
  return typeof value.kind === "string" ? value.kind : null
}

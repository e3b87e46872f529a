import { describe, expect, it } from "vitest"
import { MessageCodec } from "./message-codec.ts"
import { MESSAGES } from "./message-schemas.ts"

const codec = new MessageCodec()
const seen = { kind: "TaskFinishedSeen", task: "a", attempt: 1 }

describe("the codec at the edge", () => {
  it("lets a good message through unchanged, however it is carried", () => {
    expect(codec.decode(JSON.parse(JSON.stringify(codec.encode(seen))))).toEqual({ body: seen })
  })

  it.each([
    ["no object", 7, "/kind", "an object with a kind"],
    ["null", null, "/kind", "an object with a kind"],
    ["no kind", {}, "/kind", "an object with a kind"],
    ["a kind that is no text", { kind: 1 }, "/kind", "text"],
    ["an unknown kind", { kind: "Nonsense" }, "/kind", "no message Nonsense"],
    ["a name of the language's own", { kind: "constructor" }, "/kind", "no message constructor"],
    ["a field of the wrong type", { ...seen, attempt: "1" }, "/attempt", "integer"],
    ["a number out of range", { ...seen, attempt: 0 }, "/attempt", ">= 1"],
    ["a missing field", { kind: "TaskFinishedSeen", task: "a" }, "", "attempt"],
    ["a field too many", { ...seen, more: 1 }, "/more", "no such field"],
  ])("refuses %s and names the field", (_what, value, field, reason) => {
    expect(codec.decode(value)).toMatchObject({ rejection: { field, reason: expect.stringContaining(reason) } })
  })

  it("knows every kind once, and each schema is closed and states its own kind", () => {
    expect(new Set(MESSAGES.map(({ kind }) => kind)).size).toBe(MESSAGES.length)
    for (const { kind, schema } of MESSAGES) {
      const text = JSON.parse(JSON.stringify(schema)) as { properties: { kind: { const: string } }; additionalProperties: boolean }
      expect(text.properties.kind.const).toBe(kind)
      expect(text.additionalProperties, kind).toBe(false)
    }
  })
})

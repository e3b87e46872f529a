import { describe, expect, it } from "vitest"
import type { Json } from "@backplane/foundation-base/json"
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

  it("knows every kind once, and each schema states its own kind and is closed, but for what programs of two versions tell each other", () => {
    // See kv/contract: what is kept is closed there too.
    const inOneProcess = ["KvCompute", "KvComputed"]
    expect(new Set(MESSAGES.map(({ kind }) => kind)).size).toBe(MESSAGES.length)
    for (const { kind, schema, subsystem } of MESSAGES) {
      const text = JSON.parse(JSON.stringify(schema)) as { properties: { kind: { const: string } }; additionalProperties: boolean }
      expect(text.properties.kind.const).toBe(kind)
      expect(text.additionalProperties, kind).toBe(subsystem === "kv" && !inOneProcess.includes(kind) ? undefined : false)
    }
  })

  it("takes a message of a store's later version, and refuses a state of one: nothing of it may be dropped without a word", () => {
    const state = { context: { a: 1 }, versions: [{ dot: ["a", 1], value: "x" }] }
    const item = { type: "replicate", id: "1", bucket: "b", key: "k", state, reason: "write" }
    const peer = (changed: object, rest: object = {}): Json =>
      ({ kind: "KvPeer", epoch: 1, items: [{ ...item, ...changed }], ...rest }) as Json
    expect(codec.decode(peer({}))).toHaveProperty("body")
    expect(codec.decode(peer({ later: 1 }, { later: 1 }))).toHaveProperty("body")
    for (const wrong of [
      { ...state, later: 1 },
      { ...state, versions: [{ dot: ["a", 1], value: "x", later: 1 }] },
    ])
      expect(codec.decode(peer({ state: wrong }))).toHaveProperty("rejection")
    expect(
      codec.decode({ kind: "KvAsk", requests: [{ sequence: 1, attempt: 0, operation: { type: "get", bucket: "b", key: "k", later: 1 } }] }),
    ).toHaveProperty("rejection")
  })
})

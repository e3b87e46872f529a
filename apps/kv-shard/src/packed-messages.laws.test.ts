/** The store's messages as bytes: what comes back is what was said, and whatever the bytes, nothing comes through that their schemas refuse. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Json } from "@backplane/foundation-base/json"
import { NotPacked } from "@backplane/foundation-base/packed-bytes"
import { ByteReader, ByteWriter } from "@backplane/foundation-runtime/packed-bytes"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"

const RUNS = { numRuns: Number(process.env["KV_LAW_RUNS"] ?? 300) }
const codec = new MessageCodec()

const text = (most: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ maxLength: most }),
    fc.string({ maxLength: Math.floor(most / 2), unit: "grapheme" }).filter(({ length }) => length <= most),
    fc.constantFrom("", "\ud800", "é", "x".repeat(Math.min(most, 40))),
  )
const named = (most: number): fc.Arbitrary<string> => text(most).filter((each) => each !== "" && each !== "__proto__")
const count = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const bucket = fc.constantFrom("last", "a", "b-2")
const key = named(60)
const trace = fc.constantFrom(`${"0a".repeat(16)}-${"1f".repeat(8)}`)
const vector = fc.dictionary(named(20), count, { maxKeys: 4, noNullPrototype: true })
const value = text(200)
const some = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined })
const state = fc.record({
  context: vector,
  versions: fc.array(fc.record({ dot: fc.tuple(named(20), count), value: fc.option(value) }), { maxLength: 3 }),
  crdt: some(fc.constantFrom<Json>(null, 3, { a: [1, "x"] })),
  done: some(fc.array(text(80), { maxLength: 5 })),
  counted: some(fc.array(text(80), { maxLength: 3 })),
})
const id = text(60)
const dots = fc.array(fc.tuple(named(20), count), { maxLength: 3 })
const doubt = { weak: some(fc.boolean()), collected: some(fc.nat({ max: Number.MAX_SAFE_INTEGER })) }
const item = fc.oneof(
  fc.record({
    type: fc.constant("replicate"),
    id,
    bucket,
    key,
    state,
    reason: fc.constantFrom("write", "read-repair", "write-repair", "hint", "anti-entropy"),
    holdFor: some(text(20)),
    trace: some(trace),
    weak: some(fc.boolean()),
  }),
  fc.record({ type: fc.constant("replicated"), id, ok: fc.boolean(), held: some(fc.boolean()), refused: some(dots) }),
  fc.record({ type: fc.constant("fetch"), id, bucket, key, hash: some(fc.constantFrom("0123456789abcdef")) }),
  fc.record({ type: fc.constant("fetched"), id, state: some(state), unsure: fc.boolean(), trace: some(trace), ...doubt }),
)
const copies = some(fc.integer({ min: 1, max: 7 }))
const operation = fc.oneof(
  fc.record({ type: fc.constant("get"), bucket, key, r: copies }),
  fc.record({ type: fc.constant("put"), bucket, key, value, context: some(vector), w: copies, sloppy: some(fc.boolean()) }),
)
const request = fc.record({ sequence: count, attempt: fc.nat(9), operation, trace: some(trace), idempotency: some(named(60)) })
const staleness = fc.record({ answered: fc.nat(7), apart: fc.boolean(), certifiedAt: fc.option(fc.nat()) })
const success = fc.record({
  sequence: count,
  ok: fc.constant(true),
  values: fc.array(value, { maxLength: 3 }),
  context: vector,
  staleness: some(staleness),
})
const many = <T>(each: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(each, { minLength: 1, maxLength: 6 })
/** As JSON has it: a field that is not there is not there. */
const messages = fc
  .oneof(
    fc.record({ kind: fc.constant("KvPeer"), epoch: fc.nat(), version: some(fc.constant(2)), items: many(item) }),
    fc.record({ kind: fc.constant("KvAsk"), requests: many(request), sent: some(fc.integer()) }),
    fc.record({ kind: fc.constant("KvTell"), answers: many(success) }),
  )
  .map((message) => JSON.parse(JSON.stringify(message)) as Json & { readonly kind: string })

function packed(message: { readonly kind: string }): Buffer | null {
  const writer = new ByteWriter()
  return codec.packer.pack(message, writer) ? writer.take() : null
}

function unpacked(bytes: Uint8Array): Json | NotPacked {
  try {
    return codec.packer.unpack(new ByteReader(bytes)) as unknown as Json
  } catch (error) {
    if (error instanceof NotPacked) return error
    throw error
  }
}

describe("packed messages", () => {
  it("come back as they were, and are what their schemas let through", () => {
    fc.assert(
      fc.property(messages, (message) => {
        const bytes = packed(message)
        if (bytes === null) throw new Error("it has a packed form")
        expect(unpacked(bytes)).toStrictEqual(message)
        expect(codec.decode(message)).toHaveProperty("body")
      }),
      RUNS,
    )
  })

  it("that are cut, go on, or have other bytes in them are refused, or are others that their schemas let through", () => {
    fc.assert(
      fc.property(messages, fc.nat(), fc.nat(255), (message, at, byte) => {
        const bytes = packed(message) ?? Buffer.alloc(0)
        expect(unpacked(bytes.subarray(0, at % bytes.length))).toBeInstanceOf(NotPacked)
        expect(unpacked(Buffer.concat([bytes, Buffer.of(byte)]))).toBeInstanceOf(NotPacked)
        bytes[at % bytes.length] = byte
        const other = unpacked(bytes)
        if (!(other instanceof NotPacked)) expect(codec.decode(other)).toHaveProperty("body")
      }),
      { numRuns: 3 * RUNS.numRuns },
    )
  })

  it.each([
    ["a key that is empty", { kind: "KvPeer", epoch: 1, items: [{ type: "fetch", id: "1", bucket: "b", key: "" }] }, "/key"],
    [
      "a key that is too long",
      { kind: "KvPeer", epoch: 1, items: [{ type: "fetch", id: "1", bucket: "b", key: "k".repeat(513) }] },
      "/key",
    ],
    ["a bucket of no such name", { kind: "KvPeer", epoch: 1, items: [{ type: "fetch", id: "1", bucket: "B", key: "k" }] }, "/bucket"],
    ["no item", { kind: "KvPeer", epoch: 1, items: [] }, "/items"],
    ["a sequence of none", { kind: "KvTell", answers: [{ sequence: 0, ok: true, values: [], context: {} }] }, "/answers/sequence"],
    ["a time before all", { kind: "KvTell", answers: [{ sequence: 1, ok: true, values: [], context: { a: 0 } }] }, "/counter"],
  ])("%s is refused by its field, as the schema refuses it", (_what, message, field) => {
    expect(codec.decode(message as Json)).toHaveProperty("rejection")
    expect(unpacked(packed(message) ?? Buffer.alloc(0))).toMatchObject({ field })
  })

  it("what is rare goes as JSON: the whole message, for one thing in it", () => {
    const get = { sequence: 1, attempt: 0, operation: { type: "get", bucket: "b", key: "k" } }
    const scan = { sequence: 2, attempt: 0, operation: { type: "scan", bucket: "b", partition: 0, limit: 1 } }
    const refused = { sequence: 1, ok: false, reason: "busy", remedy: "ask again", unknown: false }
    for (const message of [
      { kind: "KvAsk", requests: [get, scan] },
      { kind: "KvAsk", requests: [{ ...get, operation: { ...get.operation, session: [] } }] },
      { kind: "KvTell", answers: [refused] },
      { kind: "KvTell", answers: [{ sequence: 1, ok: true, values: [], context: {}, result: 1 }] },
      { kind: "KvPeer", epoch: 1, items: [{ type: "config-ask" }] },
      { kind: "KvTell", answers: [{ sequence: 1, ok: true, values: [], context: JSON.parse('{"__proto__":1}') as Json }] },
      { kind: "KvHello", version: 2, answer: false },
    ])
      expect(packed(message)).toBeNull()
  })
})

import fc from "fast-check"
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer"
import { resourceFromAttributes } from "@opentelemetry/resources"
import { describe, expect, it } from "vitest"
import { defined } from "@backplane/foundation-base/assert"
import { readableSpan } from "../readable-span.ts"
import type { TraceSpan } from "../trace-span.ts"
import { spansOfProtobuf } from "./otlp-spans.ts"

const hex = (digits: number): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 0, max: 15 }), { minLength: digits, maxLength: digits })
    .map((all) => all.map((each) => each.toString(16)).join(""))
    .filter((text) => /[1-9a-f]/.test(text))
const link = fc.record({ traceId: hex(32), spanId: hex(16) })
const micros = fc.integer({ min: 0, max: 2 ** 50 }).map((quarters) => quarters / 4 + 1_600_000_000_000_000)
const span: fc.Arbitrary<TraceSpan> = fc
  .record({
    traceId: hex(32),
    spanId: hex(16),
    parentSpanId: fc.option(hex(16)),
    name: fc.string({ unit: "binary" }),
    kind: fc.constantFrom("internal" as const, "server" as const, "client" as const, "producer" as const, "consumer" as const),
    startMicros: micros,
    duration: fc.integer({ min: 0, max: 2 ** 40 }),
    attributes: fc.dictionary(
      fc.string({ minLength: 1 }).filter((key) => key !== "__proto__"),
      fc.oneof(
        fc.string(),
        fc.maxSafeInteger(),
        fc.boolean(),
        fc.double({ noNaN: true }).filter((each) => !Object.is(each, -0)),
      ),
    ),
    links: fc.array(link, { maxLength: 3 }),
    error: fc.option(fc.string({ minLength: 1 })),
  })
  .map(({ duration, ...all }) => ({
    ...all,
    attributes: { ...all.attributes },
    service: "numa-node",
    instance: "node.0",
    endMicros: all.startMicros + duration,
  }))
const RESOURCE = resourceFromAttributes({ "service.name": "numa-node", "service.instance.id": "node.0" })
const bytesOf = (spans: readonly TraceSpan[]): Uint8Array =>
  defined(ProtobufTraceSerializer.serializeRequest(spans.map((each) => readableSpan(each, RESOURCE))), "a request")

describe("spans in protobuf", () => {
  it("come back as OpenTelemetry's own serializer wrote them, whatever they hold", () => {
    fc.assert(
      fc.property(fc.array(span, { minLength: 1, maxLength: 5 }), (spans) => {
        expect(spansOfProtobuf(bytesOf(spans))).toEqual(spans)
      }),
      { numRuns: 300 },
    )
  })

  it("that are damaged give an error or spans, never anything else, and end", () => {
    fc.assert(
      fc.property(
        fc.array(span, { minLength: 1, maxLength: 3 }),
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        fc.boolean(),
        (spans, at, byte, isCut) => {
          const whole = Uint8Array.from(bytesOf(spans))
          const where = at % whole.length
          whole[where] = byte
          const bytes = isCut ? whole.subarray(0, where) : whole
          try {
            for (const each of spansOfProtobuf(bytes)) {
              expect(each.traceId).toMatch(/^[0-9a-f]{32}$/)
              expect(each.spanId).toMatch(/^[0-9a-f]{16}$/)
            }
          } catch (error) {
            // Of the reader (`RangeError`, `Error`) or ours; a `TypeError` would be a fault of the code.
            expect(error).toBeInstanceOf(Error)
            expect(error).not.toBeInstanceOf(TypeError)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })

  it("whose resource stands behind them still have its names; what is not known is skipped", () => {
    const text = (field: number, value: Uint8Array | string): Buffer => {
      const body = Buffer.from(value)
      return Buffer.concat([Buffer.from([(field << 3) | 2, body.length]), body])
    }
    const id = (digits: string): Buffer => Buffer.from(digits, "hex")
    const own = Buffer.concat([
      text(1, id("ab".repeat(16))),
      text(2, id("cd".repeat(8))),
      text(3, "trace state that nobody reads"),
      text(5, "wakeup"),
      // Field 6 as text: another wire type than the kind's is another field.
      text(6, "server"),
    ])
    const name = text(1, Buffer.concat([text(1, "service.name"), text(2, text(1, "late"))]))
    const request = text(1, Buffer.concat([text(2, text(2, own)), text(1, name)]))
    expect(spansOfProtobuf(request)).toMatchObject([{ name: "wakeup", service: "late", kind: "internal", traceId: "ab".repeat(16) }])
  })

  it("without an id are refused by the path to it", () => {
    const request = Buffer.from([0x0a, 0x04, 0x12, 0x02, 0x12, 0x00])
    expect(() => spansOfProtobuf(request)).toThrow(/resourceSpans\[0\]\.scopeSpans\[0\]\.spans\[0\]\.traceId/)
  })
})

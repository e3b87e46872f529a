import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace"
import { emptyResource } from "@opentelemetry/resources"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { readableSpan } from "./readable-span.ts"
import { SpanQueue } from "./span-queue.ts"

const SPAN: ReadableSpan = readableSpan(
  {
    traceId: "1".repeat(32),
    spanId: "2".repeat(16),
    parentSpanId: null,
    name: "migrate",
    kind: "internal",
    service: "s",
    instance: "i",
    startMicros: 1,
    endMicros: 2,
    attributes: {},
    links: [],
    error: null,
  },
  emptyResource(),
)

type Answer = "accept" | "refuse" | "throw" | "silence"

function exporter(answers: readonly Answer[]): { readonly exporter: SpanExporter; readonly batches: number[] } {
  const batches: number[] = []
  const make: SpanExporter = {
    export: (spans, done) => {
      const answer = answers[batches.length % answers.length]
      batches.push(spans.length)
      if (answer === "throw") throw new Error("no")
      if (answer !== "silence") done({ code: answer === "accept" ? 0 : 1 })
    },
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  }
  return { exporter: make, batches }
}

function isAccountedFor(queue: SpanQueue): boolean {
  const { received, exported, dropped, waiting, inFlight } = queue.counts
  return received === exported + dropped + waiting + inFlight
}

describe("the span queue", () => {
  it("loses no span silently: received = exported + dropped + waiting + in flight, at every moment", async () => {
    const step = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant("flush" as const))
    const answers = fc.array(fc.constantFrom<Answer>("accept", "refuse", "throw", "silence"), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 12 }),
        answers,
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 30 }),
        async (steps, ways, queueMax, batchMax) => {
          const told = { exported: 0, lost: 0 }
          const onCount = (outcome: string, by: number): void => void (outcome === "exported" ? (told.exported += by) : (told.lost += by))
          const queue = new SpanQueue({ queueMax, batchMax: Math.min(batchMax, queueMax), delayMs: 60_000, timeoutMs: 1, onCount })
          queue.attach(exporter(ways).exporter)
          for (const each of steps) {
            if (each === "flush") await queue.forceFlush()
            else for (let span = 0; span < each; span++) queue.onEnd(SPAN)
            expect(isAccountedFor(queue)).toBe(true)
            expect(queue.counts.waiting).toBeLessThanOrEqual(queueMax)
          }
          await queue.shutdown()
          queue.onEnd(SPAN)
          expect(isAccountedFor(queue)).toBe(true)
          expect(queue.counts.waiting + queue.counts.inFlight).toBe(0)
          expect(told).toEqual({ exported: queue.counts.exported, lost: queue.counts.dropped })
        },
      ),
      { numRuns: 60 },
    )
  })

  it("counts what a loop that never yields pushes out, and still exports what it kept", async () => {
    const queue = new SpanQueue({ queueMax: 2048, batchMax: 512 })
    const { exporter: target, batches } = exporter(["accept"])
    queue.attach(target)
    for (let span = 0; span < 240_000; span++) queue.onEnd(SPAN)
    expect(queue.counts).toMatchObject({ received: 240_000, dropped: 240_000 - 2048, waiting: 2048 })
    await queue.shutdown()
    expect(queue.counts.exported).toBe(2048)
    expect(batches).toEqual([512, 512, 512, 512])
  })

  it("asks a collector that refuses only once when it ends, and counts the rest", async () => {
    const queue = new SpanQueue({ queueMax: 100, batchMax: 10, delayMs: 60_000 })
    const { exporter: target, batches } = exporter(["refuse"])
    queue.attach(target)
    for (let span = 0; span < 50; span++) queue.onEnd(SPAN)
    await queue.shutdown()
    expect(batches).toEqual([10])
    expect(queue.counts).toMatchObject({ dropped: 50, exported: 0, waiting: 0 })
  })

  it("keeps what comes before the exporter and sends it once there is one", async () => {
    const queue = new SpanQueue({ delayMs: 60_000 })
    queue.onEnd(SPAN)
    await queue.forceFlush()
    expect(queue.counts.waiting).toBe(1)
    queue.attach(exporter(["accept"]).exporter)
    await queue.forceFlush()
    expect(queue.counts).toMatchObject({ exported: 1, waiting: 0 })
    await queue.shutdown()
  })
})

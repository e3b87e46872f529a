import { describe, expect, it } from "vitest"
import { conversationSvg, messagesOf } from "./conversation-svg.ts"
import type { PictureSpan } from "./perfetto-input.ts"

function span(spanId: string, parentSpanId: string | null, more: Partial<PictureSpan> = {}): PictureSpan {
  return { spanId, parentSpanId, name: `handle ${spanId}`, actor: "node.0", start: 0, end: 0, attributes: {}, error: null, ...more }
}

const SPANS = [
  span("decide", null, { name: "sched.decide", start: 1000 }),
  span("Events", "decide", { actor: "scheduler.0", start: 1100 }),
  span("pick", "Events", { actor: "scheduler.0", name: "sched.pick", start: 1100 }),
  span("Late", "pick", { actor: "node.1", start: 1400 }),
  span("Commit", "pick", { actor: "node.0", start: 1200, attributes: { "backplane.step": 3 } }),
]

describe("a conversation", () => {
  it("has a message wherever one actor's span began another's, in the order of arrival", () => {
    expect(messagesOf(SPANS)).toEqual([
      { from: "node.0", to: "scheduler.0", name: "Events", at: 100, step: null },
      { from: "scheduler.0", to: "node.0", name: "Commit", at: 200, step: 3 },
      { from: "scheduler.0", to: "node.1", name: "Late", at: 400, step: null },
    ])
  })

  it("is drawn with every actor, every message and its step, and says the same in words", () => {
    const svg = conversationSvg(SPANS, "a <decision>")
    for (const words of [
      ">node.0<",
      ">node.1<",
      ">scheduler.0<",
      "Commit, step 3",
      "node.0 → scheduler.0",
      ">400 cycles<",
      "a &lt;decision&gt;",
    ])
      expect(svg).toContain(words)
    expect(svg).toContain("1. Events from node.0 to scheduler.0; 2. Commit from scheduler.0 to node.0; 3. Late from scheduler.0 to node.1")
    expect(svg.match(/class="dot"/g)).toHaveLength(3)
  })

  it("moves each message once around, one after the other, and stands still for whoever wants that", () => {
    const svg = conversationSvg(SPANS, "x")
    const begins = [...svg.matchAll(/@keyframes d\d+\{0%,([\d.]+)%/g)].map(([, share]) => Number(share))
    expect(begins).toHaveLength(3)
    expect(begins).toEqual([...begins].sort((a, b) => a - b))
    expect(new Set(begins).size).toBe(3)
    expect(svg).toContain("prefers-reduced-motion")
  })

  it("leaves out what would go on for minutes, and says how much", () => {
    const many = [
      span("root", null),
      ...Array.from({ length: 30 }, (_, index) => span(`m${index}`, "root", { actor: "node.1", start: index })),
    ]
    expect(conversationSvg(many, "x")).toContain("and 6 more")
  })

  it("of one actor alone has no message", () => {
    expect(messagesOf([span("a", null), span("b", "a")])).toEqual([])
    expect(conversationSvg([span("a", null)], "x")).toContain(">node.0<")
  })
})

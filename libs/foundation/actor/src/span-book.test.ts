import { describe, expect, it } from "vitest"
import { actorId } from "./actor-id.ts"
import { closeSpan, noteSpan, openSpan, send } from "./effects.ts"
import type { Body, Effect } from "./machine.ts"
import { SpanBook, stepName, type FinishedSpan, type SpanIdSource } from "./span-book.ts"
import type { TraceContext } from "./trace-context.ts"

const NODE = actorId("node.0")
const PEER = actorId("hypervisor.0")
const INCOMING: TraceContext = { traceId: "aa", spanId: "bb", sampled: true }

function counting(sampled = true): SpanIdSource {
  let next = 0
  return { traceId: () => `trace-${++next}`, spanId: () => `span-${++next}`, sampled: () => sampled }
}

function book(options: { sampled?: boolean; openMax?: number } = {}): SpanBook<number> {
  return new SpanBook<number>({
    actor: NODE,
    ids: counting(options.sampled ?? true),
    ...(options.openMax === undefined ? {} : { openMax: options.openMax }),
  })
}

interface Done {
  readonly finished: readonly FinishedSpan<number>[]
  readonly contexts: readonly (TraceContext | undefined)[]
}

/** One step as a host does it: begins at `time`, ends one later. */
function step(spans: SpanBook<number>, time: number, effects: readonly Effect<Body>[], context?: TraceContext): Done {
  const contexts: (TraceContext | undefined)[] = []
  spans.begin(time, { name: "handle Ask", context }, effects)
  for (const effect of effects) {
    if (effect.kind === "span") spans.effect(time, effect)
    if (effect.kind === "send") contexts.push(spans.contextOf(effect))
  }
  return { finished: spans.end(time + 1), contexts }
}

describe("the span of a step", () => {
  it("is there when the message carried a context, as its child", () => {
    const { finished, contexts } = step(book(), 10, [send(PEER, { kind: "Answer" })], INCOMING)
    expect(finished).toEqual([
      {
        traceId: "aa",
        spanId: "span-1",
        parentSpanId: "bb",
        origin: "step",
        name: "handle Ask",
        actor: NODE,
        start: 10,
        end: 11,
        attributes: {},
        error: null,
        links: [],
      },
    ])
    expect(contexts).toEqual([{ traceId: "aa", spanId: "span-1", sampled: true }])
  })

  it("is not there without context and note, and then a send carries nothing", () => {
    expect(step(book(), 10, [send(PEER, { kind: "Answer" })])).toEqual({ finished: [], contexts: [undefined] })
  })

  it("is a root when noted without a context, wherever the note stands", () => {
    const { finished, contexts } = step(book(), 10, [send(PEER, { kind: "Answer" }), noteSpan("vmm.exit", { "backplane.step": 2 })])
    expect(finished).toMatchObject([{ traceId: "trace-1", parentSpanId: null, name: "vmm.exit", attributes: { "backplane.step": 2 } }])
    expect(contexts[0]?.traceId).toBe("trace-1")
  })

  it("gets the last name and all attributes of several notes", () => {
    const { finished } = step(book(), 1, [noteSpan("a", { x: 1 }), noteSpan("b", { y: 2 })], INCOMING)
    expect(finished).toMatchObject([{ name: "b", attributes: { x: 1, y: 2 } }])
  })
})

describe("an opened span", () => {
  it("outlives its step and carries the sends that name it", () => {
    const spans = book()
    const first = step(spans, 10, [openSpan("exit", "trap ecall", { cause: 8 }), send(PEER, { kind: "Exit" }, "exit")])
    expect(first.finished).toEqual([])
    expect(first.contexts).toEqual([{ traceId: "trace-1", spanId: "span-2", sampled: true }])
    const second = step(spans, 50, [closeSpan("exit", { outcome: "entered" })])
    expect(second.finished).toMatchObject([
      { spanId: "span-2", parentSpanId: null, origin: "open", start: 10, end: 50, attributes: { cause: 8, outcome: "entered" } },
    ])
  })

  it("is a child of the step, unless it is a root: then it links to the step", () => {
    const spans = book()
    step(spans, 1, [openSpan("child", "c"), openSpan("root", "r", {}, { root: true })], INCOMING)
    const { finished } = step(spans, 5, [closeSpan("child"), closeSpan("root", {}, "lost")])
    const [child, root] = finished
    expect(child).toMatchObject({ traceId: "aa", parentSpanId: "span-1", links: [], error: null })
    expect(root).toMatchObject({ parentSpanId: null, links: [{ traceId: "aa", spanId: "span-1" }], error: "lost" })
    expect(root?.traceId).not.toBe("aa")
  })

  it("is closed when its key is opened again", () => {
    const { finished } = step(book(), 1, [openSpan("k", "first"), openSpan("k", "second")])
    expect(finished).toMatchObject([{ name: "first", error: null }])
  })

  it("is closed with an error when too many are open", () => {
    const spans = book({ openMax: 2 })
    const { finished } = step(spans, 1, [openSpan("a", "a"), openSpan("b", "b"), openSpan("c", "c")])
    expect(finished).toMatchObject([{ name: "a", error: "evicted: too many open spans" }])
    expect(spans.evicted).toBe(1)
  })

  it("that is unknown closes nothing, and a send that names it falls back on the step", () => {
    const { finished, contexts } = step(book(), 1, [closeSpan("gone"), send(PEER, { kind: "Answer" }, "gone")], INCOMING)
    expect(finished).toHaveLength(1)
    expect(contexts[0]?.spanId).toBe("span-1")
  })

  it("is ended with an error by a host that stops", () => {
    const spans = book()
    step(spans, 1, [openSpan("a", "a")])
    expect(spans.closeAll(9, "stopped")).toMatchObject([{ name: "a", end: 9, error: "stopped" }])
    expect(spans.openCount).toBe(0)
  })
})

describe("an unsampled trace", () => {
  it("records nothing and is passed on as it came", () => {
    const unsampled = { ...INCOMING, sampled: false }
    const { finished, contexts } = step(book(), 1, [openSpan("a", "a"), closeSpan("a"), send(PEER, { kind: "Answer" })], unsampled)
    expect(finished).toEqual([])
    expect(contexts).toEqual([unsampled])
  })

  it("stays unsampled downstream when its root was refused", () => {
    const { contexts } = step(book({ sampled: false }), 1, [noteSpan("root"), send(PEER, { kind: "Answer" })])
    expect(contexts[0]?.sampled).toBe(false)
  })
})

it("a step is named for what it handles, never by an id", () => {
  expect(stepName(null)).toBe("start")
  expect(stepName({ kind: "message", from: PEER, body: { kind: "VmExit" } })).toBe("handle VmExit")
  expect(stepName({ kind: "timer", key: "retry/7" })).toBe("handle timer")
})

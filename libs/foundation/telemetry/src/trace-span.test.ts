import { actorId } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { expect, it } from "vitest"
import { renderTrace } from "./trace-tree.ts"
import { simulatedTraceSpan } from "./trace-span.ts"

it("a span of the simulation is shown like a live one: a cycle as a nanosecond, the actor's kind as its service", () => {
  const span = simulatedTraceSpan(
    {
      traceId: "a".repeat(32),
      spanId: "b".repeat(16),
      parentSpanId: null,
      origin: "open",
      name: "migrate",
      actor: actorId("node.1"),
      start: virtualTime(2_000),
      end: virtualTime(5_000),
      attributes: { "backplane.to": 1 },
      error: null,
      links: [],
    },
    "m1",
  )
  expect(span).toMatchObject({
    service: "node",
    instance: "node.1",
    startMicros: 2,
    endMicros: 5,
    attributes: { "backplane.vt": 2_000, "backplane.machine": "m1" },
  })
  expect(renderTrace([span])).toContain("3 000 cycles")
})

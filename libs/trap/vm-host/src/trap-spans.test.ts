import { describe, expect, it } from "vitest"
import type { SpanEffect } from "@backplane/foundation-actor/machine"
import { TrapSpans } from "./trap-spans.ts"

const SECOND = 10_000_000

/** Which of these calls, one at each time of the guest's clock, are traced. */
function traced(times: readonly number[]): number[] {
  const spans = new TrapSpans("vm.0", {})
  return times.filter((time) => {
    const out: SpanEffect[] = []
    const place = spans.onAsk({ role: "call", cause: "ecall-from-user", time }, out)
    spans.onDone(true, out)
    return place !== null
  })
}

describe("which traps are traced", () => {
  it("of a busy guest the first ones, then one in 256", () => {
    const calls = Array.from({ length: 600 }, (_, at) => at)
    expect(traced(calls)).toEqual([...calls.slice(0, 16), 255, 511])
  })

  it("one after two seconds of the guest's time without any, so that one that seldom does anything is seen", () => {
    const boot = Array.from({ length: 100 }, (_, at) => at)
    const beats = [5, 10, 15, 20].flatMap((second) => [second * SECOND, second * SECOND + 1000, second * SECOND + 2000])
    expect(traced([...boot, ...beats]).slice(16)).toEqual([5, 10, 15, 20].map((second) => second * SECOND))
  })
})

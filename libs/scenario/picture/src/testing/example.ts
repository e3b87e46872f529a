/** One small schedule and its spans, for the tests: two nodes, three CPUs, a migration, idle time, cold and warm ticks. */
import type { PictureSpan } from "../perfetto-input.ts"
import type { Schedule } from "../schedule.ts"

export const SCHEDULE: Schedule = {
  machine: "example",
  policy: "mqms-warm",
  ticks: 20,
  cpus: [
    {
      cpu: 0,
      node: 0,
      runs: [
        [0, 8, "a"],
        [8, 10, null],
        [10, 14, "b"],
      ],
      warm: [[3, 8]],
    },
    {
      cpu: 1,
      node: 0,
      runs: [
        [0, 5, "b"],
        [5, 6, '<c> & "d"'],
      ],
      warm: [],
    },
    {
      cpu: 2,
      node: 1,
      runs: [[9, 20, "a"]],
      warm: [
        [10, 12],
        [15, 20],
      ],
    },
  ],
}

export function span(spanId: string, parentSpanId: string | null, more: Partial<PictureSpan>): PictureSpan {
  return { spanId, parentSpanId, name: "sched.decide", actor: "node.0", start: 0, end: 10, attributes: {}, error: null, ...more }
}

export const SPANS: readonly PictureSpan[] = [
  span("1", null, { start: 0, end: 100, attributes: { "backplane.cpu": 0, "backplane.policy": "mqms-warm" } }),
  span("2", "1", { name: "sched.pick", actor: "scheduler.cpu-0", start: 20, end: 60, error: "policy says no" }),
  span("3", null, { start: 50, end: 150 }),
  span("4", "1", { name: "sched.dispatch", start: 70, end: 100 }),
]

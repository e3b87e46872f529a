import { expect, it } from "vitest"
import { recordBus, recordInbox } from "./bus-metrics.ts"
import { exposition } from "./exposition.ts"
import { MetricStore } from "./metric-store.ts"

it("a bus's counts become totals, and telling them twice counts nothing twice", () => {
  const store = new MetricStore()
  const counts = {
    sent: 5,
    received: 4,
    frames: 2,
    malformed: 1,
    rejected: 0,
    oversize: 0,
    dropped: 3,
    refused: 0,
    bytesSent: 70,
    bytesReceived: 9,
    reconnects: 1,
  }
  recordBus(store, "m", counts)
  recordBus(store, "m", counts)
  const text = exposition(store.families(), "prometheus")
  expect(text).toContain('backplane_bus_messages_total{machine="m",direction="sent"} 5')
  expect(text).toContain('backplane_bus_bytes_total{machine="m",direction="sent"} 70')
  expect(text).toContain("backplane_bus_reconnects_total 1")
  expect(text).toContain('backplane_bus_rejections_total{machine="m",reason="dropped"} 3')
})

it("an inbox's length is a level: the last one told stays", () => {
  const store = new MetricStore()
  recordInbox(store, { machine: "m", actor: "node.0", length: 5 })
  recordInbox(store, { machine: "m", actor: "node.0", length: 2 })
  expect(exposition(store.families(), "prometheus")).toContain('backplane_inbox_length{machine="m",actor="node.0"} 2')
})

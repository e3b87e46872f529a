import { expect, it } from "vitest"
import { recordBus } from "./bus-metrics.ts"
import { exposition } from "./exposition.ts"
import { MetricStore } from "./metric-store.ts"

it("a bus's counts become totals, and telling them twice counts nothing twice", () => {
  const store = new MetricStore()
  const counts = { sent: 5, received: 4, frames: 2, malformed: 1, rejected: 0, oversize: 0, dropped: 3, refused: 0 }
  recordBus(store, "m", counts)
  recordBus(store, "m", counts)
  const text = exposition(store.families(), "prometheus")
  expect(text).toContain('backplane_bus_messages_total{machine="m",direction="sent"} 5')
  expect(text).toContain('backplane_bus_rejections_total{machine="m",reason="dropped"} 3')
})

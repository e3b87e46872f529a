/** Exemplars from the store to another collector's `/metrics`: through the real exporter, over HTTP. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { gunzipSync } from "node:zlib"
import { afterAll, beforeAll, expect, it } from "vitest"
import { Collector } from "./collector/collector.ts"
import { exemplarsOf, withExemplars } from "./exemplar-exporter.ts"
import { MetricStore } from "./metric-store.ts"
import { startTelemetry } from "./telemetry.ts"

const EXEMPLAR = { traceId: "a".repeat(32), spanId: "b".repeat(16), value: 3, wallSeconds: 1_700_000_000.123456 }

it("stand in the points that they belong to, and in no others", () => {
  const store = new MetricStore()
  store.count("backplane_migrations_total", { machine: "a" })
  store.count("backplane_migrations_total", { machine: "b" }, { exemplar: EXEMPLAR })
  const point = (machine: string): object => ({ attributes: [{ key: "machine", value: { stringValue: machine } }], asDouble: 1 })
  const metrics = [
    { name: "backplane_migrations_total", sum: { dataPoints: [point("a"), point("b")] } },
    { name: "other", sum: { dataPoints: [{}] } },
  ]
  const request = new TextEncoder().encode(JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] }))
  const wire = JSON.parse(new TextDecoder().decode(withExemplars(request, exemplarsOf(store.families())))) as {
    resourceMetrics: { scopeMetrics: { metrics: { sum: { dataPoints: { exemplars?: object[] }[] } }[] }[] }[]
  }
  const sent = wire.resourceMetrics[0]!.scopeMetrics[0]!.metrics.map(({ sum }) => sum.dataPoints.map(({ exemplars }) => exemplars))
  const { traceId, spanId } = EXEMPLAR
  expect(sent).toEqual([[undefined, [{ timeUnixNano: "1700000000123456000", asDouble: 3, traceId, spanId }]], [undefined]])
})

const collector = new Collector({ service: "gateway", instance: "gateway.0", metrics: new MetricStore() })
const gunzipped = (bytes: Buffer, encoding: string | undefined): Buffer => (encoding === "gzip" ? gunzipSync(bytes) : bytes)
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    if (request.url === "/v1/metrics")
      collector.accept(
        "metrics",
        { encoding: "json", bytes: gunzipped(Buffer.concat(chunks), request.headers["content-encoding"]) },
        Date.now(),
      )
    response.end("{}")
  })
})
beforeAll(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
afterAll(() => void server.close())

it("arrive at a collector, whose OpenMetrics shows them", async () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const telemetry = startTelemetry({
    service: "numa-node",
    instance: "n",
    environment: { BACKPLANE_COLLECTOR: url },
    now: () => Date.now(),
  })
  await telemetry.ready
  const { traceId, spanId } = EXEMPLAR
  telemetry.metrics.observe("backplane_run_queue_wait_ticks", { machine: "m", policy: "rr" }, 3, { ...EXEMPLAR, traceId, spanId })
  await telemetry.shutdown()
  expect(collector.metricsText("openmetrics", Date.now())).toMatch(
    new RegExp(`backplane_run_queue_wait_ticks_bucket\\{[^}]*\\} 1 # \\{trace_id="${traceId}",span_id="${spanId}"\\} 3`),
  )
})

import { expect, it } from "vitest"
import { readConfig } from "./config.ts"

it("takes loopback and a fixed port where nothing is said", () => {
  expect(readConfig({})).toEqual({
    host: "127.0.0.1",
    port: 4380,
    instance: "gateway.0",
    visitors: 0,
    store: { shards: 3, zones: 1 },
    forwardTo: null,
    forwardHeaders: {},
    access: { anonymous: ["read"], tokens: new Map() },
  })
})

it("reads where to pass on, and the headers for it", () => {
  const { forwardTo, forwardHeaders } = readConfig({
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318/",
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=Basic%20x, a=b=c",
  })
  expect(forwardTo).toBe("http://127.0.0.1:4318")
  expect(forwardHeaders).toEqual({ authorization: "Basic x", a: "b=c" })
})

it.each([
  [{ BACKPLANE_GATEWAY_PORT: "70000" }, "BACKPLANE_GATEWAY_PORT"],
  [{ BACKPLANE_GATEWAY_PORT: "http" }, "BACKPLANE_GATEWAY_PORT"],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "127.0.0.1:4318" }, "OTEL_EXPORTER_OTLP_ENDPOINT"],
  [{ OTEL_EXPORTER_OTLP_HEADERS: "a=%" }, "OTEL_EXPORTER_OTLP_HEADERS"],
  [{ BACKPLANE_TOKENS: "short=read" }, "BACKPLANE_TOKENS"],
  [{ BACKPLANE_STORE_VISITORS: "-1" }, "BACKPLANE_STORE_VISITORS"],
  [{ BACKPLANE_KV_SHARDS: "many" }, "BACKPLANE_KV_SHARDS"],
  [{ BACKPLANE_KV_ZONES: "0" }, "BACKPLANE_KV_ZONES"],
  [{ BACKPLANE_ANONYMOUS: "fly" }, "BACKPLANE_ANONYMOUS"],
])("names the variable that is wrong: %j", (environment, name) => {
  expect(() => readConfig(environment)).toThrow(name)
})

/** `POST /v1/traces|metrics|logs`: the receiver of OTLP/HTTP (OpenTelemetry protocol specification, section OTLP/HTTP). */
import { Hono } from "hono"
import type { Collector } from "@backplane/foundation-telemetry/collector/collector"
import { OtlpError } from "@backplane/foundation-telemetry/collector/otlp-reader"
import type { Signal } from "@backplane/foundation-telemetry/settings"
import type { Forwarder } from "./forwarder.ts"
import { Problem } from "./problem.ts"
import { readOtlpBody } from "./request-body.ts"

export interface OtlpRoutesOptions {
  readonly collector: Collector
  readonly forwarder: Forwarder | null
  readonly now: () => number
}

const SIGNALS: readonly Signal[] = ["traces", "metrics", "logs"]

export function otlpRoutes({ collector, forwarder, now }: OtlpRoutesOptions): Hono {
  const routes = new Hono()
  for (const signal of SIGNALS) {
    routes.post(`/v1/${signal}`, async (context) => {
      try {
        const body = await readOtlpBody(context.req.raw)
        collector.accept(signal, body, now())
        forwarder?.pass(signal, body.raw, passedHeaders(context.req.raw.headers))
        // An empty answer is "all accepted" in both encodings.
        return body.encoding === "json" ? context.json({}) : context.body(null, 200, { "content-type": "application/x-protobuf" })
      } catch (error) {
        const problem = asProblem(error)
        collector.metrics.count("backplane_collector_rejected_total", { reason: String(problem.document.status) })
        throw problem
      }
    })
  }
  return routes
}

function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof OtlpError)
    return new Problem({ status: 400, title: "Bad request", detail: error.message, field: error.field, remedy: error.remedy })
  throw error
}

function passedHeaders(headers: Headers): Readonly<Record<string, string>> {
  return Object.fromEntries(
    ["content-type", "content-encoding"].flatMap((name) => (headers.has(name) ? [[name, headers.get(name) ?? ""]] : [])),
  )
}

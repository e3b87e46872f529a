/**
 * `POST /v1/traces|metrics|logs`: the receiver of OTLP/HTTP (OpenTelemetry protocol specification, section OTLP/HTTP).
 *
 * Straight on Node's server, before the routes: every process of the stack sends here, several times a second each, and what Fetch's `Request`,
 * `Response` and streams add to a request cost more than reading what is in it.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Collector } from "@backplane/foundation-telemetry/collector/collector"
import { OtlpError } from "@backplane/foundation-telemetry/collector/otlp-reader"
import type { Signal } from "@backplane/foundation-telemetry/settings"
import type { Forwarder } from "./forwarder.ts"
import { Problem, problemText } from "./problem.ts"
import { readOtlpBody } from "./request-body.ts"

export interface OtlpReceiverOptions {
  readonly collector: Collector
  readonly forwarder: Forwarder | null
  readonly now: () => number
  /** Throws a `Problem` for a request that is not meant for us. */
  readonly admit: (incoming: IncomingMessage) => void
}

const SIGNALS: ReadonlyMap<string, Signal> = new Map([
  ["/v1/traces", "traces"],
  ["/v1/metrics", "metrics"],
  ["/v1/logs", "logs"],
])

/** True where the request was one of these, and is answered. */
export function otlpReceiver(options: OtlpReceiverOptions): (incoming: IncomingMessage, outgoing: ServerResponse) => boolean {
  return (incoming, outgoing) => {
    const signal = SIGNALS.get((incoming.url ?? "").split("?")[0] ?? "")
    if (signal === undefined) return false
    void receive(signal, incoming, outgoing, options)
    return true
  }
}

async function receive(signal: Signal, incoming: IncomingMessage, outgoing: ServerResponse, options: OtlpReceiverOptions): Promise<void> {
  const { collector, forwarder, now, admit } = options
  try {
    admit(incoming)
    if (incoming.method !== "POST") throw onlyPost(signal, incoming.method)
    const body = await readOtlpBody(incoming)
    collector.accept(signal, body, now())
    forwarder?.pass(signal, body.raw, passedHeaders(incoming))
    // An empty answer is "all accepted" in both encodings.
    if (body.encoding === "json") outgoing.writeHead(200, { "content-type": "application/json", "content-length": 2 }).end("{}")
    else outgoing.writeHead(200, { "content-type": "application/x-protobuf", "content-length": 0 }).end()
  } catch (error) {
    // Nobody is there any more to be told.
    if (incoming.destroyed && !incoming.complete) return
    refuse(asProblem(error), incoming, outgoing, collector)
  }
}

function refuse(problem: Problem, incoming: IncomingMessage, outgoing: ServerResponse, collector: Collector): void {
  const { status } = problem.document
  collector.metrics.count("backplane_collector_rejected_total", { reason: String(status) })
  // What was not read of the body would be taken for the next request.
  const rest = incoming.complete ? {} : { connection: "close" }
  outgoing.writeHead(status, { ...problem.headers, ...rest, "content-type": "application/problem+json" }).end(problemText(problem))
  incoming.resume()
}

function onlyPost(signal: Signal, method: string | undefined): Problem {
  const document = {
    status: 405,
    title: "Method not allowed",
    detail: `/v1/${signal} does not take ${method}`,
    field: "method",
    remedy: "POST",
  }
  return new Problem(document, { allow: "POST" })
}

function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof OtlpError) {
    const { message: detail, field } = error
    // Of a body that cannot be read at all the decoder knows nothing that belongs there.
    return new Problem({ status: 400, title: "Bad request", detail, field, remedy: field === "body" ? OTLP_REMEDY : error.remedy })
  }
  // Ours, not the sender's: say it on the log too, with the stack.
  console.error(error)
  return new Problem({ status: 500, title: "Internal error", detail: "the gateway failed; its log has the reason" })
}

const OTLP_REMEDY = "send an export request of opentelemetry-proto, as an OTLP/HTTP exporter does"

function passedHeaders({ headers }: IncomingMessage): Readonly<Record<string, string>> {
  return Object.fromEntries(
    ["content-type", "content-encoding"].flatMap((name) => {
      const value = headers[name]
      return typeof value === "string" ? [[name, value]] : []
    }),
  )
}

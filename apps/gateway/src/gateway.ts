/**
 * The gateway's HTTP side: the stack's own collector, questions about it, `/metrics` and health, on loopback.
 *
 * Keeps nothing on disk and decides nothing: a restart loses the last minutes of traces and no more.
 */
import { createServer, type Server } from "node:http"
import { isIP } from "node:net"
import { getRequestListener } from "@hono/node-server"
import { Hono } from "hono"
import { assert } from "@backplane/foundation-base/assert"
import { Collector } from "@backplane/foundation-telemetry/collector/collector"
import { MetricStore } from "@backplane/foundation-telemetry/metric-store"
import type { Environment } from "@backplane/foundation-telemetry/settings"
import { startTelemetry, type Telemetry } from "@backplane/foundation-telemetry/telemetry"
import type { DestinationStream } from "pino"
import { needs } from "./access.ts"
import { ConfigError, type GatewayConfig } from "./config.ts"
import { Forwarder } from "./forwarder.ts"
import { otlpReceiver } from "./otlp-receiver.ts"
import { Problem, problemResponse } from "./problem.ts"
import { answerUnreadable } from "./unreadable.ts"
import { queryRoutes } from "./routes-query.ts"

export interface Readiness {
  readonly ready: boolean
  /** What it waits for, or why it is ready. */
  readonly detail: string
}

export interface GatewayOptions extends Omit<GatewayConfig, "visitors" | "store"> {
  readonly environment: Environment
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** What else must be there (the bus); asked at each `/readyz`. */
  readonly readiness?: () => Readiness
  /** More routes of the app: the HTTP API of the machine. */
  readonly routes?: readonly Hono[]
  readonly logStream?: DestinationStream
}

export interface Gateway {
  /** `http://127.0.0.1:4380`: also the address for BACKPLANE_COLLECTOR. */
  readonly url: string
  readonly collector: Collector
  readonly telemetry: Telemetry
  /** Stops in order and in bounded time. */
  close(): Promise<void>
}

const READY: Readiness = { ready: true, detail: "listening" }

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const metrics = new MetricStore()
  const collector = new Collector({ service: "gateway", instance: options.instance, metrics })
  const forwarder = options.forwardTo === null ? null : new Forwarder({ to: options.forwardTo, headers: options.forwardHeaders, metrics })
  const { now, host } = options
  const takeOtlp = otlpReceiver({ collector, forwarder, now, admit: ({ headers }) => refuseForeignHost(headers.host, host) })
  const takeRest = getRequestListener(gatewayRoutes(options, collector).fetch, { overrideGlobalObjects: false })
  const answers = createServer((incoming, outgoing) => takeOtlp(incoming, outgoing) || void takeRest(incoming, outgoing))
  answerUnreadable(answers)
  const server = await listen(answers, options)
  const url = urlOf(server, options.host)
  const telemetry = startTelemetry({
    service: "gateway",
    instance: options.instance,
    environment: ownEnvironment(options.environment, url),
    now: options.now,
    metrics,
    ...(options.logStream === undefined ? {} : { logStream: options.logStream }),
  })
  const close = async (): Promise<void> => {
    await telemetry.shutdown()
    await forwarder?.idle()
    await stop(server)
  }
  return { url, collector, telemetry, close }
}

function gatewayRoutes(options: GatewayOptions, collector: Collector): Hono {
  const app = new Hono()
  app.use(async (context, next) => {
    refuseForeignHost(context.req.header("host"), options.host)
    await next()
  })
  // What the views and the collector tell is told to those who may read; `/metrics` stays open: who scrapes it often has no way to send a token.
  app.use("/api/*", needs(options.access, "read"))
  app.route("/", queryRoutes(collector, options.now))
  for (const more of options.routes ?? []) app.route("/", more)
  app.get("/healthz", (context) => context.json({ status: "alive" }))
  app.get("/readyz", (context) => {
    const readiness = options.readiness?.() ?? READY
    return context.json(readiness, readiness.ready ? 200 : 503)
  })
  app.notFound((context) => {
    const allowed = methodsAt(app, context.req.path)
    if (allowed.length === 0)
      return problemResponse(
        new Problem({ status: 404, title: "Not found", detail: `there is nothing at ${context.req.path}`, field: "path" }),
      )
    const document = {
      status: 405,
      title: "Method not allowed",
      detail: `${context.req.path} does not take ${context.req.method}`,
      field: "method",
      remedy: allowed.join(" or "),
    }
    return problemResponse(new Problem(document, { allow: allowed.join(", ") }))
  })
  app.onError((error) => {
    if (error instanceof Problem) return problemResponse(error)
    // Ours, not the caller's: say it on the log too, with the stack.
    console.error(error)
    return problemResponse(new Problem({ status: 500, title: "Internal error", detail: "the gateway failed; its log has the reason" }))
  })
  return app
}

/** A page of another site that resolves its own name to loopback must not read traces (DNS rebinding). */
function refuseForeignHost(header: string | undefined, boundTo: string): void {
  const name = (header ?? "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "")
  if (name === "" || name === "localhost" || name === boundTo || isIP(name) !== 0) return
  throw new Problem({
    status: 421,
    title: "Misdirected request",
    detail: `this is not ${name}`,
    field: "host",
    remedy: "use the address, or localhost",
  })
}

function methodsAt(app: Hono, path: string): readonly string[] {
  const methods = app.routes
    .filter(
      (route) =>
        route.method !== "ALL" && new RegExp(`^${route.path.replace(/:[a-z]+\{[^}]*\}/g, ".+").replace(/:[a-z]+/g, "[^/]+")}$`).test(path),
    )
    .map((route) => route.method)
  return [...new Set(methods)]
}

/** The gateway's own spans and numbers go to its own collector; a real one gets them passed on like all others. */
function ownEnvironment(environment: Environment, url: string): Environment {
  const own = Object.entries(environment).filter(([name]) => !/^OTEL_EXPORTER_OTLP_(.*_)?(ENDPOINT|PROTOCOL|HEADERS)$/.test(name))
  // Several gateways: all tell the first one, so that a trace is found in one place.
  const collector = environment["BACKPLANE_COLLECTOR"] ?? ""
  return {
    ...Object.fromEntries(own),
    BACKPLANE_COLLECTOR: environment["BACKPLANE_GATEWAY_PORT"] === "0" && collector !== "" ? collector : url,
  }
}

function listen(server: Server, options: GatewayOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === "EADDRINUSE"
      reject(
        isTaken
          ? new ConfigError(`port ${options.port} of ${options.host} is in use; set BACKPLANE_GATEWAY_PORT to another, or to 0 for any`)
          : error,
      )
    })
    server.listen(options.port, options.host, () => resolve(server))
  })
}

function urlOf(server: Server, host: string): string {
  const address = server.address()
  assert(address !== null && typeof address === "object", "a server that listens on a port has an address")
  return `http://${isIP(host) === 6 ? `[${host}]` : host}:${address.port}`
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    // Kept-alive connections would hold the close up for seconds.
    server.closeAllConnections()
  })
}

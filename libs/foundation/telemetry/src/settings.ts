/**
 * What the standard environment variables and our one own say about telemetry, read once.
 *
 * Order for the destination: a real OTLP endpoint (OTEL_EXPORTER_OTLP_ENDPOINT or one per signal), else the stack's own
 * collector (BACKPLANE_COLLECTOR, http on loopback), else memory. Names and defaults: OpenTelemetry specification,
 * "Environment Variable Specification"; a value that cannot be read falls back to the default, as that document demands,
 * and is told in `warnings`.
 */
export type Environment = Readonly<Record<string, string | undefined>>

export type Destination =
  { readonly kind: "off" } | { readonly kind: "memory" } | { readonly kind: "otlp" } | { readonly kind: "collector"; readonly url: string }

export type Signal = "traces" | "metrics" | "logs"
export type Protocol = "http/protobuf" | "http/json" | "grpc"

export interface Settings {
  readonly destination: Destination
  readonly protocol: Readonly<Record<Signal, Protocol>>
  /** Signals that OTEL_<SIGNAL>_EXPORTER=none turns off. */
  readonly isOn: Readonly<Record<Signal, boolean>>
  readonly sampler: { readonly name: string; readonly ratio: number }
  readonly spanQueue: { readonly queueMax: number; readonly batchMax: number; readonly delayMs: number; readonly timeoutMs: number }
  readonly metricsIntervalMs: number
  readonly warnings: readonly string[]
}

const SIGNALS: readonly Signal[] = ["traces", "metrics", "logs"]
const PROTOCOLS: readonly Protocol[] = ["http/protobuf", "http/json", "grpc"]
const SAMPLERS = ["always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"]
/** The specification says 5 s; a person who looks for the trace of what was just done waits for this one. Half a second cost twice the requests. */
const SPANS_DELAY_MS = 1_000
/** The specification says 60 s; on loopback a person watches, so our own collector gets them sooner: each export costs every process a request. */
const METRICS_INTERVAL_MS = { otlp: 60_000, collector: 5_000 }

export function readSettings(environment: Environment): Settings {
  const warnings: string[] = []
  const destination = destinationOf(environment, warnings)
  const whole = (name: string, fallback: number): number => wholeNumber(environment, name, { fallback, warnings })
  const queueMax = whole("OTEL_BSP_MAX_QUEUE_SIZE", 16_384)
  return {
    destination,
    protocol: bySignal((signal) => protocolOf(environment, signal, warnings)),
    isOn: bySignal((signal) => destination.kind !== "off" && environment[`OTEL_${signal.toUpperCase()}_EXPORTER`]?.trim() !== "none"),
    sampler: samplerOf(environment, warnings),
    spanQueue: {
      queueMax,
      batchMax: Math.min(queueMax, whole("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)),
      delayMs: whole("OTEL_BSP_SCHEDULE_DELAY", SPANS_DELAY_MS),
      timeoutMs: whole("OTEL_BSP_EXPORT_TIMEOUT", 5_000),
    },
    metricsIntervalMs: whole("OTEL_METRIC_EXPORT_INTERVAL", METRICS_INTERVAL_MS[destination.kind === "otlp" ? "otlp" : "collector"]),
    warnings,
  }
}

function destinationOf(environment: Environment, warnings: string[]): Destination {
  if (environment["OTEL_SDK_DISABLED"]?.trim().toLowerCase() === "true") return { kind: "off" }
  const endpoints = ["OTEL_EXPORTER_OTLP_ENDPOINT", ...SIGNALS.map((signal) => `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`)]
  if (endpoints.some((name) => (environment[name]?.trim() ?? "") !== "")) return { kind: "otlp" }
  const collector = environment["BACKPLANE_COLLECTOR"]?.trim() ?? ""
  if (collector === "") return { kind: "memory" }
  if (/^https?:\/\/[^/\s]+/.test(collector) && URL.canParse(collector)) return { kind: "collector", url: collector.replace(/\/+$/, "") }
  warnings.push(`BACKPLANE_COLLECTOR is no http address: ${collector}; spans stay in memory. Example: http://127.0.0.1:4318`)
  return { kind: "memory" }
}

/** As the specification recommends, but for metrics: only as JSON do we send exemplars (exemplar-exporter.ts). */
const PROTOCOL_DEFAULTS: Readonly<Record<Signal, Protocol>> = { traces: "http/protobuf", metrics: "http/json", logs: "http/protobuf" }

function protocolOf(environment: Environment, signal: Signal, warnings: string[]): Protocol {
  const own = environment[`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_PROTOCOL`] ?? environment["OTEL_EXPORTER_OTLP_PROTOCOL"]
  const text = own?.trim() ?? ""
  if (text === "") return PROTOCOL_DEFAULTS[signal]
  const known = PROTOCOLS.find((protocol) => protocol === text)
  if (known === undefined) warnings.push(`OTEL_EXPORTER_OTLP_PROTOCOL is ${text}; it can be ${PROTOCOLS.join(", ")}; http/protobuf is used`)
  return known ?? "http/protobuf"
}

function samplerOf(environment: Environment, warnings: string[]): Settings["sampler"] {
  const text = environment["OTEL_TRACES_SAMPLER"]?.trim() ?? ""
  const name = SAMPLERS.includes(text) ? text : "parentbased_always_on"
  if (text !== "" && name !== text) warnings.push(`OTEL_TRACES_SAMPLER is ${text}; it can be ${SAMPLERS.join(", ")}; ${name} is used`)
  const argument = environment["OTEL_TRACES_SAMPLER_ARG"]?.trim() ?? ""
  const ratio = argument === "" ? 1 : Number(argument)
  if (ratio >= 0 && ratio <= 1) return { name, ratio }
  warnings.push(`OTEL_TRACES_SAMPLER_ARG is ${argument}; it is a number from 0 to 1; 1 is used`)
  return { name, ratio: 1 }
}

function wholeNumber(environment: Environment, name: string, options: { readonly fallback: number; readonly warnings: string[] }): number {
  const text = environment[name]?.trim() ?? ""
  if (text === "") return options.fallback
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  options.warnings.push(`${name} is ${text}; it is a whole number above 0; ${options.fallback} is used`)
  return options.fallback
}

function bySignal<T>(of: (signal: Signal) => T): Readonly<Record<Signal, T>> {
  return { traces: of("traces"), metrics: of("metrics"), logs: of("logs") }
}

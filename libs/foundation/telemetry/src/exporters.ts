/**
 * OpenTelemetry's side of a telemetry: the Node SDK with our processors and readers. This file and what it imports take a
 * third of a second to load, so only telemetry.ts imports it, late and by name, and only where something is exported.
 */
import { SeverityNumber, type Logger } from "@opentelemetry/api"
import { defaultResource, resourceFromAttributes, type Resource } from "@opentelemetry/resources"
import { BatchLogRecordProcessor, LoggerProvider, type LogRecordExporter } from "@opentelemetry/sdk-logs"
import { PeriodicExportingMetricReader, type PushMetricExporter } from "@opentelemetry/sdk-metrics"
import { NodeSDK } from "@opentelemetry/sdk-node"
import type { SpanExporter } from "@opentelemetry/sdk-trace"
import type { LogLine } from "./logger.ts"
import type { MetricStore } from "./metric-store.ts"
import { exemplarExporter } from "./exemplar-exporter.ts"
import { metricProducer, type StoreProducer } from "./metric-producer.ts"
import type { Settings, Signal } from "./settings.ts"
import type { SpanQueue } from "./span-queue.ts"
import { within } from "./within.ts"

export interface ExportOptions {
  readonly service: string
  readonly instance: string
  readonly settings: Settings
  readonly spans: SpanQueue
  readonly metrics: MetricStore
  readonly wallMicros: () => number
}

export interface Exports {
  /** Attributes of the process: OTEL_RESOURCE_ATTRIBUTES, service.name, service.instance.id. */
  readonly resource: Resource
  readonly onLine: ((line: LogLine) => void) | null
  shutdown(): Promise<void>
}

const SHUTDOWN_TIMEOUT_MS = 3_000

export async function startExports(options: ExportOptions): Promise<Exports> {
  const { settings } = options
  const resource = defaultResource().merge(
    resourceFromAttributes({ "service.name": options.service, "service.instance.id": options.instance }),
  )
  const metricReaders = settings.isOn.metrics ? [await metricReader(options)] : []
  // Not through the SDK: its logger can be had only from a global, and that belongs to whoever registered first.
  const logs = settings.isOn.logs
    ? new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter: await logExporter(settings) })] })
    : null
  const sdk = new NodeSDK({
    resource,
    // Detectors of host and process ids cost a start of `ps`-like reads and tell nothing that the actor's id does not.
    autoDetectResources: false,
    spanProcessors: settings.isOn.traces ? [options.spans] : [],
    metricReaders,
    logRecordProcessors: [],
    instrumentations: [],
  })
  sdk.start()
  if (settings.isOn.traces) options.spans.attach(await spanExporter(settings))
  return {
    resource,
    onLine: logs === null ? null : lineExporter(logs.getLogger("backplane")),
    shutdown: () => within(Promise.all([sdk.shutdown(), logs?.shutdown()]), SHUTDOWN_TIMEOUT_MS),
  }
}

async function spanExporter(settings: Settings): Promise<SpanExporter> {
  const at = addressOf(settings, "traces")
  switch (settings.protocol.traces) {
    case "grpc":
      return new (await import("@opentelemetry/exporter-trace-otlp-grpc")).OTLPTraceExporter(at)
    case "http/json":
      return new (await import("@opentelemetry/exporter-trace-otlp-http")).OTLPTraceExporter(at)
    case "http/protobuf":
      return new (await import("@opentelemetry/exporter-trace-otlp-proto")).OTLPTraceExporter(at)
  }
}

async function metricReader(options: ExportOptions): Promise<PeriodicExportingMetricReader> {
  const producer = metricProducer(options.metrics, options.wallMicros)
  return new PeriodicExportingMetricReader({
    exporter: await metricExporter(options.settings, producer),
    exportIntervalMillis: options.settings.metricsIntervalMs,
    exportTimeoutMillis: Math.min(options.settings.metricsIntervalMs, 5_000),
    metricProducers: [producer],
  })
}

/** Only as JSON do exemplars travel along: see exemplar-exporter.ts. */
async function metricExporter(settings: Settings, producer: StoreProducer): Promise<PushMetricExporter> {
  const at = addressOf(settings, "metrics")
  switch (settings.protocol.metrics) {
    case "grpc":
      return new (await import("@opentelemetry/exporter-metrics-otlp-grpc")).OTLPMetricExporter(at)
    case "http/json":
      return exemplarExporter(at, () => producer.exemplars())
    case "http/protobuf":
      return new (await import("@opentelemetry/exporter-metrics-otlp-proto")).OTLPMetricExporter(at)
  }
}

async function logExporter(settings: Settings): Promise<LogRecordExporter> {
  const at = addressOf(settings, "logs")
  switch (settings.protocol.logs) {
    case "grpc":
      return new (await import("@opentelemetry/exporter-logs-otlp-grpc")).OTLPLogExporter(at)
    case "http/json":
      return new (await import("@opentelemetry/exporter-logs-otlp-http")).OTLPLogExporter(at)
    case "http/protobuf":
      return new (await import("@opentelemetry/exporter-logs-otlp-proto")).OTLPLogExporter(at)
  }
}

/** Our own collector by address; a real endpoint's address the exporters read from the environment themselves. */
function addressOf(settings: Settings, signal: Signal): { url: string; timeoutMillis: number } | Record<string, never> {
  const { destination } = settings
  if (destination.kind !== "collector") return {}
  const url = settings.protocol[signal] === "grpc" ? destination.url : `${destination.url}/v1/${signal}`
  return { url, timeoutMillis: settings.spanQueue.timeoutMs }
}

const SEVERITY: Record<LogLine["level"], SeverityNumber> = {
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
}

function lineExporter(logger: Logger): (line: LogLine) => void {
  return (line) => {
    const ids = line.trace === undefined ? {} : { trace_id: line.trace.traceId, span_id: line.trace.spanId }
    logger.emit({
      severityNumber: SEVERITY[line.level],
      severityText: line.level.toUpperCase(),
      body: line.name,
      eventName: line.name,
      attributes: { ...ids, ...line.fields },
    })
  }
}

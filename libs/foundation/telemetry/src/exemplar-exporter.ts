/**
 * Metrics over OTLP/HTTP as JSON, with exemplars: OpenTelemetry's SDK for JavaScript has no place for them yet, so they are put into the
 * request that its serializer makes. A point's exemplars are found by where it stands: the serializer keeps the order of metrics and points.
 *
 * Wire form: opentelemetry-proto, metrics.proto, message Exemplar, in the JSON of the OTLP specification (ids as hexadecimal digits).
 */
import { OTLPMetricExporterBase } from "@opentelemetry/exporter-metrics-otlp-http"
import { convertLegacyHttpOptions, createOtlpHttpExportDelegate } from "@opentelemetry/otlp-exporter-base/node-http"
import { JsonMetricsSerializer, MetricsExporterMetricsHelper } from "@opentelemetry/otlp-transformer"
import type { PushMetricExporter, ResourceMetrics } from "@opentelemetry/sdk-metrics"
import type { Exemplar, MetricFamily } from "./metric-family.ts"

/** Exemplars of each point of a metric, in the order of its points. */
export type ExemplarsByMetric = ReadonlyMap<string, readonly (readonly Exemplar[])[]>

interface WirePoint {
  exemplars?: unknown
}
interface WireMetric {
  readonly name: string
  readonly sum?: { readonly dataPoints: readonly WirePoint[] }
  readonly histogram?: { readonly dataPoints: readonly WirePoint[] }
}
interface WireRequest {
  readonly resourceMetrics: readonly { readonly scopeMetrics: readonly { readonly metrics: readonly WireMetric[] }[] }[]
}

export function exemplarsOf(families: readonly MetricFamily[]): ExemplarsByMetric {
  return new Map(
    families.map((family) => [
      family.name,
      family.type === "histogram"
        ? family.points.map(({ exemplars }) => exemplars.filter((each) => each !== undefined))
        : family.points.map(({ exemplar }) => (exemplar === undefined ? [] : [exemplar])),
    ]),
  )
}

/** An OTLP/HTTP request in JSON with the exemplars of `byMetric` in its points. */
export function withExemplars(request: Uint8Array, byMetric: ExemplarsByMetric): Uint8Array {
  const wire = JSON.parse(new TextDecoder().decode(request)) as WireRequest
  for (const metric of wire.resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics).flatMap(({ metrics }) => metrics)) {
    const ofPoints = byMetric.get(metric.name) ?? []
    const points = metric.histogram?.dataPoints ?? metric.sum?.dataPoints ?? []
    points.forEach((point, index) => {
      const exemplars = ofPoints[index] ?? []
      if (exemplars.length > 0) point.exemplars = exemplars.map(wireExemplar)
    })
  }
  return new TextEncoder().encode(JSON.stringify(wire))
}

function wireExemplar({ traceId, spanId, value, wallSeconds }: Exemplar): object {
  // Nanoseconds do not fit a number: microseconds do, and three zeros.
  return { timeUnixNano: `${Math.round(wallSeconds * 1e6)}000`, asDouble: value, traceId, spanId }
}

/** `collected`: the exemplars of what the reader collected last. */
export function exemplarExporter(
  at: { readonly url?: string; readonly timeoutMillis?: number },
  collected: () => ExemplarsByMetric,
): PushMetricExporter {
  const serializer = {
    ...JsonMetricsSerializer,
    serializeRequest: (metrics: ResourceMetrics) => {
      const request = JsonMetricsSerializer.serializeRequest(metrics)
      return request === undefined ? undefined : withExemplars(request, collected())
    },
  }
  const options = convertLegacyHttpOptions(at, "METRICS", "v1/metrics", { "Content-Type": "application/json" })
  return new OTLPMetricExporterBase(
    createOtlpHttpExportDelegate(options, serializer, "otlp_http_metric_exporter", MetricsExporterMetricsHelper, undefined),
    at,
  )
}

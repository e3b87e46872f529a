/** The metric store as a source for OpenTelemetry's periodic reader, so that OTLP and `/metrics` show the same numbers. */
import { ValueType, type HrTime } from "@opentelemetry/api"
import { emptyResource } from "@opentelemetry/resources"
import { AggregationTemporality, DataPointType, type MetricData, type MetricProducer } from "@opentelemetry/sdk-metrics"
import type { HistogramPoint, MetricFamily } from "./metric-family.ts"
import type { MetricStore } from "./metric-store.ts"
import { hrTime } from "./readable-span.ts"

export function metricProducer(store: MetricStore, wallMicros: () => number): MetricProducer {
  const startTime = hrTime(wallMicros())
  return {
    collect: () => {
      const endTime = hrTime(wallMicros())
      const metrics = store.families().map((family) => metricData(family, startTime, endTime))
      // The reader puts the SDK's own resource in place of this one.
      return Promise.resolve({
        resourceMetrics: { resource: emptyResource(), scopeMetrics: [{ scope: { name: "backplane" }, metrics }] },
        errors: [],
      })
    },
  }
}

function metricData(family: MetricFamily, startTime: HrTime, endTime: HrTime): MetricData {
  const about = {
    descriptor: { name: family.name, description: family.meaning, unit: family.unit, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  }
  if (family.type === "histogram") {
    const dataPoints = family.points.map((point) => ({
      startTime,
      endTime,
      attributes: point.labels,
      value: histogramValue(family.bounds, point),
    }))
    return { ...about, dataPointType: DataPointType.HISTOGRAM, dataPoints }
  }
  const dataPoints = family.points.map((point) => ({ startTime, endTime, attributes: point.labels, value: point.value }))
  if (family.type === "gauge") return { ...about, dataPointType: DataPointType.GAUGE, dataPoints }
  return { ...about, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
}

function histogramValue(
  bounds: readonly number[],
  point: HistogramPoint,
): { buckets: { boundaries: number[]; counts: number[] }; sum: number; count: number } {
  const count = point.counts.reduce((total, each) => total + each, 0)
  return { buckets: { boundaries: [...bounds], counts: [...point.counts] }, sum: point.sum, count }
}

/** The metric store as a source for OpenTelemetry's periodic reader, so that OTLP and `/metrics` show the same numbers. */
import { ValueType, type HrTime } from "@opentelemetry/api"
import { emptyResource } from "@opentelemetry/resources"
import { AggregationTemporality, DataPointType, type MetricData, type MetricProducer } from "@opentelemetry/sdk-metrics"
import { exemplarsOf, type ExemplarsByMetric } from "./exemplar-exporter.ts"
import type { HistogramPoint, MetricFamily } from "./metric-family.ts"
import type { MetricStore } from "./metric-store.ts"
import { hrTime } from "./readable-span.ts"

export interface StoreProducer extends MetricProducer {
  /** Of what was collected last: the SDK's data points have no place for them. */
  exemplars(): ExemplarsByMetric
}

export function metricProducer(store: MetricStore, wallMicros: () => number): StoreProducer {
  const startTime = hrTime(wallMicros())
  let exemplars: ExemplarsByMetric = new Map()
  return {
    exemplars: () => exemplars,
    collect: () => {
      const endTime = hrTime(wallMicros())
      const families = store.families()
      exemplars = exemplarsOf(families)
      const metrics = families.map((family) => metricData(family, startTime, endTime))
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

/**
 * The stack's own collector: takes OTLP requests, keeps the last minutes, answers questions. No I/O and no clock of its own;
 * an app (apps/gateway) gives it requests and the time.
 */
import { RingBuffer } from "@backplane/foundation-base/ring-buffer"
import { compareText } from "@backplane/foundation-base/json"
import { exposition, type ExpositionFormat } from "../exposition.ts"
import type { MetricStore } from "../metric-store.ts"
import type { Signal } from "../settings.ts"
import { MetricView, labelled, type MetricLimits } from "./metric-view.ts"
import { logsOf, pointsOf, spansOf, type OtlpBytes, type ReceivedLog } from "./otlp-decode.ts"
import { TraceStore, type TraceLimits } from "./trace-store.ts"

export interface CollectorOptions {
  /** The process that the collector runs in: its own metrics appear under this name. */
  readonly service: string
  readonly instance: string
  readonly metrics: MetricStore
  readonly traceLimits?: Partial<TraceLimits>
  readonly metricLimits?: Partial<MetricLimits>
  readonly logsMax?: number
}

export interface ServiceSummary {
  readonly service: string
  readonly instances: readonly string[]
  /** Milliseconds since 1970. */
  readonly heardAt: number
}

const LOGS_MAX_DEFAULT = 10_000
/** Service names come from outside. */
const SERVICES_MAX = 1000

export class Collector {
  readonly traces: TraceStore
  readonly metrics: MetricStore
  readonly #view: MetricView
  readonly #logs: RingBuffer<ReceivedLog>
  readonly #sender: { readonly service: string; readonly instance: string }
  readonly #services = new Map<string, { readonly instances: Set<string>; heardAt: number }>()

  constructor(options: CollectorOptions) {
    this.metrics = options.metrics
    this.#sender = { service: options.service, instance: options.instance }
    this.traces = new TraceStore(options.traceLimits, (reason, by) => this.#dropped("traces", reason, by))
    this.#view = new MetricView(options.metricLimits, (reason, by) => this.#dropped("metrics", reason, by))
    this.#logs = new RingBuffer(options.logsMax ?? LOGS_MAX_DEFAULT)
  }

  /** Takes one request; returns how many items it held. Throws `OtlpError` on bad input, and then nothing of it was kept. */
  accept(signal: Signal, body: OtlpBytes, now: number): number {
    const items = this.#keep(signal, body, now)
    this.metrics.count("backplane_collector_received_total", { signal }, { by: items })
    return items
  }

  #keep(signal: Signal, body: OtlpBytes, now: number): number {
    switch (signal) {
      case "traces": {
        const spans = spansOf(body)
        this.#heard(spans, now)
        this.traces.add(spans, now)
        return spans.length
      }
      case "metrics": {
        const points = pointsOf(body)
        this.#heard(points, now)
        this.#view.add(points, now)
        return points.length
      }
      case "logs": {
        const lines = logsOf(body)
        this.#heard(lines, now)
        const before = this.#logs.dropped
        for (const line of lines) this.#logs.push(line)
        this.#dropped("logs", "lines-limit", this.#logs.dropped - before)
        return lines.length
      }
    }
  }

  /** By name. */
  services(): readonly ServiceSummary[] {
    const all = [...this.#services].map(([service, { instances, heardAt }]) => ({
      service,
      instances: [...instances].sort(compareText),
      heardAt,
    }))
    return all.sort((a, b) => compareText(a.service, b.service))
  }

  /** Newest first. */
  logs(query: {
    readonly service?: string | undefined
    readonly traceId?: string | undefined
    /** Only warnings and worse. */
    readonly isWarning?: boolean | undefined
    readonly limit: number
  }): readonly ReceivedLog[] {
    const matches = (line: ReceivedLog): boolean =>
      (query.service === undefined || line.service === query.service) &&
      (query.traceId === undefined || line.traceId === query.traceId) &&
      (query.isWarning !== true || /warn|error|fatal/i.test(line.severity))
    return [...this.#logs].filter(matches).reverse().slice(0, query.limit)
  }

  /** `prefix`: only metrics whose name begins so. */
  metricsText(format: ExpositionFormat, now: number, prefix = ""): string {
    this.#view.expire(now)
    this.traces.expire(now)
    this.metrics.set("backplane_collector_kept", { signal: "traces" }, this.traces.spans)
    this.metrics.set("backplane_collector_kept", { signal: "metrics" }, this.#view.series)
    this.metrics.set("backplane_collector_kept", { signal: "logs" }, this.#logs.length)
    this.metrics.set("backplane_collector_kept_bytes", {}, this.traces.bytes)
    const families = this.#view.families(labelled(this.metrics.families(), this.#sender))
    return exposition(prefix === "" ? families : families.filter(({ name }) => name.startsWith(prefix)), format)
  }

  #heard(items: readonly { readonly service: string; readonly instance: string }[], now: number): void {
    for (const { service, instance } of items) {
      const known = this.#services.get(service)
      if (known !== undefined) {
        known.heardAt = now
        if (known.instances.size < SERVICES_MAX) known.instances.add(instance)
      } else if (this.#services.size < SERVICES_MAX) {
        this.#services.set(service, { instances: new Set([instance]), heardAt: now })
      }
    }
  }

  #dropped(signal: Signal, reason: string, by: number): void {
    if (by > 0) this.metrics.count("backplane_collector_dropped_total", { signal, reason }, { by })
  }
}

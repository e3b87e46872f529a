/**
 * The telemetry of one process: sinks for the host, the log, the numbers, and the way out of all three.
 *
 * `startTelemetry` returns at once; OpenTelemetry's SDK is loaded behind it where there is somewhere to export to, and what
 * was told meanwhile waits in bounded queues. With nowhere to export, the last spans stay in memory (`recentSpans`).
 */
import { setImmediate } from "node:timers/promises"
import type { SpanIdSource } from "@backplane/foundation-actor/span-book"
import type { Resource } from "@opentelemetry/resources"
import { RingBuffer } from "@backplane/foundation-base/ring-buffer"
import type { DestinationStream } from "pino"
import { countEvent } from "./event-metrics.ts"
import { exposition, type ExpositionFormat } from "./exposition.ts"
import type { Exports } from "./exporters.ts"
import { Log } from "./logger.ts"
import { MetricStore } from "./metric-store.ts"
import { readableSpan } from "./readable-span.ts"
import { spanEntry } from "./registry/registry.ts"
import { readSettings, type Environment, type Settings } from "./settings.ts"
import type { EventSink, SpanSink } from "./sinks.ts"
import { LiveSpanIds } from "./span-ids.ts"
import { SpanQueue } from "./span-queue.ts"
import { traceSpanOf, type TraceSpan } from "./trace-span.ts"

export interface TelemetryOptions {
  /** Name of the app: `service.name`. */
  readonly service: string
  /** Actor, or the process where it hosts several: `service.instance.id`. */
  readonly instance: string
  readonly environment: Environment
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Where log lines go; standard output where it is missing. */
  readonly logStream?: DestinationStream
  /** Numbers that somebody began to count before; new ones where it is missing. */
  readonly metrics?: MetricStore
}

export interface Telemetry extends EventSink, SpanSink {
  readonly settings: Settings
  readonly ids: SpanIdSource
  readonly log: Log
  readonly metrics: MetricStore
  readonly spans: SpanQueue
  /** Text for `/metrics`. */
  metricsText(format: ExpositionFormat): string
  /** The spans of this process that stayed here because there is nowhere to export to; oldest first. */
  recentSpans(): readonly TraceSpan[]
  /** Settles when the exporters are loaded and connected, at once where there are none. Never rejects. */
  readonly ready: Promise<void>
  flush(): Promise<void>
  shutdown(): Promise<void>
}

const RECENT_SPANS_MAX = 8192

export function startTelemetry(options: TelemetryOptions): Telemetry {
  const settings = readSettings(options.environment)
  const log = new Log({ ...options, ...(options.logStream === undefined ? {} : { stream: options.logStream }) })
  for (const warning of settings.warnings) log.write({ level: "warn", name: "setting-ignored", fields: { warning }, trace: undefined })
  return new ProcessTelemetry(options, settings, log)
}

class ProcessTelemetry implements Telemetry {
  readonly settings: Settings
  readonly ids: SpanIdSource
  readonly log: Log
  readonly metrics: MetricStore
  readonly spans: SpanQueue
  readonly ready: Promise<void>
  readonly #options: TelemetryOptions
  readonly #recent = new RingBuffer<TraceSpan>(RECENT_SPANS_MAX)
  /** Spans told before the exporters were loaded: they need the process's resource. Bounded as the queue is. */
  #early: TraceSpan[] = []
  /** One per actor: `service.instance.id` differs where a process hosts several. */
  readonly #resources = new Map<string, Resource>()
  #exports: Exports | null = null
  /** The exporters could not be loaded: spans are counted as dropped, nothing waits for ever. */
  #isBroken = false
  #resourceFor: ((instance: string) => Resource) | null = null

  constructor(options: TelemetryOptions, settings: Settings, log: Log) {
    this.#options = options
    this.metrics = options.metrics ?? new MetricStore()
    this.settings = settings
    this.log = log
    this.ids = new LiveSpanIds(settings.sampler, () => this.metrics.count("backplane_traces_unsampled_total", {}))
    this.spans = new SpanQueue({
      ...settings.spanQueue,
      onCount: (outcome, by) => {
        if (outcome === "exported") this.metrics.count("backplane_spans_exported_total", {}, { by })
        else this.metrics.count("backplane_spans_dropped_total", { reason: outcome }, { by })
      },
    })
    const isExporting = settings.destination.kind === "otlp" || settings.destination.kind === "collector"
    this.ready = isExporting ? this.#connect() : Promise.resolve()
  }

  span(machine: string, finished: Parameters<SpanSink["span"]>[1]): void {
    if (spanEntry(finished.name) === undefined) this.metrics.count("backplane_unregistered_names_total", { kind: "span" })
    if (!this.settings.isOn.traces) return
    const span = traceSpanOf(finished, { service: this.#options.service, machine })
    if (this.settings.destination.kind === "memory") return this.#remember(span)
    if (this.#resourceFor !== null) return this.spans.onEnd(readableSpan(span, this.#resourceFor(span.instance)))
    if (!this.#isBroken && this.#early.length < this.settings.spanQueue.queueMax) this.#early.push(span)
    else this.metrics.count("backplane_spans_dropped_total", { reason: this.#isBroken ? "closed" : "queue-full" })
  }

  event(record: Parameters<EventSink["event"]>[0]): void {
    countEvent(this.metrics, record, this.#options.now())
    if (!this.log.isWritten(record.level)) return
    const where = {
      ...(record.machine === undefined ? {} : { machine: record.machine }),
      ...(record.actor === undefined ? {} : { actor: record.actor }),
      ...(record.at === undefined ? {} : { vt: record.at }),
    }
    this.log.write({ level: record.level, name: record.name, fields: { ...where, ...record.fields }, trace: record.trace })
  }

  metricsText(format: ExpositionFormat): string {
    return exposition(this.metrics.families(), format)
  }

  recentSpans(): readonly TraceSpan[] {
    return [...this.#recent]
  }

  async flush(): Promise<void> {
    await this.ready
    await this.spans.forceFlush()
    this.log.flush()
  }

  async shutdown(): Promise<void> {
    await this.flush()
    await this.spans.shutdown()
    await this.#exports?.shutdown()
  }

  #remember(span: TraceSpan): void {
    const droppedBefore = this.#recent.dropped
    this.#recent.push(span)
    if (this.#recent.dropped > droppedBefore) this.metrics.count("backplane_spans_dropped_total", { reason: "memory-full" })
  }

  async #connect(): Promise<void> {
    const { service, instance, now } = this.#options
    try {
      // Loading blocks for a fifth of a second: whoever starts us gets to send its first packets before.
      await setImmediate()
      const { startExports } = await import("./exporters.ts")
      const { resourceFromAttributes } = await import("@opentelemetry/resources")
      const exports = await startExports({
        service,
        instance,
        settings: this.settings,
        spans: this.spans,
        metrics: this.metrics,
        wallMicros: () => now() * 1000,
      })
      this.#exports = exports
      if (exports.onLine !== null) this.log.onLine(exports.onLine)
      const resourceFor = (actor: string): Resource => {
        const known = this.#resources.get(actor)
        if (known !== undefined) return known
        const made = exports.resource.merge(resourceFromAttributes({ "service.instance.id": actor }))
        this.#resources.set(actor, made)
        return made
      }
      this.#resourceFor = resourceFor
      for (const span of this.#early) this.spans.onEnd(readableSpan(span, resourceFor(span.instance)))
    } catch (error) {
      // A telemetry that cannot start must not stop the machine; it must not be silent either.
      this.#isBroken = true
      this.log.write({ level: "error", name: "telemetry-not-started", fields: { reason: String(error) }, trace: undefined })
      this.metrics.count("backplane_spans_dropped_total", { reason: "closed" }, { by: this.#early.length })
    }
    this.#early = []
  }
}

/**
 * Spans waiting for export: a bounded queue that drops the newest when full and counts every span that is lost.
 *
 * OpenTelemetry's own batch processor drops in silence when a loop never yields; here, at any moment,
 * I1: received = exported + dropped + waiting + in flight.
 * The exporter may come later than the first span (its library takes a third of a second to load), so that start-up waits
 * for nothing.
 */
import { within } from "./within.ts"
import type { SpanExporter, ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace"

/** `ExportResultCode.SUCCESS` of @opentelemetry/core, without loading it. */
const EXPORT_SUCCESS = 0

export type DropReason = "queue-full" | "export-failed" | "closed"

export interface SpanQueueOptions {
  readonly queueMax: number
  readonly batchMax: number
  readonly delayMs: number
  readonly timeoutMs: number
  /** Called whenever spans were exported or lost. */
  readonly onCount?: (outcome: "exported" | DropReason, spans: number) => void
}

const SPAN_QUEUE_DEFAULTS: SpanQueueOptions = { queueMax: 16_384, batchMax: 512, delayMs: 1_000, timeoutMs: 5_000 }

export class SpanQueue implements SpanProcessor {
  readonly #options: SpanQueueOptions
  /** At most `queueMax`, oldest first. */
  #waiting: ReadableSpan[] = []
  #exporter: SpanExporter | null = null
  #timer: NodeJS.Timeout | null = null
  /** The one export under way; exports never overlap, so a slow collector fills the queue and not the memory. */
  #running: Promise<boolean> | null = null
  #isClosed = false
  #received = 0
  #exported = 0
  #dropped = 0
  #inFlight = 0

  constructor(options: Partial<SpanQueueOptions> = {}) {
    this.#options = { ...SPAN_QUEUE_DEFAULTS, ...options }
  }

  get counts(): {
    readonly received: number
    readonly exported: number
    readonly dropped: number
    readonly waiting: number
    readonly inFlight: number
  } {
    return {
      received: this.#received,
      exported: this.#exported,
      dropped: this.#dropped,
      waiting: this.#waiting.length,
      inFlight: this.#inFlight,
    }
  }

  /** Names where the spans go; those that waited follow at once. */
  attach(exporter: SpanExporter): void {
    this.#exporter = exporter
    this.#schedule()
  }

  onStart(): void {
    // Spans arrive finished.
  }

  onEnd(span: ReadableSpan): void {
    this.#received++
    if (this.#isClosed) return this.#lose("closed", 1)
    if (this.#waiting.length >= this.#options.queueMax) return this.#lose("queue-full", 1)
    this.#waiting.push(span)
    this.#schedule()
  }

  /** Exports what waits now, batch after batch; stops at the first that fails, so a dead collector costs one time limit or two. */
  async forceFlush(): Promise<void> {
    const batchesMax = Math.ceil(this.#options.queueMax / this.#options.batchMax) + 1
    for (let batch = 0; batch < batchesMax && this.#exporter !== null; batch++) {
      const isExported = this.#running === null ? true : await this.#running
      if (!isExported || this.#waiting.length === 0) return
      if (!(await this.#exportBatch(this.#exporter))) return
    }
  }

  async shutdown(): Promise<void> {
    if (this.#isClosed) return
    await this.forceFlush()
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const left = this.#waiting.length
    this.#waiting = []
    if (left > 0) this.#lose("closed", left)
    if (this.#exporter !== null) await within(this.#exporter.shutdown(), this.#options.timeoutMs)
  }

  #schedule(): void {
    if (this.#exporter === null || this.#running !== null || this.#waiting.length === 0) return
    const isFull = this.#waiting.length >= this.#options.batchMax
    if (this.#timer !== null && !isFull) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#onTimer(), isFull ? 0 : this.#options.delayMs)
    this.#timer.unref()
  }

  #onTimer(): void {
    this.#timer = null
    if (this.#exporter === null || this.#running !== null || this.#isClosed) return
    void this.#exportBatch(this.#exporter).then(() => this.#schedule())
  }

  /** True where the batch was exported. */
  #exportBatch(exporter: SpanExporter): Promise<boolean> {
    const batch = this.#waiting.splice(0, this.#options.batchMax)
    this.#inFlight = batch.length
    this.#running = exportWithin(exporter, batch, this.#options.timeoutMs).then((isExported) => {
      this.#inFlight = 0
      this.#running = null
      if (isExported) {
        this.#exported += batch.length
        this.#options.onCount?.("exported", batch.length)
      } else {
        this.#lose("export-failed", batch.length)
      }
      return isExported
    })
    return this.#running
  }

  #lose(reason: DropReason, spans: number): void {
    this.#dropped += spans
    this.#options.onCount?.(reason, spans)
  }
}

/** True where the exporter accepted the batch in time. Never rejects. */
function exportWithin(exporter: SpanExporter, batch: ReadableSpan[], timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), timeoutMs)
    timer.unref()
    try {
      exporter.export(batch, (result) => {
        clearTimeout(timer)
        resolve(result.code === EXPORT_SUCCESS)
      })
    } catch {
      clearTimeout(timer)
      resolve(false)
    }
  })
}

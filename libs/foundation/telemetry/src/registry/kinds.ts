/** The shapes of the registry's four tables; what they hold is in the tables' own files, what they mean in registry.ts. */

export interface SpanEntry {
  readonly meaning: string
  /** Flows of `backplane trace last <flow>` that this span identifies. */
  readonly flows?: readonly string[]
}

export interface AttributeEntry {
  /** UCUM unit, or a note in braces as in OpenTelemetry (`{cycle}`); "" where it is not a quantity. */
  readonly unit: string
  readonly meaning: string
}

export type MetricType = "counter" | "gauge" | "histogram"

export interface MetricEntry {
  readonly type: MetricType
  /**
   * UCUM, or a note in braces. Braces leave the name alone when Prometheus translates OTLP; `By` and `s` add a suffix
   * unless the name has it, so such names must have it (a test says so).
   */
  readonly unit: string
  readonly meaning: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram's buckets, rising; +Inf is implied. */
  readonly bounds?: readonly number[]
}

/** What an event does to a metric. Labels are filled from the event's fields of the same name and from `fixed`. A field may be written with the prefix `backplane.` */
export interface MetricAction {
  readonly metric: string
  /** `count` adds 1 (or the field's value), `set` and `observe` take the field's value and do nothing where it is absent. */
  readonly op: "count" | "set" | "observe"
  readonly field?: string
  readonly fixed?: Readonly<Record<string, string>>
}

export interface EventEntry {
  readonly meaning: string
  /** Fields that the event may carry, with meaning. The host adds `machine` and `actor`. */
  readonly fields: Readonly<Record<string, string>>
  readonly metrics: readonly MetricAction[]
}

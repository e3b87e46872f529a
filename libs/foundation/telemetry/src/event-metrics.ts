/**
 * What an event does to the metrics, by the registry's table. The event's own fields never become labels unasked.
 *
 * Runs at every dispatch, so the table is compiled once: which fields are looked up under which names.
 */
import type { Attributes } from "@backplane/foundation-actor/trace-context"
import { actorIndex, actorKind } from "@backplane/foundation-actor/actor-id"
import type { Exemplar, Labels } from "./metric-family.ts"
import type { MetricStore } from "./metric-store.ts"
import { EVENTS } from "./registry/events.ts"
import type { MetricAction } from "./registry/kinds.ts"
import { metricEntry } from "./registry/registry.ts"
import type { EventRecord } from "./sinks.ts"

/** Machines may use the attribute names of their spans for fields too: `backplane.cpu` is the field `cpu`. */
const PREFIX = "backplane."

interface FieldNames {
  readonly plain: string
  readonly prefixed: string
}

interface CompiledAction {
  readonly metric: string
  readonly op: MetricAction["op"]
  readonly field: FieldNames | null
  readonly labels: readonly (FieldNames & { readonly fixed: string | undefined })[]
}

const COMPILED: ReadonlyMap<string, readonly CompiledAction[]> = new Map(
  Object.entries(EVENTS).map(([name, { metrics }]) => [name, metrics.map(compiled)]),
)

export function countEvent(store: MetricStore, record: EventRecord, wallMilliseconds: number): void {
  const actions = COMPILED.get(record.name)
  if (actions === undefined) {
    store.count("backplane_unregistered_names_total", { kind: "event" })
    return
  }
  store.count("backplane_events_total", { machine: record.machine ?? "", name: record.name })
  for (const action of actions) carryOut(store, action, { record, wallMilliseconds })
}

interface Context {
  readonly record: EventRecord
  readonly wallMilliseconds: number
}

function compiled(action: MetricAction): CompiledAction {
  const labels = metricEntry(action.metric)?.labels ?? []
  return {
    metric: action.metric,
    op: action.op,
    field: action.field === undefined ? null : namesOf(action.field),
    labels: labels.map((label) => ({ ...namesOf(label), fixed: action.fixed?.[label] })),
  }
}

function namesOf(field: string): FieldNames {
  return { plain: field, prefixed: `${PREFIX}${field}` }
}

function carryOut(store: MetricStore, action: CompiledAction, context: Context): void {
  const { record } = context
  const value = action.field === null ? 1 : valueOf(record.fields, action.field)
  if (typeof value !== "number" || !Number.isFinite(value)) return
  const labels = labelsFor(action, record)
  switch (action.op) {
    case "count":
      return store.count(action.metric, labels, { by: Math.max(0, value), exemplar: exemplarOf(context, value) })
    case "set":
      return store.set(action.metric, labels, value)
    case "observe":
      return store.observe(action.metric, labels, value, exemplarOf(context, value))
  }
}

function valueOf(fields: Attributes, names: FieldNames): string | number | boolean | undefined {
  return fields[names.plain] ?? fields[names.prefixed]
}

/** The metric's labels that the event has; a missing one is left out, which Prometheus reads as empty. */
function labelsFor(action: CompiledAction, record: EventRecord): Labels {
  const labels: Record<string, string> = {}
  for (const label of action.labels) {
    const value = label.fixed ?? ownLabel(label.plain, record) ?? valueOf(record.fields, label) ?? impliedLabel(label.plain, record)
    if (value !== undefined) labels[label.plain] = String(value)
  }
  return labels
}

/** The machine is the host's word, never the event's. */
function ownLabel(label: string, record: EventRecord): string | undefined {
  return label === "machine" ? (record.machine ?? "") : undefined
}

/** What the actor's name tells where the event does not: its kind, and the node where it is one. */
function impliedLabel(label: string, { actor }: EventRecord): string | undefined {
  if (label === "kind") return actor === undefined ? "host" : actorKind(actor)
  if (label === "node" && actor !== undefined && actorKind(actor) === "node") return actorIndex(actor)
  return undefined
}

function exemplarOf({ record, wallMilliseconds }: Context, value: number): Exemplar | undefined {
  if (record.trace?.sampled !== true) return undefined
  return { traceId: record.trace.traceId, spanId: record.trace.spanId, value, wallSeconds: wallMilliseconds / 1000 }
}

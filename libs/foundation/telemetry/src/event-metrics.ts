/** What an event does to the metrics, by the registry's table. The event's own fields never become labels unasked. */
import type { Attributes } from "@backplane/foundation-actor/trace-context"
import { actorIndex, actorKind } from "@backplane/foundation-actor/actor-id"
import type { Exemplar, Labels } from "./metric-family.ts"
import type { MetricStore } from "./metric-store.ts"
import type { MetricAction } from "./registry/kinds.ts"
import { eventEntry, metricEntry } from "./registry/registry.ts"
import type { EventRecord } from "./sinks.ts"

const PREFIX = "backplane."

export function countEvent(store: MetricStore, record: EventRecord, wallMilliseconds: number): void {
  const machine = record.machine ?? ""
  const entry = eventEntry(record.name)
  if (entry === undefined) {
    store.count("backplane_unregistered_names_total", { kind: "event" })
    return
  }
  store.count("backplane_events_total", { machine, name: record.name })
  const fields: Attributes = { ...whereOf(record), ...plainNames(record.fields), machine }
  for (const action of entry.metrics) carryOut(store, action, { fields, exemplar: (value) => exemplarOf(record, value, wallMilliseconds) })
}

interface Context {
  readonly fields: Attributes
  readonly exemplar: (value: number) => Exemplar | undefined
}

function carryOut(store: MetricStore, action: MetricAction, context: Context): void {
  const value = action.field === undefined ? 1 : context.fields[action.field]
  if (typeof value !== "number" || !Number.isFinite(value)) return
  const labels = labelsFor(action, context.fields)
  switch (action.op) {
    case "count":
      return store.count(action.metric, labels, { by: Math.max(0, value), exemplar: context.exemplar(value) })
    case "set":
      return store.set(action.metric, labels, value)
    case "observe":
      return store.observe(action.metric, labels, value, context.exemplar(value))
  }
}

/** What the actor's name tells: its kind, and the node where it is one. */
function whereOf(record: EventRecord): Attributes {
  if (record.actor === undefined) return { kind: "host" }
  const kind = actorKind(record.actor)
  return kind === "node" ? { kind, node: actorIndex(record.actor) } : { kind }
}

/** Machines may use the attribute names of their spans for fields too: `backplane.cpu` is the field `cpu`. */
function plainNames(fields: Attributes): Attributes {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name, value]),
  )
}

/** The metric's labels that the event has; a missing one is left out, which Prometheus reads as empty. */
function labelsFor(action: MetricAction, fields: Attributes): Labels {
  const labels: Record<string, string> = {}
  for (const label of metricEntry(action.metric)?.labels ?? []) {
    const value = action.fixed?.[label] ?? fields[label]
    if (value !== undefined) labels[label] = String(value)
  }
  return labels
}

function exemplarOf(record: EventRecord, value: number, wallMilliseconds: number): Exemplar | undefined {
  if (record.trace?.sampled !== true) return undefined
  return { traceId: record.trace.traceId, spanId: record.trace.spanId, value, wallSeconds: wallMilliseconds / 1000 }
}

/**
 * What is alive, each piece named by the event that made it, and the one join of all causal types: a piece that one side has stays if the
 * other has it too or does not know its event; if the other knows the event but not the piece, the piece was removed there.
 *
 * Three forms: bare events (a flag), events with values (a register), and a map of stores by name (a set, a map). Always in canonical
 * order, so equal stores are equal as JSON. Source: Almeida, Shoker, Baquero (2018), section 6, with the optimisation of Bieniusa and
 * others (2012): no tombstones, the context stands for all that is gone.
 */
import { compareText, type Json } from "@backplane/foundation-base/json"
import { assert } from "@backplane/foundation-base/assert"
import { compareEvents, isSameEvent, joinContexts, knows, type CausalContext, type Event } from "./causal-context.ts"

export type EventSet = { readonly form: "events"; readonly events: readonly Event[] }
export type EventValues = { readonly form: "values"; readonly entries: readonly (readonly [Event, Json])[] }
export type StoreMap = { readonly form: "map"; readonly entries: readonly (readonly [string, DotStore])[] }
export type DotStore = EventSet | EventValues | StoreMap

export const NO_EVENTS_ALIVE: EventSet = { form: "events", events: [] }
export const NO_VALUES: EventValues = { form: "values", entries: [] }
export const NO_ENTRIES: StoreMap = { form: "map", entries: [] }

export interface Causal {
  readonly store: DotStore
  readonly context: CausalContext
}

export function isEmptyStore(store: DotStore): boolean {
  return store.form === "events" ? store.events.length === 0 : store.entries.length === 0
}

/** All events that keep something alive in the store. */
export function eventsOf(store: DotStore): readonly Event[] {
  switch (store.form) {
    case "events":
      return store.events
    case "values":
      return store.entries.map(([event]) => event)
    case "map":
      return store.entries.flatMap(([, inner]) => eventsOf(inner))
  }
}

export function joinCausal(a: Causal, b: Causal): Causal {
  return { store: joinStores(a, b), context: joinContexts(a.context, b.context) }
}

export function entryOf(store: DotStore, name: string): DotStore | undefined {
  assert(store.form === "map", "only a map has entries by name")
  return store.entries.find(([other]) => other === name)?.[1]
}

function joinStores(a: Causal, b: Causal): DotStore {
  const [left, right] = [a.store, b.store]
  if (left.form === "events" && right.form === "events") {
    const kept = survivors(left.events, right.events, (event) => event, a, b)
    return { form: "events", events: kept.toSorted(compareEvents) }
  }
  if (left.form === "values" && right.form === "values") {
    const kept = survivors(left.entries, right.entries, ([event]) => event, a, b)
    return { form: "values", entries: kept.toSorted((one, other) => compareEvents(one[0], other[0])) }
  }
  assert(left.form === "map" && right.form === "map", "two stores under one name have one form")
  // By name once, instead of a search for each name: a set of hundreds of members is joined with every write to it.
  const [ones, others] = [new Map(left.entries), new Map(right.entries)]
  const names = [...new Set([...ones.keys(), ...others.keys()])].sort(compareText)
  const entries = names.flatMap((name): (readonly [string, DotStore])[] => {
    const one = ones.get(name)
    const other = others.get(name)
    const form = one ?? other ?? NO_ENTRIES
    const joined = joinStores({ store: one ?? emptied(form), context: a.context }, { store: other ?? emptied(form), context: b.context })
    return isEmptyStore(joined) ? [] : [[name, joined]]
  })
  return { form: "map", entries }
}

function survivors<Piece>(
  left: readonly Piece[],
  right: readonly Piece[],
  eventOf: (piece: Piece) => Event,
  a: Causal,
  b: Causal,
): Piece[] {
  const isIn = (pieces: readonly Piece[], event: Event): boolean => pieces.some((piece) => isSameEvent(eventOf(piece), event))
  return [
    ...left.filter((piece) => isIn(right, eventOf(piece)) || !knows(b.context, eventOf(piece))),
    ...right.filter((piece) => !isIn(left, eventOf(piece)) && !knows(a.context, eventOf(piece))),
  ]
}

function emptied(store: DotStore): DotStore {
  return store.form === "events" ? NO_EVENTS_ALIVE : store.form === "values" ? NO_VALUES : NO_ENTRIES
}

/**
 * Observed-remove set, add wins. Goal: a remove takes away only what it has seen, so an add that is concurrent with it survives. Optimised: no
 * tombstones; per element only the events that keep it alive (Bieniusa and others, 2012). Operations: `{"op": "add" | "remove", "element":
 * "text"}`, `{"op": "clear"}`. Value: the elements in order. Limits: elements are texts. Delta: the element touched.
 */
import { compareText } from "@backplane/foundation-base/json"
import { causalCrdt, type CausalKind } from "../causal/causal-crdt.ts"
import { entryOf, eventsOf, NO_ENTRIES } from "../causal/dot-store.ts"
import { bad, textField } from "../operation-fields.ts"

export const orSetKind: CausalKind = {
  empty: NO_ENTRIES,
  mutate(store, operation, event) {
    const op = textField(operation, "op")
    if (op === "clear") return { store: NO_ENTRIES, seen: eventsOf(store) }
    const element = textField(operation, "element")
    if (element === undefined || (op !== "add" && op !== "remove"))
      return bad(`{"op": "add" or "remove", "element": text} or {"op": "clear"}`)
    const before = entryOf(store, element)
    const replaced = before === undefined ? [] : eventsOf(before)
    if (op === "remove") return { store: NO_ENTRIES, seen: replaced }
    return { store: { form: "map", entries: [[element, { form: "events", events: [event] }]] }, seen: [event, ...replaced] }
  },
  value: (store) => (store.form === "map" ? store.entries.map(([element]) => element).sort(compareText) : []),
}

export const orSet = causalCrdt("or-set", orSetKind)

/**
 * Flag that a concurrent enable wins. Procedure: enabling leaves an event alive; disabling removes those it has seen, so an enable it has not
 * seen survives. Operations: `{"op": "enable"}`, `{"op": "disable"}`. Delta: the events touched.
 */
import { causalCrdt, type CausalKind } from "../causal/causal-crdt.ts"
import { eventsOf, NO_EVENTS_ALIVE } from "../causal/dot-store.ts"
import { bad, textField } from "../operation-fields.ts"

export const flagKind: CausalKind = {
  empty: NO_EVENTS_ALIVE,
  mutate(store, operation, event) {
    switch (textField(operation, "op")) {
      case "enable":
        return { store: { form: "events", events: [event] }, seen: [event, ...eventsOf(store)] }
      case "disable":
        return { store: NO_EVENTS_ALIVE, seen: eventsOf(store) }
      default:
        return bad(`{"op": "enable"} or {"op": "disable"}`)
    }
  },
  value: (store) => eventsOf(store).length > 0,
}

export const flag = causalCrdt("flag", flagKind)

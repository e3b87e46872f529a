/**
 * Multi-value register. Goal: a set replaces the values it has seen; concurrent ones stay beside it until a set has seen both. Operation:
 * `{"op": "set", "value": …}`. Value: a list, in the order of events. Limits: the reader must handle more than one. Delta: the new value and
 * the events it replaces.
 */
import { causalCrdt, type CausalKind } from "../causal/causal-crdt.ts"
import { eventsOf, NO_VALUES } from "../causal/dot-store.ts"
import { bad, fieldOf, textField } from "../operation-fields.ts"

export const mvRegisterKind: CausalKind = {
  empty: NO_VALUES,
  mutate(store, operation, event) {
    const value = fieldOf(operation, "value")
    if (textField(operation, "op") !== "set" || value === undefined) return bad(`{"op": "set", "value": any JSON}`)
    return { store: { form: "values", entries: [[event, value]] }, seen: [event, ...eventsOf(store)] }
  },
  value: (store) => (store.form === "values" ? store.entries.map(([, value]) => value) : []),
}

export const mvRegister = causalCrdt("mv-register", mvRegisterKind)

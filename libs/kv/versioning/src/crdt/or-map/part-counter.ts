/**
 * The counter inside a map. Each writer keeps one part, named by its last event; an increment replaces the writer's own part by a greater
 * one. Unlike the counters on their own it can be removed with its entry. Limit: an increment concurrent with the removal brings that writer's
 * whole part back, not only the increment (Baquero and others, "The problem with embedded CRDT counters", 2016).
 */
import type { CausalKind } from "../causal/causal-crdt.ts"
import { NO_VALUES } from "../causal/dot-store.ts"
import { amountField, bad, textField } from "../operation-fields.ts"

export const partCounterKind: CausalKind = {
  empty: NO_VALUES,
  mutate(store, operation, event) {
    const op = textField(operation, "op")
    const by = amountField(operation)
    if (by === undefined || (op !== "increment" && op !== "decrement"))
      return bad(`{"op": "increment" or "decrement", "by": whole number above 0}`)
    const own = store.form === "values" ? store.entries.filter(([[writer]]) => writer === event[0]) : []
    const before = own.reduce((sum, [, part]) => sum + (typeof part === "number" ? part : 0), 0)
    const part = before + (op === "increment" ? by : -by)
    return { store: { form: "values", entries: [[event, part]] }, seen: [event, ...own.map(([replaced]) => replaced)] }
  },
  value(store) {
    if (store.form !== "values") return 0
    return store.entries.reduce((sum, [, part]) => sum + (typeof part === "number" ? part : 0), 0)
  },
}

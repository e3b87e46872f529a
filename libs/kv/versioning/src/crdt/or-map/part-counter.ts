/**
 * The counter inside a map. Each writer keeps one part, named by its last event; an increment replaces the writer's own part by a greater
 * one. Unlike the counters on their own it can be removed with its entry. Limit: an increment concurrent with the removal brings that writer's
 * whole part back, not only the increment (Baquero and others, "The problem with embedded CRDT counters", 2016).
 *
 * What a request counted a second time, at another coordinator, is taken back by a part of its own, under the name of the event, which is no writer's
 * (as in counts.ts): it never changes and never grows, and goes with the entry.
 */
import type { Json } from "@backplane/foundation-base/json"
import type { Dot } from "@backplane/kv-contract/versions"
import type { CausalKind } from "../causal/causal-crdt.ts"
import type { Event } from "../causal/causal-context.ts"
import { NO_VALUES, type DotStore } from "../causal/dot-store.ts"
import { amountField, bad, textField } from "../operation-fields.ts"

/** By how much an operation changes the counter; 0 where it is none. */
export function changeBy(operation: Json): number {
  const op = textField(operation, "op")
  return (op === "increment" ? 1 : op === "decrement" ? -1 : 0) * (amountField(operation) ?? 0)
}

/** The part that takes `amount` of the event back. */
export function takenBackPart([writer, time]: Dot, amount: number): { readonly event: Event; readonly store: DotStore } {
  const event: Event = [`${writer}#${time}`, 1]
  return { event, store: { form: "values", entries: [[event, -amount]] } }
}

export const partCounterKind: CausalKind = {
  empty: NO_VALUES,
  mutate(store, operation, event) {
    const by = changeBy(operation)
    if (by === 0) return bad(`{"op": "increment" or "decrement", "by": whole number above 0}`)
    const own = store.form === "values" ? store.entries.filter(([[writer]]) => writer === event[0]) : []
    const before = own.reduce((sum, [, part]) => sum + (typeof part === "number" ? part : 0), 0)
    const part = before + by
    return {
      store: { form: "values", entries: [[event, part]] },
      seen: [event, ...own.map(([replaced]) => replaced)],
    }
  },
  value(store) {
    if (store.form !== "values") return 0
    return store.entries.reduce((sum, [, part]) => sum + (typeof part === "number" ? part : 0), 0)
  },
}

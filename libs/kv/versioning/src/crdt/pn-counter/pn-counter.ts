/**
 * Counter that rises and falls. Two grow-only counters, one of rises and one of falls, for a single one joined by the greater could not fall.
 * Operations: `{"op": "increment" | "decrement", "by": 1}`. Limits: no floor: two replicas may both take the last one. Delta: one count.
 */
import { asCrdtType, type TypedCrdt } from "../crdt-type.ts"
import { joinCounts, sumOf, takenBack, type Counts } from "../counts.ts"
import { amountField, bad, textField } from "../operation-fields.ts"

type State = { readonly up: Counts; readonly down: Counts }

const typed: TypedCrdt<State> = {
  name: "pn-counter",
  empty: { up: {}, down: {} },
  delta(state, operation, { writer }) {
    const by = amountField(operation)
    const op = textField(operation, "op")
    if (by === undefined || (op !== "increment" && op !== "decrement"))
      return bad(`{"op": "increment" or "decrement", "by": whole number above 0}`)
    if (op === "increment") return { delta: { up: { [writer]: (state.up[writer] ?? 0) + by }, down: {} } }
    return { delta: { up: {}, down: { [writer]: (state.down[writer] ?? 0) + by } } }
  },
  merge: (a, b) => ({ up: joinCounts(a.up, b.up), down: joinCounts(a.down, b.down) }),
  twice: {
    amount: (operation) => (textField(operation, "op") === "decrement" ? -1 : 1) * (amountField(operation) ?? 0),
    place: () => null,
    takeBack: (dot, amount) => (amount > 0 ? { up: takenBack(dot, amount), down: {} } : { up: {}, down: takenBack(dot, -amount) }),
  },
  value: ({ up, down }) => sumOf(up) - sumOf(down),
}

export const pnCounter = asCrdtType(typed)

/**
 * Grow-only counter. Goal: increments are never lost and never counted twice by a join. Procedure: each writer counts its own; the value is
 * the sum; a join takes the greater count of each. Operation: `{"op": "increment", "by": 1}`. Limits: never falls. Delta: the one count.
 */
import { asCrdtType, type TypedCrdt } from "../crdt-type.ts"
import { joinCounts, sumOf, takenBack, type Counts } from "../counts.ts"
import { amountField, bad, textField } from "../operation-fields.ts"

const typed: TypedCrdt<Counts> = {
  name: "g-counter",
  empty: {},
  delta(state, operation, { writer }) {
    const by = amountField(operation)
    if (textField(operation, "op") !== "increment" || by === undefined) return bad(`{"op": "increment", "by": whole number above 0}`)
    return { delta: { [writer]: (state[writer] ?? 0) + by } }
  },
  merge: joinCounts,
  twice: {
    amount: (operation) => amountField(operation) ?? 0,
    place: () => null,
    takeBack: takenBack,
  },
  value: sumOf,
}

export const gCounter = asCrdtType(typed)

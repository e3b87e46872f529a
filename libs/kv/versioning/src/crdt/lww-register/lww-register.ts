/**
 * Register in which the last writer wins: by hybrid time, ties to the greater writer. Operation: `{"op": "set", "value": …}`. The same rule as
 * the policy lww, for use inside one CRDT bucket. Limits: concurrent values but one are lost. Delta: the whole, it is one value.
 */
import type { Json } from "@backplane/foundation-base/json"
import type { Dot } from "@backplane/kv-contract/versions"
import { compareDots } from "../../vector.ts"
import { asCrdtType, type TypedCrdt } from "../crdt-type.ts"
import { bad, fieldOf, textField } from "../operation-fields.ts"

type State = { readonly dot: readonly [string, number]; readonly value: Json } | null

const typed: TypedCrdt<State> = {
  name: "lww-register",
  empty: null,
  delta(_state, operation, { writer, time }) {
    const value = fieldOf(operation, "value")
    if (textField(operation, "op") !== "set" || value === undefined) return bad(`{"op": "set", "value": any JSON}`)
    return { delta: { dot: [writer, time], value } }
  },
  merge(a, b) {
    if (a === null) return b
    if (b === null) return a
    return compareDots(dotOf(a), dotOf(b)) >= 0 ? a : b
  },
  value: (state) => state?.value ?? null,
}

function dotOf(state: NonNullable<State>): Dot {
  return [state.dot[0], state.dot[1]]
}

export const lwwRegister = asCrdtType(typed)

/**
 * Map of CRDTs, updates win over concurrent removals. Goal: entries of their own type under one causal context, so removing an entry takes
 * away exactly what was seen of it. Operations: `{"op": "update", "name": …, "type": "flag" | "mv-register" | "or-set" | "counter" |
 * "or-map", "operation": …}`, `{"op": "remove", "name": …}`. Two types under one name are two entries (`name:type`): a join never mixes forms.
 * Limits: nested at most DEPTH_MAX deep; the counter's limit is told in part-counter.ts. Source: Almeida and others (2018), section 6.4.
 */
import type { Json } from "@backplane/foundation-base/json"
import { causalCrdt, type CausalKind } from "../causal/causal-crdt.ts"
import { entryOf, eventsOf, isEmptyStore, NO_ENTRIES } from "../causal/dot-store.ts"
import { flagKind } from "../flag/flag.ts"
import { mvRegisterKind } from "../mv-register/mv-register.ts"
import { bad, fieldOf, textField } from "../operation-fields.ts"
import { orSetKind } from "../or-set/or-set.ts"
import { partCounterKind } from "./part-counter.ts"

const DEPTH_MAX = 4
const TYPES = ["flag", "mv-register", "or-set", "counter", "or-map"] as const
const UPDATE = `{"op": "update", "name": text, "type": one of ${TYPES.join(", ")}, "operation": …} or {"op": "remove", "name": text}`

function kindOf(type: string | undefined, depth: number): CausalKind | null {
  switch (type) {
    case "flag":
      return flagKind
    case "mv-register":
      return mvRegisterKind
    case "or-set":
      return orSetKind
    case "counter":
      return partCounterKind
    case "or-map":
      return depth < DEPTH_MAX ? orMapKind(depth + 1) : null
    default:
      return null
  }
}

/** The type stands behind the last colon: no type has a colon in its name. */
function typeOf(entryName: string): string {
  return entryName.slice(entryName.lastIndexOf(":") + 1)
}

function orMapKind(depth: number): CausalKind {
  return {
    empty: NO_ENTRIES,
    mutate(store, operation, event) {
      const op = textField(operation, "op")
      const name = textField(operation, "name")
      if (name === undefined) return bad(UPDATE)
      if (op === "remove") {
        const seen = TYPES.flatMap((type) => eventsOf(entryOf(store, `${name}:${type}`) ?? NO_ENTRIES))
        return { store: NO_ENTRIES, seen }
      }
      const type = textField(operation, "type")
      const kind = kindOf(type, depth)
      const inner = fieldOf(operation, "operation")
      if (op !== "update" || kind === null || inner === undefined) return bad(UPDATE)
      const entryName = `${name}:${type ?? ""}`
      const mutation = kind.mutate(entryOf(store, entryName) ?? kind.empty, inner, event)
      if ("bad" in mutation) return mutation
      return {
        store: isEmptyStore(mutation.store) ? NO_ENTRIES : { form: "map", entries: [[entryName, mutation.store]] },
        seen: mutation.seen,
      }
    },
    value(store) {
      if (store.form !== "map") return {}
      const pairs = store.entries.map(([name, inner]): [string, Json] => [name, kindOf(typeOf(name), depth)?.value(inner) ?? null])
      return Object.fromEntries(pairs)
    },
  }
}

export const orMap = causalCrdt("or-map", orMapKind(1))

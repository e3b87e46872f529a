/**
 * Map of CRDTs, updates win over concurrent removals. Goal: entries of their own type under one causal context, so removing an entry takes
 * away exactly what was seen of it. Operations: `{"op": "update", "name": …, "type": "flag" | "mv-register" | "or-set" | "counter" |
 * "or-map", "operation": …}`, `{"op": "remove", "name": …}`. Two types under one name are two entries (`name:type`): a join never mixes forms.
 * Limits: nested at most DEPTH_MAX deep; a counter's names together at most COUNTER_PLACE_LENGTH_MAX characters, and the limit told in part-counter.ts.
 * Source: Almeida and others (2018), section 6.4.
 */
import type { Json } from "@backplane/foundation-base/json"
import { COUNTER_PLACE_LENGTH_MAX } from "@backplane/kv-contract/limits"
import { causalCrdt, type CausalKind, type CausalState } from "../causal/causal-crdt.ts"
import { contextOf, EMPTY_CONTEXT } from "../causal/causal-context.ts"
import { entryOf, eventsOf, isEmptyStore, NO_ENTRIES, type DotStore } from "../causal/dot-store.ts"
import { flagKind } from "../flag/flag.ts"
import { mvRegisterKind } from "../mv-register/mv-register.ts"
import { bad, fieldOf, textField } from "../operation-fields.ts"
import type { Twice } from "../crdt-type.ts"
import { orSetKind } from "../or-set/or-set.ts"
import { changeBy, partCounterKind, takenBackPart } from "./part-counter.ts"

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
      // Only of counters is the place ever told: of those alone it has a limit.
      if (depth === 1 && (placeOf(operation)?.length ?? 0) > COUNTER_PLACE_LENGTH_MAX)
        return bad(`names of a counter that have at most ${COUNTER_PLACE_LENGTH_MAX} characters together`)
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

/** The counter that an operation changes: the entries on the way to it, the innermost last, as JSON text. Null where it changes none. */
function placeOf(operation: Json): string | null {
  const way = wayOf(operation)
  return way === null ? null : JSON.stringify(way.names)
}

function wayOf(operation: Json): { readonly names: readonly string[]; readonly by: number } | null {
  const name = textField(operation, "name")
  const type = textField(operation, "type")
  const inner = fieldOf(operation, "operation")
  if (textField(operation, "op") !== "update" || name === undefined || inner === undefined) return null
  const entryName = `${name}:${type ?? ""}`
  if (type === "counter") return { names: [entryName], by: changeBy(inner) }
  const rest = type === "or-map" ? wayOf(inner) : null
  return rest === null ? null : { names: [entryName, ...rest.names], by: rest.by }
}

const NOTHING: CausalState = { store: NO_ENTRIES, context: EMPTY_CONTEXT }

/** An event of its own in the counter, so that who removes the counter removes it too, and who has not heard of it keeps it. */
const twice: Twice = {
  amount: (operation) => wayOf(operation)?.by ?? 0,
  place: placeOf,
  takeBack(dot, amount, place): CausalState {
    if (place === null || amount === 0) return NOTHING
    const { event, store } = takenBackPart(dot, amount)
    const way = JSON.parse(place) as readonly string[]
    const inMaps = way.reduceRight(
      (inner: DotStore, name): DotStore => ({
        form: "map",
        entries: [[name, inner]],
      }),
      store,
    )
    return { store: inMaps, context: contextOf([event]) }
  },
}

export const orMap = causalCrdt("or-map", orMapKind(1), twice)

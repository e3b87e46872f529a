/**
 * A causal type by itself, or inside a map: what one operation leaves alive and which events it has seen (its own and those it replaces).
 *
 * The delta of an operation is exactly that pair: the seen events make the join remove what was replaced, and nothing else.
 */
import type { Json } from "@backplane/foundation-base/json"
import type { CrdtName } from "@backplane/kv-contract/versions"
import { asCrdtType, type BadOperation, type CrdtType, type Twice } from "../crdt-type.ts"
import { contextOf, EMPTY_CONTEXT, nextEvent, type CausalContext, type Event } from "./causal-context.ts"
import { joinCausal, type DotStore } from "./dot-store.ts"

export interface Mutation {
  readonly store: DotStore
  readonly seen: readonly Event[]
}

export interface CausalKind {
  readonly empty: DotStore
  /** `event` names what the operation makes. */
  mutate(store: DotStore, operation: Json, event: Event): Mutation | BadOperation
  value(store: DotStore): Json
}

export type CausalState = {
  readonly store: DotStore
  readonly context: CausalContext
}

export function causalCrdt(name: CrdtName, kind: CausalKind, twice?: Twice): CrdtType {
  return asCrdtType<CausalState>({
    ...(twice === undefined ? {} : { twice }),
    name,
    empty: { store: kind.empty, context: EMPTY_CONTEXT },
    delta(state, operation, { writer }) {
      const mutation = kind.mutate(state.store, operation, nextEvent(state.context, writer))
      return "bad" in mutation ? mutation : { delta: { store: mutation.store, context: contextOf(mutation.seen) } }
    },
    merge(a, b) {
      const { store, context } = joinCausal(a, b)
      return { store, context }
    },
    value: (state) => kind.value(state.store),
  })
}

/**
 * A replicated data type with delta states: what a type must give, and its laws (`crdt-suite`).
 *
 * State-based: two states are joined by `merge`, which is associative, commutative and idempotent, so any order, doubling and loss of
 * messages does no harm as long as something comes again. An operation makes a *delta*: a small state whose join with the old one is the new one;
 * any joins of deltas and states are states again. Source: Shapiro and others (2011); Almeida, Shoker, Baquero, "Delta State Replicated
 * Data Types" (2018).
 */
import type { Json } from "@backplane/foundation-base/json"
import type { CrdtName, Dot } from "@backplane/kv-contract/versions"

/** Who does an operation, and when by the hybrid clock: later than all that the writer has seen of the key. */
export interface Stamp {
  readonly writer: string
  readonly time: number
}

/** Why an operation is none of this type. */
export interface BadOperation {
  readonly bad: string
}

export interface CrdtType {
  readonly name: CrdtName
  readonly empty: Json
  /** The delta of `operation` on `state`, or why it cannot be. */
  delta(state: Json, operation: Json, stamp: Stamp): { readonly delta: Json } | BadOperation
  merge(a: Json, b: Json): Json
  /**
   * Of types for which an operation done twice is not the operation: by how much it changes the value, and the delta that takes back what the event
   * `dot` changed by `amount` at `place`. The same for the same event, so it may be joined in by many.
   */
  readonly twice?: Twice
  /** What a reader sees. */
  value(state: Json): Json
}

export interface Twice {
  amount(operation: Json): number
  /** Of types with many counters in one value: which one the operation changes. Null where it changes none, or the type is one counter. */
  place(operation: Json): string | null
  /** `place`: null where none was told; the delta changes nothing then, if the type has many. */
  takeBack(dot: Dot, amount: number, place: string | null): Json
}

/** A type written with its own form of state. The cast is the codec: states come only from `empty`, `delta` and `merge` of the type. */
export interface TypedCrdt<State extends Json> {
  readonly name: CrdtName
  readonly empty: State
  delta(state: State, operation: Json, stamp: Stamp): { readonly delta: State } | BadOperation
  merge(a: State, b: State): State
  readonly twice?: Twice
  value(state: State): Json
}

export function asCrdtType<State extends Json>(type: TypedCrdt<State>): CrdtType {
  return {
    name: type.name,
    empty: type.empty,
    delta: (state, operation, stamp) => type.delta(state as State, operation, stamp),
    merge: (a, b) => type.merge(a as State, b as State),
    value: (state) => type.value(state as State),
    ...(type.twice === undefined ? {} : { twice: type.twice }),
  }
}

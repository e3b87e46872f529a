/**
 * Remembers for a while which trace a version was written in, so that a reconciliation can point back to the writes that were in conflict.
 *
 * Bounded: the oldest are forgotten; a version without a trace (its request was not followed) has no link.
 */
import type { TraceContext } from "@backplane/foundation-actor/trace-context"
import type { KeyState } from "@backplane/kv-contract/versions"
import { lastDone } from "@backplane/kv-versioning/done"

const REMEMBERED_MAX = 4096
const LINKS_MAX = 16

export class WriteTraces {
  readonly #traces = new Map<string, TraceContext>()

  /** The newest event of the state came about in `trace`. */
  remember(state: KeyState, trace: string): void {
    const event = newestOf(state)
    if (event === undefined) return
    this.#traces.set(event, traceOf(trace))
    for (const oldest of this.#traces.keys()) {
      if (this.#traces.size <= REMEMBERED_MAX) break
      this.#traces.delete(oldest)
    }
  }

  /** As requests carry it: where the newest event of the state came about, if that is remembered. */
  nameOf(state: KeyState): string | undefined {
    const trace = this.#traces.get(newestOf(state) ?? "")
    return trace === undefined ? undefined : `${trace.traceId}-${trace.spanId}`
  }

  get isEmpty(): boolean {
    return this.#traces.size === 0
  }

  /** The traces of the versions of `states`, of a CRDT's of the last operation that each has seen; each once. */
  linksOf(states: readonly KeyState[]): readonly TraceContext[] {
    if (this.#traces.size === 0) return []
    const events = new Set(
      states.flatMap((state) => (state.versions.length > 0 ? state.versions.map(({ dot }) => dot.join("#")) : (newestOf(state) ?? []))),
    )
    return [...events].flatMap((event) => this.#traces.get(event) ?? []).slice(0, LINKS_MAX)
  }
}

/** A version names its event; what made a CRDT's state is only in the list of requests that were done. */
function newestOf({ versions, crdt, done }: KeyState): string | undefined {
  const dot = versions.at(-1)?.dot ?? (crdt === undefined ? undefined : lastDone(done))
  return dot?.join("#")
}

/** `<trace>-<span>` as requests carry it. */
export function traceOf(text: string): TraceContext {
  const [traceId = "", spanId = ""] = text.split("-")
  return { traceId, spanId, sampled: true }
}

/** Characters of all values: about what it costs to send the state. */
export function sizeOf(states: readonly KeyState[]): number {
  return states.reduce(
    (sum, { versions, crdt }) =>
      sum + versions.reduce((size, { value }) => size + (value?.length ?? 0), 0) + (crdt === undefined ? 0 : JSON.stringify(crdt).length),
    0,
  )
}

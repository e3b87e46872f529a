/**
 * Remembers for a while which trace a version was written in, so that a reconciliation can point back to the writes that were in conflict.
 *
 * Bounded: the oldest are forgotten; a version without a trace (its request was not followed) has no link.
 */
import type { TraceContext } from "@backplane/foundation-actor/trace-context"
import type { KeyState } from "@backplane/kv-contract/versions"

const REMEMBERED_MAX = 4096
const LINKS_MAX = 16

export class WriteTraces {
  readonly #traces = new Map<string, TraceContext>()

  /** The newest version of the state was written in `trace`. */
  remember(state: KeyState, trace: string): void {
    const dot = state.versions.at(-1)?.dot
    if (dot === undefined) return
    this.#traces.set(dot.join("#"), traceOf(trace))
    for (const oldest of this.#traces.keys()) {
      if (this.#traces.size <= REMEMBERED_MAX) break
      this.#traces.delete(oldest)
    }
  }

  /** As requests carry it: where the newest version of the state was written, if that is remembered. */
  nameOf(state: KeyState): string | undefined {
    const trace = this.#traces.get(state.versions.at(-1)?.dot.join("#") ?? "")
    return trace === undefined ? undefined : `${trace.traceId}-${trace.spanId}`
  }

  get isEmpty(): boolean {
    return this.#traces.size === 0
  }

  /** The traces of the versions of `states`, each once. */
  linksOf(states: readonly KeyState[]): readonly TraceContext[] {
    if (this.#traces.size === 0) return []
    const dots = new Set(states.flatMap(({ versions }) => versions.map(({ dot }) => dot.join("#"))))
    return [...dots].flatMap((dot) => this.#traces.get(dot) ?? []).slice(0, LINKS_MAX)
  }
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

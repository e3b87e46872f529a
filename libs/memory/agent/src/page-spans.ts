/**
 * The traces of what a node asks for. What is asked for in one step (many harts that miss together, a walk) is one trace: its messages go in few
 * (page-runs.ts), each hop handles them at once, and the trace shows them together. Pure.
 */
import { closeSpan, noteSpan, openSpan } from "@backplane/foundation-actor/effects"
import type { AgentOptions, AgentOut } from "./agent-options.ts"

export type AboutPage = Readonly<Record<"backplane.node" | "backplane.page", number> & Record<"backplane.space", string>>

export class PageSpans {
  readonly #options: Pick<AgentOptions, "node" | "space">
  /** Pages whose own span is open. */
  readonly #open = new Set<number>()
  /** Opened last, and in which step: each step has effects of its own. */
  #latest: { readonly out: AgentOut; readonly name: string; readonly key: string } | null = null
  #noted: { readonly out: AgentOut; readonly name: string } | null = null

  constructor(options: Pick<AgentOptions, "node" | "space">) {
    this.#options = options
  }

  /** What the step does, told with the first page of many that it does it to: the step has one span. */
  note(name: "mem.fetch" | "mem.shootdown" | "mem.frame", page: number, out: AgentOut): void {
    if (this.#noted?.out === out && this.#noted.name === name) return
    this.#noted = { out, name }
    out.push(noteSpan(name, this.about(page)))
  }

  about(page: number): AboutPage {
    const { node, space } = this.#options
    return { "backplane.node": node, "backplane.page": page, "backplane.space": space }
  }

  /** The page is asked for: gives the span that its request belongs to, which is that of the first of this step. */
  ask(page: number, name: "mem.GetS" | "mem.GetM", out: AgentOut): string {
    if (this.#latest?.out === out && this.#latest.name === name) return this.#latest.key
    const key = this.#keyOf(page)
    out.push(openSpan(key, name, this.about(page), { root: true }))
    this.#open.add(page)
    this.#latest = { out, name, key }
    return key
  }

  /** The span of what was asked for in this step; empty: nothing was. */
  of(out: AgentOut): string {
    return this.#latest?.out === out ? this.#latest.key : ""
  }

  /** What the page was asked for with is over. */
  close(page: number, out: AgentOut, error?: string): void {
    if (!this.#open.delete(page)) return
    const key = this.#keyOf(page)
    if (this.#latest?.key === key) this.#latest = null
    out.push(error === undefined ? closeSpan(key) : closeSpan(key, {}, error))
  }

  #keyOf(page: number): string {
    return `page/${this.#options.space}/${page}`
  }
}

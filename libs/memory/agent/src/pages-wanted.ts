/** Asks the homes of pages that a walk comes to which of them can be had without harm to others (`PagesBring` answers). */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import type { AgentOptions, AgentOut } from "./agent-options.ts"

export interface Wanted {
  readonly pages: readonly number[]
  /** Of the miss that they are asked for with. */
  readonly span: string
  /** Life of a home as known here. */
  readonly epochOf: (home: ActorId) => number
}

export function askWhichAreFree(
  { space, node, homeOf }: Pick<AgentOptions, "space" | "node" | "homeOf">,
  { pages, span, epochOf }: Wanted,
  out: AgentOut,
): void {
  for (const home of new Set(pages.map(homeOf))) {
    const of = pages.filter((page) => homeOf(page) === home)
    out.push(send(home, { kind: "PagesWanted", space, node, epoch: epochOf(home), pages: of }, span))
  }
}

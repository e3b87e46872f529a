/** Runs of pages between a node that says how many it takes and one that has not heard it, or comes from before. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { RUN_PAGES_MAX, type PageMessage, type PagesRun } from "@backplane/memory-contract/coherence-messages"
import { describe, expect, it } from "vitest"
import type { AgentSays } from "./agent-options.ts"
import { PageAgent } from "./page-agent.ts"
import { gathered } from "./page-runs.ts"

const NOW = virtualTime(0)
const HOME = actorId("memory.0")
const OWNER = actorId("node.1")
const READER = actorId("node.0")

function agentAt(node: number): PageAgent {
  return new PageAgent({
    space: "a",
    node,
    nodes: 2,
    memory: { read: () => new Uint8Array(4096), write: () => undefined, setRights: () => undefined },
    homeOf: () => HOME,
    nodeActor: (number) => actorId(`node.${number}`),
    retryCycles: 1_000,
    pinCycles: 1_000,
    onChange: () => undefined,
    onResult: () => undefined,
    text: { encode: (bytes) => bytes, decode: () => new Uint8Array(0) },
  })
}

function fetches(pages: number): PagesRun {
  const numbers = Array.from({ length: pages }, (_, page) => [page, 1, 1, 0, 0]).flat()
  return { kind: "PagesRun", space: "a", epoch: 1, node: 0, of: "PageFetch", numbers }
}

/** Runs of pages that the owner answers so many requests with. */
function answered(owner: PageAgent, pages: number): readonly PagesRun[] {
  const out: Effect<AgentSays>[] = []
  owner.hearAny(NOW, HOME, fetches(pages), out)
  return gathered(out, (to) => owner.runs.of(to)).flatMap((effect) =>
    effect.kind === "send" && effect.body.kind === "PagesRun" ? [effect.body] : [],
  )
}

const sizes = (runs: readonly PagesRun[]): readonly number[] => runs.map(({ numbers }) => numbers.length / 7)

/** What the reader says to the owner about a run. */
function said(reader: PageAgent, run: PagesRun): readonly (PageMessage | AgentSays)[] {
  const out: Effect<AgentSays>[] = []
  reader.hearAny(NOW, OWNER, run, out)
  return out.flatMap((effect) => (effect.kind === "send" && effect.to === OWNER ? [effect.body] : []))
}

describe("how many pages go in one message", () => {
  it("is sixteen until the other node has said that it takes more, which it says when it gets so many", () => {
    const [owner, reader] = [agentAt(1), agentAt(0)]
    const first = answered(owner, 48)
    expect(sizes(first)).toEqual([16, 16, 16])
    const [told] = first.flatMap((run) => said(reader, run))
    expect(told).toEqual({ kind: "PagesTake", space: "a", pages: RUN_PAGES_MAX.bytes })
    owner.hearAny(NOW, READER, told as Extract<AgentSays, { kind: "PagesTake" }>, [])
    const later = answered(owner, 48)
    expect(sizes(later)).toEqual([32, 16])
    expect(said(reader, later[0] as PagesRun)).toEqual([])
  })

  it("is said to all other nodes with the first request, once", () => {
    const reader = agentAt(0)
    const asked = [5, 6].map((page) => {
      const out: Effect<AgentSays>[] = []
      reader.access(NOW, { page, write: false }, out)
      return out.flatMap((effect) => (effect.kind === "send" ? [`${effect.to} ${effect.body.kind}`] : []))
    })
    expect(asked).toEqual([[`${OWNER} PagesTake`, `${HOME} PageGetS`], [`${HOME} PageGetS`]])
  })

  it("is told a few times and no more to one that goes on sending sixteen, since it may be from before", () => {
    const [owner, reader] = [agentAt(1), agentAt(0)]
    const [run] = answered(owner, 16)
    const told = Array.from({ length: 40 }, () => said(reader, run as PagesRun)).flat()
    expect(told.length).toBeGreaterThan(1)
    expect(told.length).toBeLessThan(10)
  })

  it("is never more than this program reads, whatever is said", () => {
    const owner = agentAt(1)
    owner.hearAny(NOW, READER, { kind: "PagesTake", space: "a", pages: 1_000 }, [])
    expect(sizes(answered(owner, 64))).toEqual([32, 32])
  })
})

import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { describe, expect, it } from "vitest"
import type { AgentSays } from "./agent-options.ts"
import { PageAgent } from "./page-agent.ts"
import { gathered } from "./page-runs.ts"

const NOW = virtualTime(0)
const PAGE = new Uint8Array(4096)

function agentOf(ahead: number): PageAgent {
  return new PageAgent({
    space: "a",
    node: 0,
    nodes: 2,
    memory: { read: () => PAGE.slice(), write: () => undefined, setRights: () => undefined },
    homeOf: (page) => actorId(`memory.${page % 2}`),
    nodeActor: (number) => actorId(`node.${number}`),
    retryCycles: 1_000,
    pinCycles: 1_000,
    onChange: () => undefined,
    onResult: () => undefined,
    walkPages: { ahead, pages: 1_000, when: "if-free" },
  })
}

/** In one step somebody misses on each of the pages. */
function missed(agent: PageAgent, pages: readonly number[], write = false): Effect<AgentSays>[] {
  const out: Effect<AgentSays>[] = []
  for (const page of pages) agent.access(NOW, { page, write }, out)
  return out
}

function opened(effects: readonly Effect<AgentSays>[]): readonly string[] {
  return effects.flatMap((effect) => (effect.kind === "span" && effect.op === "open" ? [effect.key] : []))
}

function arrival(agent: PageAgent, page: number): readonly string[] {
  const out: Effect<AgentSays>[] = []
  const about = { space: "a", page, epoch: 1, node: 0, txn: 1, serial: 1, acks: 0, version: 0, home: 1 }
  agent.hear(NOW, { ...about, kind: "PageData", want: "S", bytes: PAGE }, out)
  return out.flatMap((effect) => (effect.kind === "span" && effect.op === "close" ? [effect.key] : []))
}

describe("what harts miss in one step", () => {
  it("is one trace, so that each home is asked in one message", () => {
    const agent = agentOf(4)
    const effects = missed(agent, [10, 30, 50, 70, 91])
    expect(opened(effects)).toEqual(["page/a/10"])
    const asked = gathered(effects).flatMap((effect) => (effect.kind === "send" ? [[effect.to, effect.body.kind, effect.span]] : []))
    expect(asked).toEqual([["memory.0", "PagesRun", "page/a/10"], ["memory.1", "PageGetS", "page/a/10"]]) // prettier-ignore
    // Its span ends with the page that it was opened for.
    expect([arrival(agent, 30), arrival(agent, 10), arrival(agent, 50)]).toEqual([[], ["page/a/10"], []])
  })

  it("is a trace each where some read and some write, and in the next step", () => {
    const agent = agentOf(4)
    const out: Effect<AgentSays>[] = []
    for (const [page, write] of [[10, false], [20, true], [30, true]] as const) agent.access(NOW, { page, write }, out) // prettier-ignore
    expect(opened(out)).toEqual(["page/a/10", "page/a/20"])
    expect(opened(missed(agent, [40]))).toEqual(["page/a/40"])
  })

  it("asks for what comes next once a home, each page once", () => {
    const wanted = missed(agentOf(16), [0, 1, 2, 3, 100, 101, 102, 103]).flatMap((effect) =>
      effect.kind === "send" && effect.body.kind === "PagesWanted" ? [[effect.to, effect.body.pages]] : [],
    )
    expect(wanted).toEqual([
      ["memory.1", [3, 5, 103, 105]],
      ["memory.0", [4, 6, 104, 106]],
    ])
  })

  it("is not read ahead of while as many pages are under way: the harts read ahead of each other", () => {
    const agent = agentOf(8)
    const isWanted = (effects: readonly Effect<AgentSays>[]): boolean =>
      effects.some((effect) => effect.kind === "send" && effect.body.kind === "PagesWanted")
    missed(agent, [100, 110, 120, 130])
    expect(isWanted(missed(agent, [0, 1, 2, 3, 4, 5]))).toBe(false)
    for (const page of [100, 110, 120, 130, 0, 1, 2, 3, 4, 5]) arrival(agent, page)
    expect(isWanted(missed(agent, [6, 7, 8, 9]))).toBe(true)
  })
})

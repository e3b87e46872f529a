import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { PageMessage } from "@backplane/memory-contract/coherence-messages"
import { describe, expect, it } from "vitest"
import type { AgentSays } from "./agent-options.ts"
import { PageAgent } from "./page-agent.ts"

const NOW = virtualTime(0)
const PAGE = new Uint8Array(4096)

interface Node {
  readonly agent: PageAgent
  /** What it says when this is done. */
  said(act: (out: Effect<AgentSays>[]) => void): readonly string[]
  /** Page `number` comes, as the answer to the request of this number. */
  data(number: number, serial: number): readonly string[]
}

function node(): Node {
  const agent = new PageAgent({
    space: "a",
    node: 0,
    nodes: 2,
    memory: { read: () => PAGE.slice(), write: () => undefined, setRights: () => undefined },
    homeOf: () => actorId("memory.0"),
    nodeActor: (number) => actorId(`node.${number}`),
    retryCycles: 1_000,
    pinCycles: 1_000,
    onChange: () => undefined,
    onResult: () => undefined,
    walkPages: { ahead: 4, pages: 6, when: "at-once" },
  })
  const said: Node["said"] = (act) => {
    const out: Effect<AgentSays>[] = []
    act(out)
    return out.flatMap((effect) => (effect.kind === "send" ? [`${effect.body.kind} ${"page" in effect.body ? effect.body.page : ""}`] : []))
  }
  const data: Node["data"] = (page, serial) => {
    const about = { space: "a", page, epoch: 1, node: 0, txn: 1, serial, acks: 0, version: 0, home: 1 }
    const body: PageMessage = { ...about, kind: "PageData", want: "E", bytes: PAGE }
    return said((out) => {
      agent.hear(NOW, body, out)
    })
  }
  return { agent, said, data }
}

describe("a node whose CPU goes through its pages", () => {
  it("asks for the next ones of the memory with the one that is waited for, and holds on to none of them", () => {
    const { agent, said, data } = node()
    const load = (page: number): readonly string[] => said((out) => agent.access(NOW, { page, write: false }, out))
    expect([load(0), data(0, 1), load(1), data(1, 1)]).toEqual([["PageGetS 0"], ["PageUnblock 0"], ["PageGetS 1"], ["PageUnblock 1"]])
    expect(load(2)).toEqual(["PageGetS 2", "PageGetS 3", "PageGetS 4", "PageGetS 5"])
    const take = (page: number): readonly string[] => {
      const about = { space: "a", page, epoch: 1, home: 1, serial: 2, to: 0, node: 1, txn: 9, acks: 0 }
      return said((out) => {
        agent.hear(NOW, { ...about, kind: "PageFwdM" }, out)
      })
    }
    data(2, 1)
    data(3, 1)
    // Somebody waits for it by now: it is held until the instruction has retired.
    expect(load(4)).toEqual([])
    data(4, 1)
    expect([take(2), take(3), take(4)]).toEqual([[], ["PageData 3"], []])
    expect(said((out) => agent.retired(NOW, [2, 4], out))).toEqual(["PageData 2", "PageData 4"])
  })
})

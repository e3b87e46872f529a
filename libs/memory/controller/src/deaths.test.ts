import { expect, it } from "vitest"
import type { Effect } from "@backplane/foundation-actor/machine"
import type { NodeGone } from "@backplane/memory-contract/memory-messages"
import { memoryController } from "@backplane/scenario-machine/topology"
import { Deaths } from "./deaths.ts"

it("a death is told to each other controller until it has said that it knows; a later one anew", () => {
  const deaths = new Deaths(3)
  const tell = (incarnation: number): readonly string[] => {
    const out: Effect<NodeGone>[] = []
    const known = deaths.tell({ kind: "NodeGone", node: 1, incarnation }, out)
    return [...out.flatMap((effect) => (effect.kind === "send" ? [effect.to as string] : [])), known ? "known" : "not yet"]
  }
  const seen = (controller: number, incarnation: number): void => {
    deaths.onSeen(memoryController(controller), { kind: "NodeGoneSeen", node: 1, incarnation })
  }
  expect(tell(1)).toEqual(["memory.1", "memory.2", "not yet"])
  seen(1, 1)
  expect(tell(1)).toEqual(["memory.2", "not yet"])
  seen(2, 1)
  expect(tell(1)).toEqual(["known"])
  expect(tell(2)).toEqual(["memory.1", "memory.2", "not yet"])
})

it("the only controller has nobody to tell", () => {
  expect(new Deaths(1).tell({ kind: "NodeGone", node: 1, incarnation: 1 }, [])).toBe(true)
})

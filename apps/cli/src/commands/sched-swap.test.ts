/** How `sched swap` and `sched compare --live` wait for a policy. */
import type { Json } from "@backplane/foundation-base/json"
import { describe, expect, it } from "vitest"
import { CommandFailure } from "../failure.ts"
import { taken } from "./sched-swap.ts"

/** Answers one after the other; the last again and again. */
function nodes(...answers: readonly (Json | CommandFailure)[]): { inspect(): Promise<Json> } {
  let next = 0
  return {
    inspect: () => {
      const answer = answers[Math.min(next++, answers.length - 1)] ?? null
      return answer instanceof CommandFailure ? Promise.reject(answer) : Promise.resolve(answer)
    },
  }
}

describe("a policy has been taken", () => {
  // `sched compare --live` on a busy computer: the machine was made, its hypervisor had accepted the swap, and the node was not hosted yet.
  it("when the node says so, which may not be there at first", async () => {
    const notYet = new CommandFailure("refused", "/actor: node.0 of bench-imbalance is not hosted here")
    expect(await taken(nodes(notYet, null, { epoch: 1 }, { epoch: 3 }), "bench-imbalance", 2)).toBe(3)
  })

  it("never by a machine that is gone", async () => {
    const gone = new CommandFailure("refused", "machine: there is no machine bench-imbalance")
    await expect(taken(nodes({ epoch: 1 }, gone), "bench-imbalance", 2)).rejects.toThrow("there is no machine")
  })
})

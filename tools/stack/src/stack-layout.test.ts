/** What is checked before a stack takes anything. */
import { describe, expect, it } from "vitest"
import { parseInvocation } from "./options.ts"
import { checkUp } from "./stack-layout.ts"

describe("before a stack starts", () => {
  it("the programs of its services are there, whatever Node is told before their name", async () => {
    const { plans } = await checkUp(parseInvocation(["up", "--scenario", "none"]).up)
    expect(plans.find(({ name }) => name === "kv-shard-0")?.command.filter((word) => word.startsWith("--"))).not.toEqual([])
  })
})

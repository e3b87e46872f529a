import { Value } from "typebox/value"
import { describe, expect, it } from "vitest"
import { kvMessages } from "@backplane/kv-contract/kv-messages"
import { runKvWorld } from "./kv-world.ts"

/** As a bus would carry it: checked against the contract, and through JSON text. */
function carry(body: { readonly kind: string }): { readonly kind: string } {
  const schema = kvMessages[body.kind as keyof typeof kvMessages]
  if (!Value.Check(schema, body))
    throw new Error(
      `breaks the contract: ${JSON.stringify([...Value.Errors(schema, body)].slice(0, 3))} in ${JSON.stringify(body).slice(0, 500)}`,
    )
  return JSON.parse(JSON.stringify(body)) as { readonly kind: string }
}

describe("all that clients and replicas say", () => {
  it("keeps the contract and survives the wire, under drawn faults", () => {
    for (const seed of [2, 12, 27]) {
      const run = runKvWorld(seed, { carry, cycles: 20_000_000 })
      expect(run.history.length).toBeGreaterThan(20)
    }
  })
})

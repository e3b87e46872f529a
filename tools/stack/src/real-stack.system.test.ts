/** The services of the built-in table really come up, come back after a kill, and go in order; as processes of their own and co-located. */
import { afterEach, describe, expect, it } from "vitest"
import { findNatsServer } from "../nats-server-lookup.mjs"
import { StackUnderTest, until } from "./fake/stack-under-test.ts"

const { NATS_URL: _, ...environment } = process.env
const kind = findNatsServer(environment).kind
/** A busy computer may take its time; nothing here measures it. */
const PATIENCE = { BACKPLANE_START_SECONDS: "60" }
const DEADLINE_MS = 120_000

describe.skipIf(kind !== "program")("the real stack (needs the nats-server program)", () => {
  let stack = new StackUnderTest()
  afterEach(async () => await stack.dispose())

  it(
    "is ready with two nodes, survives the death of one, and ends with nothing left",
    async () => {
      stack = new StackUnderTest({}, PATIENCE)
      expect(await stack.upReal()).toMatchObject({ code: 0, output: expect.stringContaining("ready: 11 processes") })
      const killed = stack.pidOf("numa-node-1")
      expect(await stack.run("kill", "numa-node-1")).toMatchObject({ code: 0 })
      await until(() => stack.state()?.processes.every((each) => each.phase === "ready" && each.pid !== killed) === true, 3_000)
      const answer = await fetch(`${stack.state()?.http.url}/readyz`)
      expect(answer.status).toBe(200)
      expect(await stack.run("down")).toMatchObject({ code: 0 })
      expect(stack.survivors()).toEqual([])
    },
    DEADLINE_MS,
  )

  it(
    "is ready in three processes when co-located",
    async () => {
      stack = new StackUnderTest({}, PATIENCE)
      expect(await stack.upReal("--colocate", "--count", "numa-node=4")).toMatchObject({
        code: 0,
        output: expect.stringContaining("ready: 3 processes"),
      })
      expect(stack.state()?.processes.find((each) => each.name === "colocated-0")?.services).toContain("numa-node-3")
      expect(await stack.run("down")).toMatchObject({ code: 0 })
      expect(stack.survivors()).toEqual([])
    },
    DEADLINE_MS,
  )
})

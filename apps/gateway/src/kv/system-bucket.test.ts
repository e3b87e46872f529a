/** The store's own bucket can be read by keys, and not written: a register there says who the store is. */
import { SYSTEM_BUCKET } from "@backplane/kv-contract/store-config"
import type { Operation } from "@backplane/kv-contract/client-messages"
import { Hono } from "hono"
import { expect, it } from "vitest"
import { Problem, problemResponse } from "../problem.ts"
import { keyRoutes } from "./routes-keys.ts"
import type { StoreDoor } from "./store-door.ts"

const asked: Operation[] = []
const door = {
  access: { anonymous: ["read", "write"], tokens: new Map() },
  ask: (_: unknown, operation: Operation) => {
    asked.push(operation)
    return Promise.resolve({ sequence: 1, ok: true, values: ["v"], context: {} })
  },
} as unknown as StoreDoor
const app = new Hono().route("/", keyRoutes(door)).onError((error) => {
  if (error instanceof Problem) return problemResponse(error)
  throw error
})

it.each([
  ["PUT", "text"],
  ["DELETE", undefined],
  ["POST", '{"expect":"v","value":"{\\"epoch\\":1000000}"}'],
  ["POST", '{"add":1}'],
])("%s %j is refused with what to do instead, and nobody is asked", async (method, body) => {
  asked.length = 0
  for (const name of [SYSTEM_BUCKET, encodeURIComponent(SYSTEM_BUCKET).replace("s", "%73")]) {
    const response = await app.request(`/v1/kv/${name}/store`, { method, ...(body !== undefined && { body }) })
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({ field: "bucket", remedy: expect.stringContaining("/v1/store/members") as string })
  }
  expect(asked).toEqual([])
})

it("a read goes through, as does a write to any other bucket", async () => {
  asked.length = 0
  expect((await app.request(`/v1/kv/${SYSTEM_BUCKET}/store`)).status).toBe(200)
  expect((await app.request("/v1/kv/systems/store", { method: "PUT", body: "x" })).status).toBe(200)
  expect(asked.map(({ type, bucket }) => [type, bucket])).toEqual([
    ["get", "system"],
    ["put", "systems"],
  ])
})

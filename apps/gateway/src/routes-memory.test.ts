/** Shared memory over HTTP: what is asked of the memory controller, and each way in which it is refused. */
import type { Json } from "@backplane/foundation-base/json"
import { describe, expect, it } from "vitest"
import { parseTokens, type Access } from "./access.ts"
import { NoAnswer, type Operator, type OperatorAnswer } from "./operator.ts"
import { Problem, problemResponse } from "./problem.ts"
import { memoryRoutes } from "./routes-memory.ts"

const TOKEN = "operator-0123456789"
const ACCESS: Access = { anonymous: ["read"], tokens: parseTokens(`${TOKEN}=read+operate`) }
const nobody = (): Promise<OperatorAnswer> => Promise.reject(new Error("nobody asks"))

/** `answers`: one of each memory controller; null: none answers. */
function setup(...answers: readonly (Record<string, Json> | null)[]): {
  readonly asked: Readonly<Record<string, Json>>[]
  request(method: string, path: string, body?: string, token?: string): Promise<Response>
} {
  const asked: Readonly<Record<string, Json>>[] = []
  const operator: Operator = {
    askStack: nobody,
    askHypervisor: nobody,
    askMemory: (machine, ask, index) => {
      asked.push({ machine, ...ask, ...(index > 0 && { index }) })
      const answer = answers[index] ?? null
      return answer === null ? Promise.reject(new NoAnswer("the memory controller of demo does not answer")) : Promise.resolve(answer)
    },
  }
  const app = memoryRoutes(() => operator, ACCESS)
  app.onError((error) => {
    if (error instanceof Problem) return problemResponse(error)
    throw error
  })
  return {
    asked,
    request: async (method, path, body, token = TOKEN) =>
      app.request(path, { method, headers: token === "" ? {} : { authorization: `Bearer ${token}` }, ...(body !== undefined && { body }) }),
  }
}

const DONE = {
  answer: "done",
  incarnation: 1,
  controllers: 1,
  store: null,
  nodes: [{ node: 0 }],
  spaces: [{ space: "a" }],
  pages: [{ page: 3 }],
  next: null,
}

describe("shared memory over HTTP", () => {
  it("shows frames and spaces, and the pages of one space from a number on", async () => {
    const { asked, request } = setup(DONE)
    expect(await (await request("GET", "/v1/machines/demo/memory", undefined, "")).json()).toEqual({
      incarnation: 1,
      nodes: [{ node: 0 }],
      spaces: [{ space: "a" }],
    })
    expect(await (await request("GET", "/v1/machines/demo/memory/a?from=512", undefined, "")).json()).toEqual({
      space: { space: "a" },
      pages: [{ page: 3 }],
      next: null,
    })
    expect(asked).toEqual([
      { machine: "demo", kind: "MemoryMapAsk" },
      { machine: "demo", kind: "MemoryMapAsk", space: "a", from: 512 },
    ])
  })

  it("joins what several controllers tell, and asks the one that is home to a page", async () => {
    const part = (pages: readonly number[], next: number | null): Record<string, Json> => ({
      ...{ ...DONE, controllers: 2, nodes: [], spaces: [], next },
      pages: pages.map((page) => ({ page })),
    })
    const refused = { ...part([], null), answer: "refused", reason: "nobody has touched page 65 of a" }
    const both = setup(part([0, 1, 130], 131), part([64, 65, 190], null))
    expect(await (await both.request("GET", "/v1/machines/demo/memory/a", undefined, "")).json()).toEqual({
      space: null,
      pages: [0, 1, 64, 65, 130].map((page) => ({ page })),
      next: 131,
    })
    const { asked, request } = setup(refused, part([1], null))
    const response = await request("POST", "/v1/machines/demo/memory/a/1/migrate", `{"to":1}`)
    expect([response.status, await response.json()]).toEqual([200, { pages: [{ page: 1 }] }])
    expect(asked.map(({ index }) => index)).toEqual([undefined, 1])
  })

  it("moves and copies a page for who may operate, nobody else", async () => {
    const { asked, request } = setup(DONE)
    expect((await request("POST", "/v1/machines/demo/memory/a/3/migrate", `{"to":1}`, "")).status).toBe(401)
    expect((await request("POST", "/v1/machines/demo/memory/a/3/migrate", `{"to":1}`)).status).toBe(200)
    expect((await request("POST", "/v1/machines/demo/memory/a/3/replicate", `{"on":[0,2]}`)).status).toBe(200)
    expect(asked).toEqual([
      { machine: "demo", kind: "MemoryMoveAsk", space: "a", page: 3, to: 1 },
      { machine: "demo", kind: "MemoryReplicateAsk", space: "a", page: 3, on: [0, 2] },
    ])
  })

  it.each([
    { path: "a/x/migrate", body: `{"to":1}`, field: "page" },
    { path: "a/3/migrate", body: `{}`, field: "to" },
    { path: "a/3/migrate", body: `[`, field: "body" },
    { path: "a/3/replicate", body: `{"on":[]}`, field: "on" },
  ])("names the field that is wrong: $field of $path", async ({ path, body, field }) => {
    const response = await setup(DONE).request("POST", `/v1/machines/demo/memory/${path}`, body)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ field })
  })

  it("says why the controller refuses, and that it is silent", async () => {
    const refused = await setup({ answer: "refused", reason: "there is no live node 7", controllers: 1 }).request(
      "POST",
      "/v1/machines/demo/memory/a/3/migrate",
      `{"to":7}`,
    )
    expect(refused.status).toBe(409)
    expect(await refused.json()).toMatchObject({ detail: "there is no live node 7", field: "page" })
    const unknown = await setup({ answer: "refused", reason: "there is no space a", controllers: 1 }).request(
      "GET",
      "/v1/machines/demo/memory/a",
    )
    expect(await unknown.json()).toMatchObject({ status: 409, field: "space" })
    expect((await setup(null).request("GET", "/v1/machines/demo/memory")).status).toBe(504)
  })
})

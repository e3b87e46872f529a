/** What an operator may do over HTTP, and each way in which it is refused. */
import type { Json } from "@backplane/foundation-base/json"
import { describe, expect, it } from "vitest"
import { parseTokens, type Access } from "./access.ts"
import { NoAnswer, type Operator } from "./operator.ts"
import { Problem, problemResponse } from "./problem.ts"
import { operatorRoutes } from "./routes-operator.ts"

const TOKEN = "operator-0123456789"
const ACCESS: Access = { anonymous: ["read"], tokens: parseTokens(`${TOKEN}=read+operate`) }

function setup(answers: { readonly stack?: Record<string, Json>; readonly hypervisor?: Record<string, Json> | null }): {
  readonly asked: Readonly<Record<string, Json>>[]
  request(method: string, path: string, body?: unknown, token?: string): Promise<Response>
} {
  const asked: Readonly<Record<string, Json>>[] = []
  const operator: Operator = {
    askStack: (request) => (asked.push(request), Promise.resolve(answers.stack ?? { ok: true, processes: [] })),
    askMemory: () => Promise.reject(new Error("nobody asks")),
    askHypervisor: (machine, ask) => {
      asked.push({ machine, ...ask })
      if (answers.hypervisor === null) return Promise.reject(new NoAnswer(`the hypervisor of ${machine} does not answer`))
      return Promise.resolve(answers.hypervisor ?? { state: "begun", epoch: 2 })
    },
  }
  const app = operatorRoutes(() => operator, ACCESS)
  app.onError((error) => {
    if (error instanceof Problem) return problemResponse(error)
    throw error
  })
  return {
    asked,
    request: async (method, path, body, token = TOKEN) =>
      app.request(path, {
        method,
        headers: { "content-type": "application/json", ...(token === "" ? {} : { authorization: `Bearer ${token}` }) },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      }),
  }
}

describe("the operator's routes", () => {
  it("let another policy take over", async () => {
    const { request, asked } = setup({})
    const answer = await request("PUT", "/v1/machines/demo/policy", { policy: "eevdf" })
    expect(answer.status).toBe(202)
    expect(await answer.json()).toEqual({ machine: "demo", policy: "eevdf", epoch: 2 })
    expect(asked).toEqual([{ machine: "demo", kind: "SwapAsk", policy: "eevdf" }])
  })

  it("let a policy show first, or only, what it would do, and take over some CPUs", async () => {
    const { request, asked } = setup({})
    await request("PUT", "/v1/machines/demo/policy", { policy: "eevdf", shadowSlices: 50, shadowOnly: true })
    await request("PUT", "/v1/machines/demo/policy", { policy: "rr", cpus: [2, 3] })
    expect(asked).toEqual([
      { machine: "demo", kind: "SwapAsk", policy: "eevdf", shadowSlices: 50, shadowOnly: true },
      { machine: "demo", kind: "SwapAsk", policy: "rr", cpus: [2, 3] },
    ])
  })

  it.each([
    ["shadowSlices", { policy: "rr", shadowSlices: 0 }],
    ["shadowOnly", { policy: "rr", shadowOnly: true }],
    ["cpus", { policy: "rr", cpus: [] }],
    ["cpus", { policy: "rr", cpus: "2" }],
  ])("refuse a wrong %s", async (field, body) => {
    const { request, asked } = setup({})
    const answer = await request("PUT", "/v1/machines/demo/policy", body)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ field })
    expect(asked).toEqual([])
  })

  it("say why a policy was refused", async () => {
    const { request } = setup({ hypervisor: { state: "refused", reason: "there is no policy best", epoch: 0 } })
    const answer = await request("PUT", "/v1/machines/demo/policy", { policy: "best" })
    expect(answer.status).toBe(409)
    expect(await answer.json()).toMatchObject({ detail: "there is no policy best", field: "policy" })
  })

  it("say which CPUs there are not", async () => {
    const { request } = setup({ hypervisor: { state: "refused", reason: "cpus: there is no CPU 99; there are 0 to 3", epoch: 0 } })
    const answer = await request("PUT", "/v1/machines/demo/policy", { policy: "rr", cpus: [99] })
    expect(await answer.json()).toMatchObject({ status: 409, field: "cpus", detail: "there is no CPU 99; there are 0 to 3" })
  })

  it.each([["no json"], [{}], [{ policy: 3 }], [[]]])("refuse the body %j by its field", async (body) => {
    const { request, asked } = setup({})
    const answer = await request("PUT", "/v1/machines/demo/policy", body)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ field: "policy" })
    expect(asked).toEqual([])
  })

  it("kill a process through the supervisor", async () => {
    const { request, asked } = setup({ stack: { ok: true, processes: [{ name: "numa-node-1" }] } })
    const answer = await request("POST", "/v1/processes/numa-node-1/kill")
    expect(await answer.json()).toMatchObject({ process: "numa-node-1", action: "kill", processes: [{ name: "numa-node-1" }] })
    expect(asked).toEqual([{ op: "power", process: "numa-node-1", action: "kill" }])
  })

  it("name a process that there is not, and an action that there is not", async () => {
    const { request } = setup({ stack: { ok: false, field: "/process", reason: "one of numa-node-0" } })
    expect(await (await request("POST", "/v1/processes/none/kill")).json()).toMatchObject({ status: 400, field: "process" })
    expect((await request("POST", "/v1/processes/numa-node-0/melt")).status).toBe(404)
  })

  it("act for nobody without the token, and nothing is asked", async () => {
    const { request, asked } = setup({})
    expect((await request("POST", "/v1/processes/numa-node-1/kill", undefined, "")).status).toBe(401)
    expect((await request("PUT", "/v1/machines/demo/policy", { policy: "rr" }, "")).status).toBe(401)
    expect(asked).toEqual([])
    expect((await request("GET", "/v1/processes", undefined, "")).status).toBe(200)
  })

  it("a silent hypervisor is a 504 that names it", async () => {
    const { request } = setup({ hypervisor: null })
    const answer = await request("PUT", "/v1/machines/gone/policy", { policy: "rr" })
    expect(answer.status).toBe(504)
    expect(await answer.json()).toMatchObject({ detail: "the hypervisor of gone does not answer" })
  })
})

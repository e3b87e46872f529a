/** Comparisons over HTTP: what is asked of the simulator, and each way in which it is refused. */
import type { Json } from "@backplane/foundation-base/json"
import { describe, expect, it } from "vitest"
import { parseTokens, type Access } from "./access.ts"
import { Problem, problemResponse } from "./problem.ts"
import { scoreboardRoutes } from "./routes-scoreboard.ts"
import { ScoreboardFailure, simulate, type Simulate } from "./scoreboard.ts"

const TOKEN = "operator-0123456789"
const ACCESS: Access = { anonymous: ["read"], tokens: parseTokens(`${TOKEN}=read+operate`) }
const WISH = { policies: ["mqms", "mqms-steal@5"], workload: "ostep", seeds: 2 }

function setup(run: Simulate): { compare(body: unknown, token?: string): Promise<Response>; workloads(): Promise<Response> } {
  const app = scoreboardRoutes(run, ACCESS)
  app.onError((error) => {
    if (error instanceof Problem) return problemResponse(error)
    throw error
  })
  return {
    compare: async (body, token = TOKEN) =>
      app.request("/v1/scoreboard", {
        method: "POST",
        headers: { "content-type": "application/json", ...(token === "" ? {} : { authorization: `Bearer ${token}` }) },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    workloads: async () => app.request("/v1/scoreboard/workloads"),
  }
}

describe("the scoreboard's routes", () => {
  it("run the simulator's own comparison", async () => {
    const { compare, workloads } = setup(simulate)
    const list = (await (await workloads()).json()) as { workloads: { name: string }[] }
    expect(list.workloads.map(({ name }) => name)).toContain("ostep")
    const { boards } = (await (await compare({ policies: ["mqms"], workload: "weights", seeds: 1 })).json()) as {
      boards: { scores: { contender: string }[]; measures: { name: string; better: string }[] }[]
    }
    expect(boards[0]?.scores.map(({ contender }) => contender)).toEqual(["fallback", "mqms"])
    expect(boards[0]?.measures[0]).toEqual({ name: "lag", unit: "ticks", better: "less" })
    const refused = await compare({ policies: ["nope"], workload: "ostep", seeds: 1 })
    expect(await refused.json()).toMatchObject({
      status: 400,
      field: "policies",
      detail: expect.stringMatching(/^there is no policy nope/),
    })
  })

  it("run one at a time", async () => {
    let finish: (value: Json) => void = () => undefined
    const asked: (readonly string[])[] = []
    const { compare } = setup((args) => (asked.push(args), new Promise((resolve) => (finish = resolve))))
    const first = compare(WISH)
    await new Promise((resolve) => setTimeout(resolve))
    expect((await compare(WISH)).status).toBe(429)
    finish({ boards: [] })
    expect((await first).status).toBe(200)
    expect(asked).toEqual([["sched-compare", "--policies", "mqms,mqms-steal@5", "--workloads", "ostep", "--seeds", "2", "--json"]])
    const again = compare(WISH)
    await new Promise((resolve) => setTimeout(resolve))
    finish({ boards: [] })
    expect((await again).status).toBe(200)
  })

  it("need the operator's token, say what failed, and keep no failure of the list", async () => {
    let fails = true
    const { compare, workloads } = setup(() =>
      fails ? Promise.reject(new ScoreboardFailure("the simulator cannot be started", false)) : Promise.resolve({ workloads: [] }),
    )
    expect((await compare(WISH, "")).status).toBe(401)
    expect((await workloads()).status).toBe(503)
    expect(await (await compare(WISH)).json()).toMatchObject({ status: 503, detail: "the simulator cannot be started" })
    fails = false
    expect((await workloads()).status).toBe(200)
  })

  it.each([
    ["body", "{"],
    ["policies", { ...WISH, policies: [] }],
    ["policies", { ...WISH, policies: ["rr", "--svg"] }],
    ["policies", { ...WISH, policies: Array.from({ length: 7 }, () => "rr") }],
    ["workload", { ...WISH, workload: "a b" }],
    ["seeds", { ...WISH, seeds: 11 }],
  ])("refuse a wrong %s", async (field, body) => {
    const { compare } = setup(() => Promise.reject(new Error("nobody asks")))
    const answer = await compare(body)
    expect([answer.status, ((await answer.json()) as { field: string }).field]).toEqual([400, field])
  })
})

/** Virtual machines over HTTP: lives, a console that goes on where it broke, and each way in which a request is refused. */
import type { Json } from "@backplane/foundation-base/json"
import { describe, expect, it } from "vitest"
import { parseTokens, type Access } from "./access.ts"
import type { Operator, OperatorAnswer } from "./operator.ts"
import { Problem, problemResponse } from "./problem.ts"
import { vmRoutes } from "./routes-vms.ts"

const TOKEN = "operator-0123456789"
const ACCESS: Access = { anonymous: ["read"], tokens: parseTokens(`${TOKEN}=read+operate`) }
const AUTHORISED = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" }

function setup(answer: (ask: Readonly<Record<string, Json>>) => OperatorAnswer): {
  readonly asked: Readonly<Record<string, Json>>[]
  readonly app: ReturnType<typeof vmRoutes>
} {
  const asked: Readonly<Record<string, Json>>[] = []
  const operator: Operator = {
    askStack: () => Promise.reject(new Error("not asked here")),
    askMemory: () => Promise.reject(new Error("nobody asks")),
    askHypervisor: (machine, ask) => {
      asked.push({ machine, ...ask })
      return Promise.resolve(answer(ask))
    },
  }
  const app = vmRoutes(() => operator, ACCESS)
  app.onError((error) => {
    if (error instanceof Problem) return problemResponse(error)
    throw error
  })
  return { asked, app }
}

/** The first `count` events of a stream, which is then left. */
async function eventsOf(response: Response, count: number): Promise<readonly unknown[]> {
  const reader = response.body?.getReader()
  if (reader === undefined) throw new Error("no body")
  let text = ""
  while (text.split("\n\n").length <= count) text += new TextDecoder().decode((await reader.read()).value)
  await reader.cancel()
  return text
    .split("\n\n")
    .slice(0, count)
    .map((event) => JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? "null") as unknown)
}

describe("virtual machines over HTTP", () => {
  it("are listed, and told what to do", async () => {
    const { app, asked } = setup((ask) =>
      ask["kind"] === "VmListAsk" ? { vms: [{ state: "running" }] } : { answer: "begun", reason: "", vms: [{ state: "paused" }] },
    )
    expect(await (await app.request("/v1/machines/demo/vms")).json()).toEqual({ vms: [{ state: "running" }] })
    const paused = await app.request("/v1/machines/demo/vms/a/pause", { method: "POST", headers: AUTHORISED })
    expect(paused.status).toBe(202)
    expect(await paused.json()).toEqual({ vm: { state: "paused" } })
    expect(asked.at(-1)).toEqual({ machine: "demo", kind: "VmControlAsk", vm: "a", operation: "pause" })
  })

  it("are described as in a scenario, with images by hash and disks in the store by name", async () => {
    const { app, asked } = setup(() => ({ answer: "begun", reason: "", vms: [{ state: "placing" }] }))
    const put = (body: object): Response | Promise<Response> =>
      app.request("/v1/machines/demo/vms/a?start=false", { method: "PUT", headers: AUTHORISED, body: JSON.stringify(body) })
    const kernel = { hash: "0".repeat(64), bytes: 12 }
    expect((await put({ kernel, disk: "kv:data", virtioRng: "seed" })).status).toBe(202)
    expect(asked.at(-1)).toMatchObject({
      machine: "demo",
      kind: "VmCreateAsk",
      start: false,
      spec: { name: "a", kernel, disk: { volume: "data" }, virtioRng: "seed", cpus: 1 },
    })
    const before = asked.length
    for (const [body, field] of [
      [{ kernel: "file.bin" }, "vm.kernel"],
      [{ kernel, disk: "kv:No name" }, "vm.disk"],
      [{ kernel, cpus: 99 }, "cpus"],
      [{}, "kernel"],
      [{ kernel, colour: 1 }, "colour"],
    ] as const) {
      const refused = await put(body)
      expect([refused.status, ((await refused.json()) as { field: string }).field]).toEqual([400, field])
    }
    expect(asked.length).toBe(before)
  })

  it("move to the node that is said, by its number", async () => {
    const { app, asked } = setup(() => ({ answer: "begun", reason: "", vms: [{ state: "moving" }] }))
    const move = (body: string) => app.request("/v1/machines/demo/vms/a/move", { method: "POST", headers: AUTHORISED, body })
    expect(await (await move('{"to":1}')).json()).toEqual({ vm: { state: "moving" } })
    expect(asked).toEqual([{ machine: "demo", kind: "VmMoveAsk", vm: "a", to: 1 }])
    for (const wrong of ["", "{}", '{"to":"1"}', '{"to":-1}', '{"to":64}', '{"to":0.5}']) {
      const refused = await move(wrong)
      expect([wrong, refused.status, ((await refused.json()) as { field: string }).field]).toEqual([wrong, 400, "to"])
    }
    expect(asked).toHaveLength(1)
  })

  it("are not touched without the token, nor told what there is no word for", async () => {
    const { app, asked } = setup(() => ({ answer: "begun", vms: [] }))
    expect((await app.request("/v1/machines/demo/vms/a/destroy", { method: "POST" })).status).toBe(401)
    expect((await app.request("/v1/machines/demo/vms/a/melt", { method: "POST", headers: AUTHORISED })).status).toBe(404)
    expect(asked).toEqual([])
  })

  it("say why they were not", async () => {
    const { app } = setup(() => ({ answer: "refused", reason: "there is no VM b", vms: [] }))
    const answer = await app.request("/v1/machines/demo/vms/b/start", { method: "POST", headers: AUTHORISED })
    expect(answer.status).toBe(409)
    expect(await answer.json()).toMatchObject({ detail: "there is no VM b", field: "vm" })
  })

  it("a console is read from where the reader was", async () => {
    const output = Buffer.from("hello, world")
    const { app, asked } = setup((ask) => {
      const from = Number(ask["from"])
      return { from, data: output.subarray(from, from + 5).toString("base64"), state: "running" }
    })
    const response = await app.request("/v1/machines/demo/vms/a/console", { headers: { "last-event-id": "7" } })
    const events = await eventsOf(response, 1)
    expect(events).toEqual([{ from: 7, data: output.subarray(7).toString("base64"), state: "running" }])
    expect(asked[0]).toMatchObject({ kind: "ConsoleAsk", vm: "a", from: 7 })
  })

  it("what is typed reaches the guest once, as often as it is sent", async () => {
    const { app, asked } = setup(() => ({ taken: 3, state: "running" }))
    const body = JSON.stringify({ writer: "tab-1", seq: 1, data: Buffer.from("ls\r").toString("base64") })
    const answer = await app.request("/v1/machines/demo/vms/a/console", { method: "POST", headers: AUTHORISED, body })
    expect(await answer.json()).toEqual({ taken: 3, state: "running" })
    expect(asked[0]).toMatchObject({ kind: "ConsoleType", writer: "tab-1", seq: 1, data: "bHMN" })
  })

  it.each([
    [{ seq: 1, data: "" }, "writer"],
    [{ writer: "w", seq: 0, data: "" }, "seq"],
    [{ writer: "w", seq: 1, data: "%" }, "data"],
    [{ writer: "w", seq: 1, data: "A".repeat(40_000) }, "data"],
  ])("refuses to type %j by its field", async (piece, field) => {
    const { app, asked } = setup(() => ({ taken: 0, state: "running" }))
    const answer = await app.request("/v1/machines/demo/vms/a/console", {
      method: "POST",
      headers: AUTHORISED,
      body: JSON.stringify(piece),
    })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ field })
    expect(asked).toEqual([])
  })

  it("the console of a VM that is not there is refused, and one that goes away ends", async () => {
    const { app } = setup(() => ({ from: 0, data: "", state: "unknown" }))
    const refused = await app.request("/v1/machines/demo/vms/nowhere/console")
    expect([refused.status, await refused.json()]).toMatchObject([409, { field: "vm", detail: "there is no VM nowhere" }])
    let asked = 0
    const { app: other } = setup(() => ({ from: 0, data: "", state: ++asked < 3 ? "running" : "unknown" }))
    const text = await (await other.request("/v1/machines/demo/vms/a/console")).text()
    expect(text.match(/"state":"\w+"/g)).toEqual(['"state":"running"', '"state":"running"', '"state":"unknown"'])
  })

  it("a wrong place in the console is refused", async () => {
    const { app } = setup(() => ({}))
    expect((await app.request("/v1/machines/demo/vms/a/console?from=-1")).status).toBe(400)
  })
})

/** The console's page is served as the browser can read it, its data as the services gave it, and nothing else of the disk. */
import type { Json } from "@backplane/foundation-base/json"
import { describe, expect, it } from "vitest"
import { Problem, problemResponse } from "./problem.ts"
import { consoleRoutes, type Sight } from "./routes-console.ts"

function routes(sight: Sight | null): ReturnType<typeof consoleRoutes> {
  const app = consoleRoutes(() => sight)
  app.onError((error) => {
    if (error instanceof Problem) return problemResponse(error)
    throw error
  })
  return app
}

const ACTORS = ["hypervisor.0", "memory.0", "node.0", "node.1"].map((actor) => ({ actor, instance: `process-of-${actor}` }))

/** An office with one machine of two nodes whose actors say their own names; the process of `silent` does not answer. */
function sightOf(silent: string | null): Sight {
  return {
    office: () => Promise.resolve({ ok: true, machines: [{ machine: "demo", policy: "mqms", nodes: 2, actors: ACTORS }], instances: [] }),
    process: (instance, request) => {
      const actor = String(request["actor"])
      expect(instance).toBe(`process-of-${actor}`)
      const policy = actor === "hypervisor.0" ? { policy: "eevdf" } : {}
      return Promise.resolve(actor === silent ? null : { ok: true, state: { said: actor, ...policy, result: { schedule: [1, 2, 3] } } })
    },
  }
}

describe("the console's routes", () => {
  it("serve the page with a policy that allows only its own scripts", async () => {
    const answer = await routes(null).request("/")
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'self'")
    expect(await answer.text()).toContain("/console/console.ts")
  })

  it("serve TypeScript with the types taken out", async () => {
    const answer = await routes(null).request("/console/gantt.ts")
    expect(answer.headers.get("content-type")).toContain("text/javascript")
    const text = await answer.text()
    expect(text).toContain("export class Gantt {")
    expect(text).not.toContain("machine: MachineData")
  })

  it.each(["/console/..%2fpackage.json", "/console/package.json", "/console/none.ts"])("serve nothing else: %s", async (path) => {
    expect((await routes(null).request(path)).status).toBe(404)
  })

  it("tell of every machine its hypervisor and its nodes, without the schedule of a finished run", async () => {
    const answer = (await (await routes(sightOf(null)).request("/api/machine")).json()) as { machines: Json }
    expect(answer.machines).toMatchObject([
      {
        machine: "demo",
        hypervisor: { said: "hypervisor.0", result: null },
        memory: { said: "memory.0" },
        nodes: [{ said: "node.0" }, { said: "node.1" }],
      },
    ])
  })

  it("tell the policy in force, and the one that it was made with where the hypervisor is silent", async () => {
    const policyOf = async (silent: string | null): Promise<unknown> => {
      const answer = (await (await routes(sightOf(silent)).request("/api/machine")).json()) as { machines: { policy: string }[] }
      return answer.machines[0]?.policy
    }
    expect([await policyOf(null), await policyOf("hypervisor.0")]).toEqual(["eevdf", "mqms"])
  })

  it("tell of the others when one process is silent", async () => {
    const answer = (await (await routes(sightOf("node.0")).request("/api/machine")).json()) as { machines: Json }
    expect(answer.machines).toMatchObject([{ memory: { said: "memory.0" }, nodes: [null, { said: "node.1" }] }])
  })

  it("say plainly that there is no bus yet", async () => {
    expect((await routes(null).request("/api/machine")).status).toBe(503)
  })
})

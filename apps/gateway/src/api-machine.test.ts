/** What OpenAPI says of machines is what the routers take, no less and no more. */
import { Collector } from "@backplane/foundation-telemetry/collector/collector"
import { MetricStore } from "@backplane/foundation-telemetry/metric-store"
import { describe, expect, it } from "vitest"
import { MACHINE_API } from "./api-machine.ts"
import { openApi } from "./kv/openapi.ts"
import { consoleRoutes } from "./routes-console.ts"
import { memoryRoutes } from "./routes-memory.ts"
import { operatorRoutes } from "./routes-operator.ts"
import { queryRoutes } from "./routes-query.ts"
import { scoreboardRoutes } from "./routes-scoreboard.ts"
import { vmRoutes } from "./routes-vms.ts"

const ACCESS = { anonymous: ["read"], tokens: new Map() } as const
/** Of the app itself, beside its routers. */
const OWN = ["get /healthz", "get /readyz"]

describe("the description of machines", () => {
  it("has every route, and no other", () => {
    const none = (): null => null
    const collector = new Collector({ service: "gateway", instance: "gateway-0", metrics: new MetricStore() })
    const routers = [
      consoleRoutes(none),
      memoryRoutes(none, ACCESS),
      operatorRoutes(none, ACCESS),
      queryRoutes(collector, () => 0),
      scoreboardRoutes(() => Promise.resolve(null), ACCESS),
      vmRoutes(none, ACCESS),
    ]
    const routed = routers
      .flatMap(({ routes }) => routes)
      .filter(({ path, method }) => /^\/(v1|api|metrics)/.test(path) && method !== "ALL")
      .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)(\{[^}]*\})?/g, "{$1}")}`)
    const told = MACHINE_API.map(({ method, path }) => `${method} ${path}`).filter((each) => !OWN.includes(each))
    // That of a console is one of the operations to the router.
    expect(told.filter((each) => each !== "post /v1/machines/{machine}/vms/{vm}/console").sort()).toEqual([...new Set(routed)].sort())
  })

  it("is one document with that of the store, and says what each wants", () => {
    const { paths } = openApi() as unknown as { paths: Record<string, Record<string, { security: object[]; parameters: object[] }>> }
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(["/v1/kv/{bucket}/{key}", "/v1/machines/{machine}/vms", "/api/traces/{id}"]))
    expect(paths["/v1/machines/{machine}/vms/{vm}/{operation}"]?.["post"]).toMatchObject({ security: [{ bearer: ["operate"] }] })
    expect(paths["/api/traces"]?.["get"]).toMatchObject({ security: [{ bearer: ["read"] }] })
    expect(paths["/metrics"]?.["get"]?.security).toEqual([])
  })
})

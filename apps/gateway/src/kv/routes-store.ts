/** All routes of the store under one roof, with their description. */
import { Hono } from "hono"
import { openApi } from "./openapi.ts"
import { bucketRoutes } from "./routes-buckets.ts"
import { computeRoutes } from "./routes-compute.ts"
import { keyRoutes } from "./routes-keys.ts"
import type { StoreDoor } from "./store-door.ts"

export function storeRoutes(door: StoreDoor): Hono {
  const routes = new Hono()
  routes.use(async (context, next) => {
    await next()
    const told = door.toldOf(context)
    if (told === undefined) return
    context.res.headers.set("kv-attempts", String(told.attempts))
    if (told.traceparent !== undefined) context.res.headers.set("traceparent", told.traceparent)
  })
  routes.route("/", bucketRoutes(door))
  routes.route("/", computeRoutes(door))
  routes.route("/", keyRoutes(door))
  routes.get("/openapi.json", (context) => context.json(openApi() as object))
  return routes
}

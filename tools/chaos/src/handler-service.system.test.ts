/** A bucket whose handler is a service on the bus, here forty lines that speak plain JSON, as any language could. */
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { freePorts } from "@backplane/foundation-process/free-ports"
import { LiveStore } from "./live-store.ts"

const TRIES_MAX = 200

let store: LiveStore
let service: NatsConnection
beforeAll(async () => {
  store = await LiveStore.start({ shards: 3, ports: await freePorts(1) })
  service = await connect({ ...store.bus("handler") })
}, 120_000)
afterAll(async () => {
  await service.close()
  await store.stop()
})

/** Adds the numbers up. */
function serve(name: string): void {
  service.subscribe(`bp.store.handler.${name}.>`, {
    callback: (_, message) => {
      const { kind, id, values } = JSON.parse(message.string()) as { kind: string; id: string; values: readonly string[] }
      if (kind !== "KvReconcile") return
      const replica = message.subject.split(".").slice(4).join(".")
      const value = String(values.map(Number).reduce((a, b) => a + b))
      service.publish(`bp.store.${replica}.handler.${name}`, JSON.stringify({ kind: "KvReconciled", id, value }))
    },
  })
}

async function http(method: string, path: string, body?: string): Promise<Response> {
  return fetch(`${store.gatewayUrls[0]}${path}`, {
    method,
    headers: { accept: "application/json" },
    ...(body === undefined ? {} : { body }),
  })
}

async function valuesIn(bucket: string): Promise<readonly string[]> {
  return ((await (await http("GET", `/v1/kv/${bucket}/k`)).json()) as { values: readonly string[] }).values
}

describe("a handler that is a service on the bus", () => {
  it("siblings stay while it is away; when it comes it makes one value of them, for all readers", { timeout: 60_000 }, async ({ task }) => {
    // A second try finds what the first one left.
    const name = `sum-${task.result?.retryCount ?? 0}`
    const made = await http("PUT", `/v1/kv/${name}`, JSON.stringify({ policy: "handler", handler: `service:${name}` }))
    expect(made.status).toBeLessThan(300)
    // Nobody has read: the second does not replace the first.
    await http("PUT", `/v1/kv/${name}/k`, "3")
    await http("PUT", `/v1/kv/${name}/k`, "4")
    expect([...(await valuesIn(name))].sort()).toEqual(["3", "4"])
    serve(name)
    await service.flush()
    let seen = await valuesIn(name)
    for (let tries = 0; tries < TRIES_MAX && seen.length > 1; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      seen = await valuesIn(name)
    }
    expect(seen).toEqual(["7"])
  })

  it("a bucket whose handler is no service is refused, with what belongs there", async () => {
    const refused = await http("PUT", "/v1/kv/odd", JSON.stringify({ policy: "handler", handler: "sum" }))
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ field: "handler" })
  })
})

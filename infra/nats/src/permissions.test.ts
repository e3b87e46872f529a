/** The generated permissions on a real server: what is refused, and that it is seen. */
import { connect, PermissionViolationError, type NatsConnection } from "@nats-io/transport-node"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { findNatsServer } from "./find-server.ts"
import { inboxPrefix, permissionsOf, SERVICE_RULES } from "./permissions.ts"
import { makeCredentials, serverConfig } from "./server-config.ts"
import { startNatsServer, type RunningServer } from "./start-server.ts"

let server: RunningServer
const open: NatsConnection[] = []
beforeAll(async () => {
  server = await startNatsServer({ monitorPort: -1 })
})
afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})
afterAll(() => server.stop())

async function as(user: string): Promise<{ connection: NatsConnection; violations: string[] }> {
  const connection = await connect({ servers: server.url, user, pass: server.credentials.get(user) ?? "", inboxPrefix: inboxPrefix(user) })
  open.push(connection)
  const violations: string[] = []
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type === "error" && status.error instanceof PermissionViolationError)
        violations.push(`${status.error.operation} ${status.error.subject}`)
    }
  })()
  return { connection, violations }
}

/** PING and PONG: the server has seen, and answered for, all that was published before. */
async function settle(...connections: NatsConnection[]): Promise<void> {
  for (let round = 0; round < 2; round++) for (const each of connections) await each.flush()
}

describe("permissions", () => {
  it("a scheduler may speak as a scheduler, and the node hears it", async () => {
    const node = await as("numa-node")
    const heard: string[] = []
    node.connection.subscribe("bp.m.node.0.>", { callback: (_, message) => void heard.push(message.subject) })
    await settle(node.connection)
    const scheduler = await as("cpu-scheduler")
    scheduler.connection.publish("bp.m.node.0.scheduler.1", "{}")
    await settle(scheduler.connection, node.connection)
    expect(heard).toEqual(["bp.m.node.0.scheduler.1"])
    expect([...scheduler.violations, ...node.violations]).toEqual([])
  })

  it("a scheduler cannot speak as a node: refused by the server and seen as a violation, and nobody hears it", async () => {
    const node = await as("numa-node")
    const heard: string[] = []
    node.connection.subscribe("bp.m.node.0.>", { callback: (_, message) => void heard.push(message.subject) })
    await settle(node.connection)
    const scheduler = await as("cpu-scheduler")
    const forged = [
      "bp.m.node.0.node.1",
      "bp.m.node.0.hypervisor.0",
      "bp.m.node.0.clock.0",
      "bp.m.port-numa-node.0.clock.0",
      "bp.ctl.alive.numa-node",
      "bp.ctl.host.node-0",
    ]
    for (const subject of forged) scheduler.connection.publish(subject, "{}")
    await settle(scheduler.connection, node.connection)
    expect(heard).toEqual([])
    expect(scheduler.violations.sort()).toEqual(forged.map((subject) => `publish ${subject}`).sort())
  })

  it("a scheduler cannot listen to what is for others", async () => {
    const scheduler = await as("cpu-scheduler")
    const ears = ["bp.>", "bp.m.node.0.>", "bp.*.memory.>", "_INBOX_numa_node.>", "_INBOX.>", ">"]
    for (const subject of ears) scheduler.connection.subscribe(subject, { callback: () => undefined })
    await settle(scheduler.connection)
    expect(scheduler.violations.sort()).toEqual(ears.map((subject) => `subscription ${subject}`).sort())
  })

  it("every service answers what it is asked, and only the operators ask", async () => {
    const operator = await as("operator")
    for (const { user } of SERVICE_RULES) {
      const service = await as(user)
      service.connection.subscribe(`bp.ctl.host.${user}-0`, { callback: (_, message) => void message.respond("yes") })
      await settle(service.connection)
      expect((await operator.connection.request(`bp.ctl.host.${user}-0`, "", { timeout: 2000 })).string()).toBe("yes")
      expect(service.violations).toEqual([])
    }
    expect(SERVICE_RULES.filter((rule) => permissionsOf(rule).publish.includes("bp.ctl.host.*")).map(({ user }) => user)).toEqual([
      "hypervisor",
      "gateway",
      "operator",
    ])
  })

  it("no user, and a wrong password, are refused", async () => {
    await expect(connect({ servers: server.url, reconnect: false })).rejects.toThrow(/[Aa]uthorization/)
    await expect(connect({ servers: server.url, user: "operator", pass: "x", reconnect: false })).rejects.toThrow(/[Aa]uthorization/)
  })

  it("listens on loopback only, and each run has its own passwords", async () => {
    const monitor = (await (await fetch(`http://127.0.0.1:${server.monitorPort}/varz`)).json()) as {
      host: string
      http_host: string
      jetstream?: { config?: object }
    }
    expect([monitor.host, monitor.http_host]).toEqual(["127.0.0.1", "127.0.0.1"])
    expect(monitor.jetstream?.config).toBeUndefined()
    expect(makeCredentials().get("operator")).not.toBe(makeCredentials().get("operator"))
    expect(() => serverConfig({ port: 1, credentials: new Map() })).toThrow(/no password for the NATS user hypervisor/)
  })

  it("a program that is named and cannot run is an error, not a search for another", () => {
    expect(() => findNatsServer({ NATS_SERVER: "/nowhere/nats-server" })).toThrow(/NATS_SERVER is/)
    expect(findNatsServer({ PATH: "" })).toMatch(/nats-server$/)
  })
})

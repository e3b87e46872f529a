/** Lock-step live: three services with a connection each, over a real nats-server with its permissions, against the simulation. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { actorId, actorKind, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { LockstepStatus } from "@backplane/foundation-lockstep/protocol"
import { RandomActor } from "@backplane/foundation-lockstep/testing/random-actor"
import { World } from "@backplane/foundation-simulation/world"
import { startNatsServer, type RunningServer } from "@backplane/nats/start-server"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { plainCodec } from "./body-codec.ts"
import type { ControlReply } from "./control-protocol.ts"
import { readServiceEnvironment } from "./service-environment.ts"
import type { RunningService } from "./service-options.ts"
import { startService } from "./service.ts"
import { MemorySink } from "./sinks.ts"
import { hostSubject, inboxPrefix } from "./subjects.ts"

const LATENCY = 10
const PERSIST_LATENCY = 25
const HOSTS: Readonly<Record<string, string>> = { hypervisor: "hypervisor", scheduler: "cpu-scheduler", node: "numa-node" }
const ACTORS = ["hypervisor.0", "node.0", "node.1", "node.2", "scheduler.0", "scheduler.1"].map(actorId)
const OPERATOR = actorId("operator.0")

let server: RunningServer
let operator: NatsConnection
let folder: string
const sink = new MemorySink(10_000)
const services: RunningService[] = []
/** By machine and actor, as the factories made them: the last life of each. */
const made = new Map<string, RandomActor>()

function makeActor(machine: string, id: ActorId): RandomActor {
  return new RandomActor({ seed: machine, id, peers: ACTORS, effectsMax: 150, horizon: 60 })
}

async function start(service: string, instance = `${service}-0`): Promise<RunningService> {
  const args = [
    `--nats=${server.url}`,
    `--nats-user=${service}`,
    `--nats-password=${server.credentials.get(service)}`,
    `--instance=${instance}`,
    `--data=${folder}/${service}`,
  ]
  const started = await startService({
    service,
    environment: readServiceEnvironment(service, {}, args),
    actorFactory: (id, _config, { machine }) => {
      const actor = makeActor(machine, id)
      made.set(`${machine}/${id}`, actor)
      return actor
    },
    codec: plainCodec,
    events: sink,
    spans: sink,
    handleSignals: false,
  })
  services.push(started)
  return started
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "backplane-lockstep-"))
  server = await startNatsServer()
  operator = await connect({
    servers: server.url,
    user: "operator",
    pass: server.credentials.get("operator") ?? "",
    inboxPrefix: inboxPrefix("operator"),
  })
  for (const service of Object.values(HOSTS)) await start(service)
})
afterAll(async () => {
  await Promise.all(services.map((service) => service.stop("the test is over")))
  await operator.close()
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function host(instance: string, machine: string, mode: object, actors: readonly object[], epoch = 1): Promise<void> {
  const reply = await operator.request(hostSubject(instance), JSON.stringify({ op: "host", machine, epoch, mode, actors }), {
    timeout: 3000,
  })
  expect(reply.json<ControlReply>()).toMatchObject({ ok: true })
}

async function hostAll(machine: string, until: number | null = null): Promise<void> {
  const clock = { id: "clock.0", config: { actors: ACTORS, latencyCycles: LATENCY, until, deadMilliseconds: 600 } }
  await host("hypervisor-0", machine, { kind: "free" }, [clock])
  const mode = { kind: "lock-step", latencyCycles: LATENCY, persistLatencyCycles: PERSIST_LATENCY }
  for (const id of ACTORS) await host(`${HOSTS[actorKind(id)]}-0`, machine, mode, [{ id, config: null }])
}

async function untilStatus(machine: string, wanted: (status: LockstepStatus) => boolean): Promise<LockstepStatus> {
  let last: LockstepStatus | null = null
  const ear = operator.subscribe(`bp.${machine}.${OPERATOR}.>`, { callback: (_, message) => void (last = message.json<LockstepStatus>()) })
  try {
    for (let attempt = 0; attempt < 400; attempt++) {
      operator.publish(`bp.${machine}.clock.0.${OPERATOR}`, '{"kind":"LockstepQuery"}')
      await new Promise((resolve) => setTimeout(resolve, 15))
      if (last !== null && wanted(last)) return last
    }
  } finally {
    ear.unsubscribe()
  }
  throw new Error(`the clock did not get there: ${JSON.stringify(last)} ${JSON.stringify([...sink.events].slice(-5))}`)
}

function simulated(machine: string): Record<string, string[]> {
  const world = new World({ seed: 1, latency: LATENCY, persistLatency: PERSIST_LATENCY, fingerprint: "off" })
  const actors = new Map(ACTORS.map((id) => [id, makeActor(machine, id)]))
  for (const [id, actor] of actors) world.add(id, () => actor)
  world.run()
  return Object.fromEntries(ACTORS.map((id) => [id, actors.get(id)?.log ?? []]))
}

describe("lock-step over NATS", () => {
  for (const machine of ["m1", "m2", "m3"]) {
    it(`${machine}: three services give every actor what the simulation gives it`, async () => {
      await hostAll(machine)
      const status = await untilStatus(machine, ({ idle, time }) => idle && time > 0)
      const logs = Object.fromEntries(ACTORS.map((id) => [id, made.get(`${machine}/${id}`)?.log ?? []]))
      expect(logs).toEqual(simulated(machine))
      const inputs = Object.values(logs).reduce((sum, log) => sum + log.length, 0)
      expect(inputs).toBeGreaterThan(300)
      expect(status.lost).toEqual([])
    })
  }

  it("a service that is gone is given up, the others go on, and another takes its place at the current time", async () => {
    const machine = "m4"
    await hostAll(machine, 300)
    const before = await untilStatus(machine, ({ idle }) => idle)
    const nodes = services.find(({ service }) => service === "numa-node")
    await nodes?.stop("killed")
    operator.publish(`bp.${machine}.clock.0.${OPERATOR}`, JSON.stringify({ kind: "LockstepLimit", until: null }))
    await untilStatus(machine, ({ idle, lost }) => idle && lost.includes(actorId("port-numa-node.numa-node-0")))
    await start("numa-node", "numa-node-1")
    const mode = { kind: "lock-step", latencyCycles: LATENCY, persistLatencyCycles: PERSIST_LATENCY }
    await host("numa-node-1", machine, mode, [{ id: "node.0", config: null }], 2)
    await untilStatus(machine, ({ idle, ports }) => idle && ports.some(({ port }) => port === "port-numa-node.numa-node-1"))
    const reborn = made.get(`${machine}/node.0`)?.log ?? []
    expect(Number(reborn[0]?.split(" ")[0])).toBeGreaterThanOrEqual(before.time)
    expect(reborn.length).toBeGreaterThan(1)
  })
})

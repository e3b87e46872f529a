/** Services as an app starts them, over a real nats-server with the permissions of infra/nats. */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import type { Body, Machine } from "@backplane/foundation-actor/machine"
import { SERVICE_RULES, inboxPrefix as inboxPrefixOfRules, permissionsOf } from "@backplane/nats/permissions"
import { startNatsServer, type RunningServer } from "@backplane/nats/start-server"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { plainCodec } from "./body-codec.ts"
import type { ControlReply } from "./control-protocol.ts"
import { readServiceEnvironment } from "./service-environment.ts"
import { ActorConfigError, type RunningService } from "./service-options.ts"
import { startService } from "./service.ts"
import { MemorySink } from "./sinks.ts"
import { hostSubject, inboxPrefix, subjectOf } from "./subjects.ts"

let server: RunningServer
let operator: NatsConnection
const running: RunningService[] = []
beforeAll(async () => {
  server = await startNatsServer()
  operator = await connect({
    servers: server.url,
    user: "operator",
    pass: server.credentials.get("operator") ?? "",
    inboxPrefix: inboxPrefix("operator"),
  })
})
afterEach(async () => {
  for (const service of running.splice(0)) await service.stop("the test is over")
})
afterAll(async () => {
  await operator.close()
  await server.stop()
})

/** Answers `Ask` to whoever asked; config `{"tell": "node.0"}` makes it speak at the start. */
function echo(_actor: ActorId, config: unknown): Machine {
  const tell = config !== null && typeof config === "object" && "tell" in config ? config.tell : undefined
  if (tell === "nobody") throw new ActorConfigError("/tell", "there is no such actor")
  return {
    start: () => (typeof tell === "string" ? [send(actorId(tell), { kind: "Ask" })] : []),
    step: (_now, input) => (input.kind === "message" && input.body.kind === "Ask" ? [send(input.from, { kind: "Answer" } as Body)] : []),
  }
}

async function start(service: string, instance: string): Promise<{ service: RunningService; sink: MemorySink }> {
  const sink = new MemorySink()
  const variables = {
    BACKPLANE_NATS_URL: server.url,
    BACKPLANE_NATS_USER: service,
    BACKPLANE_NATS_PASSWORD: server.credentials.get(service),
    BACKPLANE_INSTANCE: instance,
  }
  const environment = readServiceEnvironment(service, variables)
  const started = await startService({
    service,
    environment,
    actorFactory: echo,
    codec: plainCodec,
    events: sink,
    spans: sink,
    handleSignals: false,
  })
  running.push(started)
  return { service: started, sink }
}

async function ask(instance: string, request: unknown): Promise<ControlReply> {
  const reply = await operator.request(hostSubject(instance), JSON.stringify(request), { timeout: 3000 })
  return reply.json<ControlReply>()
}

async function report(instance: string): Promise<Extract<ControlReply, { op: "report" }>> {
  const reply = await ask(instance, { op: "report" })
  if (!reply.ok || reply.op !== "report") throw new Error(JSON.stringify(reply))
  return reply
}

describe("service", () => {
  it("hosts actors on request, once per epoch, and they talk over the bus under their own names", async () => {
    await start("cpu-scheduler", "sched-a")
    await start("numa-node", "node-a")
    const scheduler = { op: "host", machine: "m1", epoch: 1, actors: [{ id: "scheduler.0", config: null }] }
    expect(await ask("sched-a", scheduler)).toEqual({ ok: true, op: "host", started: ["scheduler.0"], already: [] })
    expect(await ask("sched-a", scheduler)).toEqual({ ok: true, op: "host", started: [], already: ["scheduler.0"] })
    await ask("node-a", { op: "host", machine: "m1", epoch: 1, actors: [{ id: "node.0", config: { tell: "scheduler.0" } }] })
    let inputs = 0
    for (let attempt = 0; attempt < 200 && inputs === 0; attempt++) inputs = (await report("node-a")).actors[0]?.inputs ?? 0
    expect(inputs).toBe(1)
    expect(
      (await report("sched-a")).actors.map(({ machine, actor, epoch, mode, inputs: n, sent }) => ({
        machine,
        actor,
        epoch,
        mode,
        n,
        sent,
      })),
    ).toEqual([{ machine: "m1", actor: "scheduler.0", epoch: 1, mode: "free", n: 1, sent: 1 }])
    expect(await ask("sched-a", { ...scheduler, epoch: 2 })).toEqual({ ok: true, op: "host", started: ["scheduler.0"], already: [] })
    expect(await ask("sched-a", scheduler)).toMatchObject({ ok: false, field: "/epoch" })
    expect(await ask("sched-a", { op: "unhost", machine: "m1", actors: "all" })).toEqual({
      ok: true,
      op: "unhost",
      stopped: ["scheduler.0"],
    })
    expect((await report("sched-a")).actors).toEqual([])
  })

  it("loses what goes to and comes from other processes while it is cut off, and nothing between its own actors", async () => {
    await start("cpu-scheduler", "sched-cut")
    await start("numa-node", "node-cut")
    await ask("sched-cut", { op: "host", machine: "cut", actors: [{ id: "scheduler.0", config: null }] })
    const inputsOf = async (actor: string): Promise<number> =>
      (await report("node-cut")).actors.find((each) => each.actor === actor)?.inputs ?? 0
    /** An actor that asks `peer` as soon as it is hosted; its inputs are the answers. */
    const asks = (id: string, peer: string): Promise<unknown> =>
      ask("node-cut", { op: "host", machine: "cut", actors: [{ id, config: { tell: peer } }] })

    expect(await ask("node-cut", { op: "cut", peers: "all" })).toEqual({ ok: true, op: "cut", lost: 0 })
    await asks("node.0", "scheduler.0")
    await asks("node.1", "node.0")
    for (let attempt = 0; attempt < 200 && (await inputsOf("node.1")) === 0; attempt++);
    expect(await inputsOf("node.1")).toBe(1)
    expect(await ask("node-cut", { op: "cut", peers: [] })).toEqual({ ok: true, op: "cut", lost: 1 })
    await asks("node.2", "scheduler.0")
    for (let attempt = 0; attempt < 200 && (await inputsOf("node.2")) === 0; attempt++);
    expect(await inputsOf("node.2")).toBe(1)

    // What comes from a peer that is cut off is lost as well: the answer is, not the question.
    await ask("sched-cut", { op: "cut", peers: ["node.3"] })
    await asks("node.3", "scheduler.0")
    let lost = 0
    for (let attempt = 0; attempt < 200 && lost === 0; attempt++) {
      const reply = await ask("sched-cut", { op: "cut", peers: ["node.3"] })
      lost = reply.ok && reply.op === "cut" ? reply.lost : 0
    }
    expect([lost, await inputsOf("node.3")]).toEqual([1, 0])
  })

  it("refuses a bad request by naming the field, and stays up", async () => {
    const { sink } = await start("cpu-scheduler", "sched-b")
    const cases: [unknown, string][] = [
      [{ op: "dance" }, "/op"],
      [{ op: "cut", peers: "most" }, "/peers"],
      [{ op: "host", machine: "M 1", actors: [] }, "/machine"],
      [{ op: "host", machine: "ctl", actors: [{ id: "scheduler.0" }] }, "/machine"],
      [{ op: "host", machine: "m", actors: [] }, "/actors"],
      [{ op: "host", machine: "m", actors: [{ id: "scheduler.0" }, { id: "Scheduler" }] }, "/actors/1/id"],
      [{ op: "host", machine: "m", actors: [{ id: "scheduler.0" }, { id: "scheduler.0" }] }, "/actors/1/id"],
      [{ op: "host", machine: "m", mode: { kind: "warp" }, actors: [{ id: "scheduler.0" }] }, "/mode/kind"],
      [{ op: "host", machine: "m", mode: { kind: "lock-step", latencyCycles: 0 }, actors: [{ id: "scheduler.0" }] }, "/mode/latencyCycles"],
      [{ op: "host", machine: "m", actors: [{ id: "scheduler.0", config: { tell: "nobody" } }] }, "/actors/0/config/tell"],
      [{ op: "unhost", machine: "m", actors: 7 }, "/actors"],
    ]
    for (const [request, field] of cases) expect(await ask("sched-b", request)).toMatchObject({ ok: false, field })
    expect((await operator.request(hostSubject("sched-b"), "{", { timeout: 3000 })).json()).toMatchObject({ ok: false })
    expect((await report("sched-b")).actors).toEqual([])
    expect(await ask("sched-b", { op: "inspect", machine: "m", actor: "scheduler.0" })).toMatchObject({ ok: false, field: "/actor" })
    expect([...sink.events].filter(({ name }) => name === "service.control-refused").length).toBe(cases.length)
  })

  it("is found by $SRV.PING and says each second what it hosts", async () => {
    const notices: { instance: string; hosting: unknown[] }[] = []
    const listening = operator.subscribe("bp.ctl.alive.*", { callback: (_, message) => void notices.push(message.json()) })
    const { service } = await start("kv-shard", "kv-a")
    await ask("kv-a", { op: "host", machine: "m", epoch: 3, actors: [{ id: "replica.0", config: null }] })
    const found = (await operator.request("$SRV.INFO.kv-shard", "", { timeout: 3000 })).json<{
      metadata: object
      endpoints: { subject: string }[]
    }>()
    expect(found.metadata).toMatchObject({ instance: "kv-a", incarnation: service.incarnation })
    expect(found.endpoints.map(({ subject }) => subject)).toEqual(["bp.ctl.host.kv-a"])
    for (let wait = 0; wait < 200 && !notices.some(({ hosting }) => hosting.length > 0); wait++)
      await new Promise((resolve) => setTimeout(resolve, 10))
    listening.unsubscribe()
    expect(notices.at(-1)).toEqual({
      service: "kv-shard",
      instance: "kv-a",
      incarnation: service.incarnation,
      pid: process.pid,
      hosting: [{ machine: "m", actor: "replica.0", epoch: 3 }],
    })
  })

  it("an actor that speaks where its service may not is refused by the server, counted and logged", async () => {
    const { sink } = await start("cpu-scheduler", "sched-c")
    // A scheduler's process that hosts a node: it would speak as a node, which its user may not.
    await ask("sched-c", { op: "host", machine: "m", epoch: 1, actors: [{ id: "node.0", config: { tell: "memory.0" } }] })
    let refused = 0
    for (let attempt = 0; attempt < 200 && refused < 2; attempt++) refused = (await report("sched-c")).bus["refused"] ?? 0
    // Both its ears and its mouth.
    expect(refused).toBeGreaterThanOrEqual(2)
    expect([...sink.events].some(({ name, fields }) => name === "bus.refused" && fields["field"] === "bp.m.memory.0.node.0")).toBe(true)
  })

  it("stops in order even when the server is gone, and a second stop does no harm", async () => {
    const own = await startNatsServer()
    const environment = readServiceEnvironment("numa-node", {}, [
      `--nats=${own.url}`,
      "--nats-user=numa-node",
      `--nats-password=${own.credentials.get("numa-node")}`,
      "--instance=lonely",
    ])
    const sink = new MemorySink()
    const service = await startService({
      service: "numa-node",
      environment,
      actorFactory: echo,
      codec: plainCodec,
      events: sink,
      spans: sink,
      handleSignals: false,
    })
    await own.stop()
    expect(await Promise.all([service.stop("test"), service.stop("again")])).toEqual([0, 0])
    expect([...sink.events].filter(({ name }) => name === "service.stopping").length).toBe(1)
  })

  it("a machine's assertion stops the service with exit code 1", async () => {
    const environment = readServiceEnvironment("numa-node", {}, [
      `--nats=${server.url}`,
      "--nats-user=numa-node",
      `--nats-password=${server.credentials.get("numa-node")}`,
      "--instance=broken",
    ])
    const sink = new MemorySink()
    const actorFactory = (): Machine => ({
      start: () => [],
      step: () => {
        throw new Error("M has an owner")
      },
    })
    const service = await startService({
      service: "numa-node",
      environment,
      actorFactory,
      codec: plainCodec,
      events: sink,
      spans: sink,
      handleSignals: false,
    })
    await ask("broken", { op: "host", machine: "m", epoch: 1, actors: [{ id: "node.7", config: null }] })
    operator.publish(subjectOf("m", actorId("node.7"), actorId("operator.0")), '{"kind":"Any"}')
    expect(await service.stopped).toBe(1)
    expect([...sink.events].find(({ name }) => name === "host.fatal")?.fields["message"]).toBe("M has an owner")
  })

  it("wrong passwords and half a pair are told with the remedy", async () => {
    const sink = new MemorySink()
    const environment = readServiceEnvironment("numa-node", {}, [`--nats=${server.url}`, "--nats-user=numa-node", "--nats-password=wrong"])
    const options = {
      service: "numa-node",
      environment,
      actorFactory: echo,
      codec: plainCodec,
      events: sink,
      spans: sink,
      handleSignals: false,
    }
    await expect(startService(options)).rejects.toThrow(/refused the user numa-node.*BACKPLANE_NATS_PASSWORD/)
    expect(() => readServiceEnvironment("x", { BACKPLANE_NATS_USER: "x" })).toThrow(/belong together/)
    expect(() => readServiceEnvironment("x", { BACKPLANE_INSTANCE: "A b" })).toThrow(/BACKPLANE_INSTANCE is "A b"/)
  })

  it("the runtime and the permission table agree on inboxes", () => {
    for (const rule of SERVICE_RULES) {
      expect(inboxPrefix(rule.user)).toBe(inboxPrefixOfRules(rule.user))
      expect(permissionsOf(rule).subscribe).toContain(`${inboxPrefix(rule.user)}.>`)
    }
  })
})

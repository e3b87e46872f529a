import { describe, expect, it } from "vitest"
import { actorKind, type ActorId } from "@backplane/foundation-actor/actor-id"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { hostedActors } from "@backplane/scenario-machine/topology"
import { GONE_MILLISECONDS, Hosting, STOOD_STILL_MILLISECONDS, type AliveNotice, type HostingRequest } from "./hosting.ts"
import { planHosting, SERVICE_OF_KIND } from "./hosting-plan.ts"
import type { SchedulerManifest } from "./scheduler-services.ts"

const spec = resolveMachineSpec({ name: "m", topology: { nodes: 2, cpus: 4 }, schedule: { policy: "mqms" }, jobs: [] })
const INSTANCES = ["hypervisor-0", "memory-controller-0", "numa-node-0", "numa-node-1", "cpu-scheduler-0", "cpu-scheduler-1"]

const alive = (instance: string, more: Partial<AliveNotice> = {}): AliveNotice => ({
  service: instance.replace(/-\d+$/, ""),
  instance,
  incarnation: "first",
  hosting: [],
  ...more,
})

/** Processes that do what they are asked, and say so. */
class Processes {
  readonly hosting = new Hosting()
  readonly runs = new Map<string, Map<string, number>>(INSTANCES.map((instance) => [instance, new Map<string, number>()]))

  hear(now: number, instances: readonly string[] = INSTANCES): void {
    for (const instance of instances) this.carryOut(this.hosting.onAlive(now, this.notice(instance)))
  }

  notice(instance: string): AliveNotice {
    const hosting = [...(this.runs.get(instance) ?? [])].map(([actor, epoch]) => ({ machine: "m", actor: actor as ActorId, epoch }))
    return alive(instance, { hosting })
  }

  carryOut(requests: readonly HostingRequest[]): void {
    for (const request of requests) {
      const runs = this.runs.get(request.instance)
      for (const actor of request.actors) {
        if (request.op === "host") runs?.set(actor, request.epoch)
        else runs?.delete(actor)
      }
    }
  }

  create(): void {
    this.hear(0)
    const made = this.hosting.create(spec)
    if ("refused" in made) throw new Error(made.refused)
    this.carryOut(made.requests)
    this.hear(1)
  }
}

describe("hosting", () => {
  it.each(["store", "jetstream"])("makes no machine of the name %s: one's folder would be the other's", (name) => {
    const { hosting } = new Processes()
    expect(hosting.create({ ...spec, name })).toEqual({
      refused: `${name} is the name of a part of the stack; take another for the machine`,
    })
    expect(hosting.machines.size).toBe(0)
  })

  it("places every actor once, with the service of its kind, neighbours together", () => {
    const processes = new Processes()
    processes.create()
    const placed = [...processes.runs].flatMap(([instance, actors]) => [...actors.keys()].map((actor) => [actor, instance] as const))
    expect(placed.map(([actor]) => actor).sort()).toEqual([...hostedActors(spec)].sort())
    for (const [actor, instance] of placed) expect(instance).toContain(SERVICE_OF_KIND[actorKind(actor as ActorId)])
    expect([...(processes.runs.get("cpu-scheduler-0")?.keys() ?? [])]).toEqual(["scheduler.cpu-0", "scheduler.cpu-1"])
    expect(processes.hosting.isReady("m")).toBe(true)
  })

  it("refuses a machine that lacks a service, by the name of the service", () => {
    const hosting = new Hosting()
    hosting.onAlive(0, alive("numa-node-0"))
    expect(hosting.create(spec)).toMatchObject({ refused: expect.stringContaining("cpu-scheduler, memory-controller, hypervisor") })
  })

  it("refuses a second machine of one name", () => {
    const processes = new Processes()
    processes.create()
    expect(processes.hosting.create(spec)).toMatchObject({ refused: expect.stringContaining("take another name") })
  })

  it("asks again for what a lost request left out", () => {
    const processes = new Processes()
    processes.hear(0)
    processes.hosting.create(spec) // the requests are lost
    expect(processes.hosting.isReady("m")).toBe(false)
    processes.hear(1)
    processes.hear(2)
    expect(processes.hosting.isReady("m")).toBe(true)
  })

  it("begins the actors of a restarted process again, with a higher epoch", () => {
    const processes = new Processes()
    processes.create()
    const requests = processes.hosting.onAlive(2, alive("numa-node-0", { incarnation: "second" }))
    expect(requests).toEqual([{ op: "host", instance: "numa-node-0", machine: "m", epoch: 2, actors: ["node.0"] }])
  })

  it("moves the actors of a process that is gone to another of its service, with a higher epoch, and takes the wanderer down", () => {
    const processes = new Processes()
    processes.create()
    const others = INSTANCES.filter((instance) => instance !== "numa-node-1")
    processes.hear(GONE_MILLISECONDS + 2, others)
    const requests = processes.hosting.onTick(GONE_MILLISECONDS + 2)
    expect(requests).toEqual([{ op: "host", instance: "numa-node-0", machine: "m", epoch: 2, actors: ["node.1"] }])
    processes.carryOut(requests)
    const back = processes.hosting.onAlive(GONE_MILLISECONDS + 3, processes.notice("numa-node-1"))
    expect(back).toEqual([{ op: "unhost", instance: "numa-node-1", machine: "m", actors: ["node.1"] }])
  })

  it("takes down the actors of a machine that is destroyed, and of one that it does not know", () => {
    const processes = new Processes()
    processes.create()
    processes.carryOut(processes.hosting.destroy("m") ?? [])
    expect([...processes.runs.values()].every((actors) => actors.size === 0)).toBe(true)
    expect(processes.hosting.destroy("m")).toBeNull()
    const stray = { machine: "old", actor: "node.0" as ActorId, epoch: 1 }
    expect(processes.hosting.onAlive(9, alive("numa-node-0", { hosting: [stray] }))).toMatchObject([{ op: "unhost", machine: "old" }])
  })

  it("taken over from an earlier life disturbs nobody", () => {
    const processes = new Processes()
    processes.create()
    const next = restored(processes, 0)
    for (const instance of INSTANCES) expect(next.onAlive(0, processes.notice(instance))).toEqual([])
    expect(next.isReady("m")).toBe(true)
  })

  it("taken over from an earlier life waits for each process: one that was not heard yet is not gone", () => {
    const processes = new Processes()
    processes.create()
    const next = restored(processes, 1000)
    // They say it once a second, each at its own moment: half of them have by the first look.
    for (const instance of INSTANCES) if (instance.endsWith("-0")) next.onAlive(1400, processes.notice(instance))
    expect(next.onTick(1500)).toEqual([])
    for (const instance of INSTANCES) expect(next.onAlive(1900, processes.notice(instance))).toEqual([])
    expect(next.isReady("m")).toBe(true)
  })

  it("taken over from an earlier life gives up a process that has not been heard for as long as any other", () => {
    const processes = new Processes()
    processes.create()
    const next = restored(processes, 0)
    const now = GONE_MILLISECONDS + 1
    for (const instance of INSTANCES) if (instance !== "numa-node-1") next.onAlive(now, processes.notice(instance))
    expect(next.onTick(now)).toEqual([{ op: "host", instance: "numa-node-0", machine: "m", epoch: 2, actors: ["node.1"] }])
  })

  it("that stood still itself takes nobody for gone before they could be heard", () => {
    const processes = new Processes()
    processes.create()
    processes.hosting.onTick(10)
    const later = 10 + GONE_MILLISECONDS + STOOD_STILL_MILLISECONDS
    processes.hear(later, ["numa-node-0"]) // the first of what waited in the socket
    expect(processes.hosting.onTick(later)).toEqual([])
    processes.hear(later + 500, INSTANCES)
    expect(processes.hosting.onTick(later + 500)).toEqual([])
  })
})

/** The next life of whoever hosts, which has what the first one kept. */
function restored({ hosting }: Processes, now: number): Hosting {
  const places = [...(hosting.machines.get("m")?.places ?? [])].map(([actor, place]) => ({ actor, ...place }))
  const next = new Hosting()
  next.restore(now, { spec, places })
  return next
}

describe("a plan", () => {
  it("gives every process of a service a part in what decides now, not only in what waits for a trial", () => {
    const free = resolveMachineSpec({ topology: { nodes: 1, cpus: 4 }, schedule: { policy: "rr" }, clock: { mode: "free" } })
    const hosts = ["s-0", "s-1"].map((instance) => ({ service: "cpu-scheduler", instance, incarnation: "1" }))
    const { places } = planHosting(free, hosts)
    for (const seat of ["", "shadow-"]) {
      const cpus = [0, 1, 2, 3].map((cpu) => places.get(`scheduler.${seat}cpu-${cpu}` as ActorId))
      expect(new Set(cpus)).toEqual(new Set(["s-0", "s-1"]))
    }
  })

  const free = resolveMachineSpec({ name: "m", topology: { nodes: 2, cpus: 4 }, clock: { mode: "free" } })
  const service = (name: string): SchedulerManifest => ({
    ...{ name, version: "1", contract: 2, language: "any" },
    layout: "all",
    features: [],
  })

  // Two that were asked to end in one second: one gave its machine to the other, which had nobody to give it to any more.
  it("gives a service that is ending no seat, whatever its process still says", () => {
    const { hosting } = new Processes()
    for (const instance of INSTANCES) hosting.onAlive(0, alive(instance))
    hosting.create(free)
    hosting.attach(service("first"), "first-1")
    hosting.services.leave("first")
    hosting.attach(service("first"), "first-1")
    expect(hosting.addSeat("m", "first")).toMatchObject({ field: "service", refused: expect.stringContaining("is ending") })
    // Its next process is not.
    hosting.attach(service("first"), "first-2")
    expect(hosting.addSeat("m", "first")).toMatchObject({ attached: { instance: "first-2" } })
  })

  it("puts nothing of ours on the process of a service that has detached, before it says that it is there", () => {
    const { hosting } = new Processes()
    for (const instance of [...INSTANCES, "cpu-scheduler-9"]) hosting.onAlive(0, alive(instance))
    hosting.attach(service("first"), "cpu-scheduler-9")
    hosting.detach("first")
    hosting.create(free)
    const hosts = (): Set<string> => new Set([...(hosting.machines.get("m")?.places.values() ?? [])].map(({ instance }) => instance))
    expect(hosts()).not.toContain("cpu-scheduler-9")
    hosting.destroy("m")
    hosting.onAlive(1, alive("cpu-scheduler-9"))
    hosting.create(free)
    expect(hosts()).toContain("cpu-scheduler-9")
  })

  // Found by the test of an orderly goodbye: who came after a service that had been ejected never got a word in.
  it("gives the seat of a service that has detached to the next one, whose process plays it", () => {
    const machine = new Processes()
    machine.hear(0)
    const { hosting } = machine
    hosting.create({ ...spec, clock: { ...spec.clock, mode: "free" } })
    const seatOf = (name: string, instance: string): readonly HostingRequest[] => {
      hosting.attach(service(name), instance)
      const given = hosting.addSeat("m", name)
      if ("refused" in given) throw new Error(given.refused)
      return given.requests
    }
    const [actor] = (seatOf("first", "first-1")[0]?.actors ?? []) as [ActorId]
    hosting.onHosted("m", [actor])
    expect(seatOf("first", "first-1")).toEqual([])
    hosting.detach("first")
    expect(seatOf("second", "second-1")).toEqual([{ op: "host", instance: "second-1", machine: "m", epoch: 2, actors: [actor] }])
    expect(hosting.machines.get("m")?.places.get(actor)).toMatchObject({ instance: "second-1", service: "second" })
  })
})

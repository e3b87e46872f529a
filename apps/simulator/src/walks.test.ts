/** The walks of the root README: which messages lie between a cause and its effect, counted in a real run. */
import { readFileSync } from "node:fs"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import { describe, expect, it } from "vitest"
import { actorsWith } from "./machine-actors.ts"
import { MemoryImages } from "./memory-images.ts"
import { machineWorld, outcomeOf } from "./simulate.ts"

interface Sent {
  /** Whole hops since the tick began: every message takes the same time. */
  readonly hop: number
  readonly kind: string
  readonly from: ActorId
  readonly to: ActorId
}

/** Level reports and answers about the past, which come at their own pace. */
const BESIDE = new Set(["NodeReport", "ScheduleAsk", "SchedulePage", "LeaseReport", "MemoryUp", "NodeUp", "SchedulerAttach"])

/** What was said in one tick of a run, as `hop kind from → to`. */
function saidIn(tick: number, scenario: unknown): readonly string[] {
  const spec = resolveMachineSpec(scenario)
  const world = machineWorld(spec, { fingerprint: "off", stepsMax: 500_000 })
  const ticks = new TickClock(spec.clock)
  const sent: Sent[] = []
  world.onMessage(({ from, to, body }) => {
    const since = world.now - ticks.start(tick)
    if (since < 0 || since >= spec.clock.tickCycles || BESIDE.has(body.kind)) return
    sent.push({ hop: since / spec.clock.latencyCycles, kind: body.kind, from, to })
  })
  world.run({ until: ticks.start(tick + 1), stop: () => outcomeOf(world) !== null })
  return sent.map(({ hop, kind, from, to }) => `${hop} ${kind} ${from} → ${to}`)
}

const job = (name: string, run: number, arrival = 0): unknown => ({ name, run, workingSet: 500, arrival })
const kindsOf = (said: readonly string[]): readonly string[] => said.map((line) => line.split(" ")[1] ?? "")

describe("the walks of the README", () => {
  it("schedule: 2 messages, the event that ends a slice asks for the next", () => {
    expect(saidIn(10, { topology: { cpus: 1 }, jobs: [job("a", 50), job("b", 50)] })).toEqual([
      "0 SchedulerEvents node.0 → scheduler.all",
      "1 SchedulerCommit scheduler.all → node.0",
    ])
  })

  it("start of a job: 5 messages, once it is on disk; what is accepted is told beside the path", () => {
    expect(saidIn(5, { topology: { cpus: 1 }, jobs: [job("a", 50, 5)] })).toEqual([
      "10 TaskSubmit hypervisor.0 → node.0",
      "11 FrameLeaseAsk node.0 → memory.0",
      "12 FrameLeaseGrant memory.0 → node.0",
      "13 TaskAccepted node.0 → hypervisor.0",
      "13 SchedulerEvents node.0 → scheduler.all",
      "14 SchedulerCommit scheduler.all → node.0",
    ])
  })

  it("end of a job: 2 messages until another runs; the result (seen when on disk) and the frames go beside the path", () => {
    expect(saidIn(5, { topology: { cpus: 1 }, jobs: [job("a", 5), job("b", 50)] })).toEqual([
      "0 TaskFinished node.0 → hypervisor.0",
      "0 FrameRelease node.0 → memory.0",
      "0 SchedulerEvents node.0 → scheduler.all",
      "1 FrameReleased memory.0 → node.0",
      "1 SchedulerCommit scheduler.all → node.0",
      "11 TaskFinishedSeen hypervisor.0 → node.0",
    ])
  })

  it("move to another node: 4 messages, fetched by the node whose CPU is to run it", () => {
    const said = saidIn(10, { topology: { cpus: 2, nodes: 2 }, jobs: [job("a", 50), job("b", 50), job("c", 50)] })
    expect(said.filter((line) => line.includes("Task"))).toEqual([
      "2 TaskFetch node.1 → node.0",
      "3 TaskState node.0 → node.1",
      "4 TaskReceived node.1 → node.0",
      "4 TaskMoved node.1 → hypervisor.0",
    ])
    expect(said).toContain("0 SchedulerEvents node.1 → scheduler.all")
    expect(said).toContain("1 SchedulerCommit scheduler.all → node.1")
  })

  it("trap on the bus: 2 messages, from the exit to the entry; resident: none", () => {
    const images = new MemoryImages()
    const guest = readManifest().guests.find(({ name }) => name === "traps")!
    const kernel = images.add(readFileSync(imagePath(guest)))
    const walk = (trapPath: string): readonly string[] => {
      const vms = [{ name: "vm", kernel, memoryBytes: 1 << 23, instructionsPerTick: 20_000, trapPath }]
      const spec = resolveMachineSpec({ topology: { cpus: 1 }, vms })
      const world = machineWorld(spec, { fingerprint: "off", stepsMax: 500_000 }, actorsWith(images))
      const said: string[] = []
      world.onMessage(({ from, to, body }) => {
        const sequence = "sequence" in body ? String(body.sequence) : ""
        if (body.kind.startsWith("VmE")) said.push(`${sequence} ${body.kind} ${from} → ${to}`)
      })
      world.run({ stop: () => outcomeOf(world) !== null })
      expect(outcomeOf(world)).toMatchObject({ result: { vms: { vm: { outcome: { exit: 0 } } } } })
      return said
    }
    const said = walk("bus")
    expect(said.slice(0, 4)).toEqual([
      "1 VmExit node.0 → hypervisor.0",
      "1 VmEntry hypervisor.0 → node.0",
      "2 VmExit node.0 → hypervisor.0",
      "2 VmEntry hypervisor.0 → node.0",
    ])
    expect(new Set(said).size).toBe(said.length)
    expect(walk("resident")).toEqual([])
  })

  const idleAtFive = { topology: { cpus: 2 }, jobs: [job("a", 50), job("b", 5), job("c", 50)] }

  it("steal by looking (mqms-steal): 4 messages, the node that holds the task answers the thief", () => {
    const said = kindsOf(saidIn(5, { ...idleAtFive, schedule: { policy: "mqms-steal", peekTicks: 5 } }))
    expect(said.slice(said.indexOf("StealAsk")).filter((kind) => kind !== "SchedulerVerdicts")).toEqual([
      "StealAsk",
      "SchedulerCommit",
      "SchedulerEvents",
      "SchedulerCommit",
    ])
  })

  it("steal by offers (mqms-warm): 6 messages, the offers come first", () => {
    const said = kindsOf(saidIn(5, { ...idleAtFive, schedule: { policy: "mqms-warm" } }))
    expect(said.slice(said.indexOf("OfferAsk")).filter((kind) => kind !== "SchedulerVerdicts")).toEqual([
      "OfferAsk",
      "OfferAnswer",
      "StealAsk",
      "SchedulerCommit",
      "SchedulerEvents",
      "SchedulerCommit",
    ])
  })
})

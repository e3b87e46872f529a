/** The scenario files that a user is told to try: each runs to its end here, and shows what its comment says. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { SpanRecorder } from "@backplane/foundation-simulation/span-recorder"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import { HypervisorMachine } from "@backplane/trap-hypervisor/hypervisor"
import type { RunResult } from "@backplane/trap-hypervisor/run-result"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"
import { actorsWith } from "./machine-actors.ts"
import { MemoryImages } from "./memory-images.ts"
import { machineWorld, outcomeOf, simulate, type RunOutcome } from "./simulate.ts"

const FOLDER = join(import.meta.dirname, "../../hypervisor/scenarios")
const STEPS_MAX = 2_000_000

const images = new MemoryImages()

function read(name: string): MachineSpec {
  const guest = ({ file }: { readonly file: string }): string => readFileSync(join(FOLDER, file), "base64")
  return resolveMachineSpec(parse(readFileSync(join(FOLDER, name), "utf8")), guest, (file) => images.add(readFileSync(join(FOLDER, file))))
}

function resultOf(outcome: RunOutcome | null): RunResult {
  if (outcome === null || !("result" in outcome)) throw new Error(`the run ended without a result: ${JSON.stringify(outcome)}`)
  return outcome.result
}

const run = (name: string): RunResult => resultOf(simulate(read(name), { fingerprint: "off", stepsMax: STEPS_MAX }, actorsWith(images)))
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
const warmOf = (result: RunResult): number => mean(result.cpus.map((cpu) => cpu.warm / cpu.utilization))

describe("scenario files", () => {
  it("are all tried here", () => {
    expect(readdirSync(FOLDER).sort()).toEqual([
      "a-job-moves.yaml",
      "a-vm-moves.yaml",
      "a-vm-over-two-nodes.yaml",
      "default.yaml",
      "eight-cpus-many-queues.yaml",
      "eight-cpus-one-queue.yaml",
      "guests.yaml",
      "restartable-jobs.yaml",
      "swap-at-a-tick.yaml",
      "vms-short-of-frames.yaml",
      "vms.yaml",
    ])
  })

  it("a-job-moves.yaml: c moves to node 0, and one trace goes from the idle CPU over scheduler and both nodes to the hypervisor", () => {
    const recorder = new SpanRecorder()
    const { migrations } = resultOf(simulate(read("a-job-moves.yaml"), { spans: recorder, fingerprint: "off" }))
    expect(migrations).toBeGreaterThan(0)
    const last = recorder.spans.findLast((span) => span.name === "migrate")
    const trace = recorder.spans.filter((span) => span.traceId === last?.traceId)
    expect(last?.attributes).toMatchObject({ "backplane.task": "c", "backplane.to": "cpu 0" })
    expect([...new Set(trace.map((span) => span.actor))].sort()).toEqual(["hypervisor.0", "node.0", "node.1", "scheduler.all"])
    expect(trace.map((span) => span.name)).toEqual(
      expect.arrayContaining(["sched.decide", "sched.pick", "handle TaskFetch", "sched.dispatch"]),
    )
  })

  it("a-vm-moves.yaml: a VM goes to another node and back in mid-work, and ends as the one that stays", () => {
    const events: string[] = []
    const world = machineWorld(read("a-vm-moves.yaml"), { fingerprint: "off", stepsMax: STEPS_MAX }, actorsWith(images))
    world.onEvent((_at, _actor, { name }) => void (name.startsWith("vm-move") && events.push(name)))
    world.run({ stop: () => outcomeOf(world) !== null })
    const { vms = {} } = resultOf(outcomeOf(world))
    expect(events).toEqual(["vm-moved", "vm-moved"])
    expect(vms["moves"]).toMatchObject({ state: "ended", boots: 1, outcome: { exit: 0, reason: "shutdown" } })
    expect(vms["moves"]?.outcome).toEqual(vms["stays"]?.outcome)
  })

  it("a-vm-over-two-nodes.yaml: four harts on two nodes run the kernel's programs, beside jobs, and both nodes had its pages", () => {
    const spec = read("a-vm-over-two-nodes.yaml")
    const world = machineWorld(spec, { fingerprint: "off", stepsMax: STEPS_MAX }, actorsWith(images))
    const sent = new Map<string, number>()
    world.onMessage(({ from, body }) => {
      if (body.kind === "PageData" || (body.kind === "PagesRun" && "of" in body && body.of === "PageData"))
        sent.set(from, (sent.get(from) ?? 0) + 1)
    })
    world.run({ stop: () => outcomeOf(world) !== null })
    const { vms = {}, jobs } = resultOf(outcomeOf(world))
    expect(vms["wide"]).toMatchObject({ state: "ended", boots: 1, outcome: { exit: 0, reason: "shutdown" } })
    for (const line of ["kernel: 4 harts", "primes: below=300 found=62 sum=8275", "pingpong: count=20", "forks: count=3"])
      expect(vms["wide"]?.outcome?.console).toContain(line)
    expect([Object.values(jobs).includes(null), (sent.get("node.0") ?? 0) > 20, (sent.get("node.1") ?? 0) > 20]).toEqual([
      false,
      true,
      true,
    ])
  })

  it("default.yaml stays busy on every CPU and never ends", () => {
    const spec = read("default.yaml")
    const world = machineWorld(spec, { fingerprint: "off", stepsMax: STEPS_MAX }, actorsWith(images))
    world.run({ until: new TickClock(spec.clock).start(1000) })
    expect(outcomeOf(world)).toBeNull()
    const { vms } = world.inspect(HYPERVISOR, HypervisorMachine)!.inspect() as unknown as { vms: { state: string; consoleBytes: number }[] }
    expect(vms.map(({ state, consoleBytes }) => [state, consoleBytes > 80])).toEqual(Array(3).fill(["running", true]))
    const counts = new Map<string, number>()
    world.onMessage(({ body }) => void counts.set(body.kind, (counts.get(body.kind) ?? 0) + 1))
    world.run({ until: new TickClock(spec.clock).start(1200) })
    expect(counts.get("TaskFinished")).toBeGreaterThan(1)
    expect(counts.get("SchedulerCommit")).toBeGreaterThan(40)
  })

  it("vms.yaml: five kernels run their programs and power off; the mode makes no difference to what they compute", () => {
    const { vms = {} } = run("vms.yaml")
    expect(vms).toMatchObject({ trap: { state: "ended" }, assist: { state: "ended" }, heavy: { state: "ended", outcome: { exit: 0 } } })
    expect(vms["bus"]).toMatchObject({ state: "ended", outcome: { exit: 0, reason: "shutdown" } })
    // Of two vCPUs: what it ends in depends on when each had a CPU, which is the same here and over NATS in lock-step (live-vms.system.test.ts).
    expect(vms["pair"]).toMatchObject({ state: "ended", outcome: { exit: 0, state: expect.stringMatching(/^[0-9a-f]{16}$/) } })
    expect(vms["pair"]?.outcome?.console).toContain("kernel: 2 harts")
    const [trap, assist] = [vms["trap"]?.outcome, vms["assist"]?.outcome]
    expect(trap).toMatchObject({ exit: 0, reason: "shutdown" })
    expect([assist?.state, assist?.instructions, assist?.console]).toEqual([trap?.state, trap?.instructions, trap?.console])
  })

  it("vms-short-of-frames.yaml: pages go out and come in, equal ones lie together, and the guests end as where there is a frame for each page", () => {
    const short = read("vms-short-of-frames.yaml")
    const told = new Set<string>()
    const ends = (spec: MachineSpec): readonly unknown[] => {
      const running = machineWorld(spec, { fingerprint: "off", stepsMax: STEPS_MAX }, actorsWith(images))
      running.onEvent((_at, _actor, { name, fields }) => {
        if (name === "vm-memory") for (const [field, value] of Object.entries(fields ?? {})) if (Number(value) > 0) told.add(field)
      })
      running.run({ stop: () => outcomeOf(running) !== null })
      const { vms = {} } = resultOf(outcomeOf(running))
      return [vms["one"]?.outcome, vms["two"]?.outcome, vms["three"]?.outcome]
    }
    const whole = ends({ ...short, topology: { ...short.topology, framesPerNode: 8192 } })
    expect([whole.map((outcome) => outcome !== null && outcome !== undefined), told.has("backplane.swapped")]).toEqual([
      [true, true, true],
      false,
    ])
    expect(ends(short)).toEqual(whole)
    for (const field of ["pages", "saved", "swapped", "ins"]) expect([field, told.has(`backplane.${field}`)]).toEqual([field, true])
  })

  it("one queue for eight CPUs is in use nearly always and seldom warm; many queues are the other way round, with the same jobs", () => {
    const [one, many] = [run("eight-cpus-one-queue.yaml"), run("eight-cpus-many-queues.yaml")]
    expect(read("eight-cpus-one-queue.yaml").jobs).toEqual(read("eight-cpus-many-queues.yaml").jobs)
    expect(mean(one.cpus.map((cpu) => cpu.utilization))).toBeGreaterThan(mean(many.cpus.map((cpu) => cpu.utilization)))
    expect(warmOf(many)).toBeGreaterThan(2 * warmOf(one))
    expect([many.migrations, one.migrations > 50]).toEqual([0, true])
  })

  it("a swap to mqms-warm in the middle ends sooner than mqms alone, and no job is lost or run twice", () => {
    const [swapped, alone] = [run("swap-at-a-tick.yaml"), run("eight-cpus-many-queues.yaml")]
    expect(swapped.finish).toBeLessThan(alone.finish)
    expect(Object.values(swapped.jobs)).not.toContain(null)
    const before = (result: RunResult): unknown =>
      result.schedule.map((cpu) =>
        Array.from({ length: 60 }, (_, tick) => cpu.find(([from, to]) => from <= tick && tick < to)?.[2] ?? null),
      )
    expect(before(swapped)).toEqual(before(alone))
  })

  it("guests end as they do alone, whatever moves them: equal programs in equal states, and the failures that were asked for", () => {
    const { guests = {}, migrations } = run("guests.yaml")
    const [a, b, c] = [guests["bench-a"], guests["bench-b"], guests["bench-c"]]
    expect(migrations).toBeGreaterThan(0)
    expect(a?.exit).toBe(0)
    expect([b?.state, c?.state]).toEqual([a?.state, a?.state])
    expect([guests["fail"]?.exit, guests["sleep"]?.exit, guests["spin"]?.exit]).toEqual([42, 124, 124])
  })

  it("restartable jobs end although node 1 dies and comes back; the one that is not restartable is named", () => {
    const spec = read("restartable-jobs.yaml")
    const world = machineWorld(spec, { fingerprint: "off", stepsMax: STEPS_MAX })
    const ticks = new TickClock(spec.clock)
    world.at(ticks.start(150), () => world.crash(actorId("node.1")))
    world.at(ticks.start(200), () => world.restart(actorId("node.1")))
    world.run({ until: ticks.start(20_000), stop: () => outcomeOf(world) !== null })
    const result = resultOf(outcomeOf(world))
    expect(result.lost).toEqual(["once"])
    expect(result.restarts).toBeGreaterThan(0)
    expect(Object.entries(result.jobs).flatMap(([name, finish]) => (finish === null ? [name] : []))).toEqual(["once"])
  })
})

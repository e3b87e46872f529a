/**
 * Virtual machines that move to another node in mid-work: they end as ones that stay, whoever is killed at whatever step, and there is never more than one.
 */
import { readFileSync } from "node:fs"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { SpanRecorder } from "@backplane/foundation-simulation/span-recorder"
import { HostedVm } from "@backplane/trap-vm-host/hosted-vm"
import { PhysicalMap } from "@backplane/trap-vmm/physical-map"
import { afterEach, describe, expect, it, vi } from "vitest"
import { end, HYPERVISOR, MOVE_TICK, movingVms, NOTHING, remains, SOURCE, TARGET } from "./testing/moving-vm.ts"

const { kernel, machine, moved, stayed, world } = movingVms((name) =>
  readFileSync(imagePath(readManifest().guests.find((each) => each.name === name)!)),
)

// Much is simulated here; how long that takes says nothing.
vi.setConfig({ testTimeout: 120_000 })

afterEach(() => {
  vi.restoreAllMocks()
})

describe("a VM that moves in mid-work", () => {
  it.each([
    ["timer", {}],
    ["paging", {}],
    ["traps", { mode: "assist" }],
    ["traps", { trapPath: "bus" }],
    ["paging", { mode: "assist", mmu: "nested" }],
  ])("%s with %j ends in the state in which it ends where it stays", (guest, more) => {
    const { events, outcome } = moved(machine(guest, MOVE_TICK, more))
    expect(events).toMatchObject([
      { name: "vm-moved", fields: { "backplane.from": 0, "backplane.to": 1, "backplane.downtime": expect.any(Number) } },
    ])
    expect(outcome).toMatchObject({ result: { vms: { guest: { state: "ended", boots: 1, outcome: stayed(guest) } } } })
  })

  it("is one trace, from the hypervisor over both nodes, with what was sent and how long it stood still", () => {
    const recorder = new SpanRecorder()
    moved(machine("paging", MOVE_TICK), { spans: recorder })
    const move = recorder.spans.find(({ name }) => name === "vm.move")!
    expect(move.attributes).toMatchObject({ "backplane.from": 0, "backplane.to": 1, "backplane.pages": expect.any(Number) })
    const trace = recorder.spans.filter(({ traceId }) => traceId === move.traceId)
    expect([...new Set(trace.map(({ actor }) => String(actor)))].sort()).toEqual(
      expect.arrayContaining(["hypervisor.0", "node.0", "node.1"]),
    )
    expect(trace.map(({ name }) => name)).toEqual(expect.arrayContaining(["vm.stop", "vm.copy", "handle VmPlace"]))
  })

  it("and back again, and again", () => {
    const spec = machine("timer", MOVE_TICK)
    const actions = [12, 40, 70, 100].map((atTick, index) => ({ atTick, vm: { name: "guest", node: (index + 1) % 2 } }))
    const { events, outcome } = moved({ ...spec, actions })
    expect(events.map(({ name }) => name)).toEqual(["vm-moved", "vm-moved", "vm-moved", "vm-moved"])
    expect(outcome).toMatchObject({ result: { vms: { guest: { state: "ended", boots: 1, outcome: stayed("timer") } } } })
  })

  it("over a bus that loses, doubles and reorders", () => {
    for (const seed of [1, 2, 3]) {
      const faults = { until: 2_000_000_000, loss: 0.1, duplication: 0.1, reordering: 0.2, delay: { min: 50, max: 400 } }
      const { outcome } = moved({ ...machine("paging", MOVE_TICK), seed }, { faults })
      expect([seed, outcome]).toMatchObject([seed, { result: { vms: { guest: { state: "ended", outcome: stayed("paging") } } } }])
    }
  })

  it("stays where there is no room for it, and says why", () => {
    const large = { name: "large", kernel: kernel("spin"), memoryBytes: 14 << 20, instructionsPerTick: 10, node: 1, instructionsMax: 2_000 }
    const { events, outcome } = moved(machine("paging", MOVE_TICK, {}, [large]))
    expect(events).toMatchObject([
      { name: "vm-move-off", fields: { "backplane.reason": expect.stringContaining("memoryBytes: node 1 has") } },
    ])
    expect(outcome).toMatchObject({ result: { vms: { guest: { state: "ended", boots: 1, outcome: stayed("paging") } } } })
  })
})

/** What is sent in the course of a move, in order; the moment of each is a moment to be killed in. */
const STEPS = ["VmMoveIn", "VmMoveReady", "VmMoveOut", "VmPart", "VmPartAsk", "VmMoveTaken", "VmPlace", "VmPlaced", "VmControl"] as const

describe("a move in which somebody is killed", () => {
  const cases = STEPS.flatMap((step) => [SOURCE, TARGET, HYPERVISOR].map((victim) => [step, victim] as const))
  it.each(cases)("at %s: %s. There is one VM, and it ends as ever", (step, victim) => {
    const spec = machine("paging", MOVE_TICK)
    const running = world(spec)
    let isMoving = false
    let isHit = false
    running.onMessage(({ body }) => {
      isMoving ||= body.kind === "VmMoveIn"
      isHit ||= isMoving && body.kind === step
    })
    end(running, () => isHit)
    expect(isHit).toBe(true)
    running.crash(victim)
    running.run({ until: (Number(running.now) + 30 * spec.clock.tickCycles) as never })
    running.restart(victim)
    const outcome = end(running)
    expect(outcome).toMatchObject({ result: { vms: { guest: { state: "ended", outcome: stayed("paging") } } } })
    const { boots } = (outcome as { readonly result: { readonly vms: { readonly guest: { readonly boots: number } } } }).result.vms.guest
    // Only the death of the node that has it costs a boot.
    if (victim === HYPERVISOR) expect(boots).toBe(1)
    expect(boots).toBeLessThanOrEqual(2)
    expect(remains(running, spec)).toEqual([NOTHING, NOTHING])
  })

  it("under drawn faults: lost messages, and crashes that lose what was not on disk", () => {
    for (let seed = 1; seed <= 8; seed++) {
      const spec = { ...machine("timer", MOVE_TICK), seed }
      const actions = [10, 25, 40, 55, 70].map((atTick, index) => ({ atTick, vm: { name: "guest", node: (index + 1) % 2 } }))
      const tick = spec.clock.tickCycles
      const faults = {
        ...{ until: 90 * tick, loss: 0.05, duplication: 0.05, reordering: 0.1, delay: { min: 50, max: tick } },
        crash: { every: { min: 3 * tick, max: 25 * tick }, down: { min: tick, max: 6 * tick }, loseUnsynced: 0.5 },
      }
      const running = world({ ...spec, actions }, { faults })
      const outcome = end(running)
      expect([seed, outcome]).toMatchObject([seed, { result: { vms: { guest: { state: "ended", outcome: stayed("timer") } } } }])
      expect([seed, ...remains(running, spec)]).toEqual([seed, NOTHING, NOTHING])
    }
  })
})

describe("a bug that is planted in the move is seen", () => {
  it("the source runs on", () => {
    // A slow bus: in the time that a move takes the scheduler puts it on a CPU again.
    const spec = machine("timer", 40)
    const slow = { ...spec, clock: { ...spec.clock, mode: "free" as const, latencyCycles: 3 * spec.clock.tickCycles } }
    expect(moved(slow).events).toMatchObject([{ name: "vm-moved" }])
    vi.spyOn(HostedVm.prototype, "freeze").mockImplementation(() => undefined)
    expect(() => moved(slow)).toThrow(/D1: a VM that is leaving runs no instruction|it runs on node.0 and node.1/)
  })

  it("a page that was written is not sent", () => {
    const pages = PhysicalMap.prototype.changedPages
    vi.spyOn(PhysicalMap.prototype, "changedPages").mockImplementation(function (this: PhysicalMap) {
      return pages.call(this).slice(0, -1)
    })
    const wrong = ((): unknown => {
      try {
        return moved(machine("paging", MOVE_TICK)).outcome
      } catch (error) {
        return String(error)
      }
    })()
    vi.restoreAllMocks()
    expect(wrong).not.toMatchObject({ result: { vms: { guest: { outcome: stayed("paging") } } } })
  })
})

/**
 * Virtual machines with more memory in use than is sent while they stand still: copied in rounds while they run, and the same as ones that stay, whoever is killed.
 */
import { readFileSync } from "node:fs"
import { kernelPath } from "@backplane/guests/build-kernel"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { SpanRecorder } from "@backplane/foundation-simulation/span-recorder"
import { PhysicalMap } from "@backplane/trap-vmm/physical-map"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { afterEach, describe, expect, it, vi } from "vitest"
import { end, HYPERVISOR, movingVms, NOTHING, remains, SOURCE, TARGET } from "./testing/moving-vm.ts"

const { machine, moved, stayed, world } = movingVms((name) => {
  const guest = readManifest().guests.find((each) => each.name === name)
  return readFileSync(guest === undefined ? kernelPath({ name }) : imagePath(guest))
})

/** A kernel that goes through 300 pages again and again, slowly, so that it is still at it when it stops. */
const WALKS = { append: "run=walk 300 40", memoryBytes: 8 << 20, instructionsPerTick: 2000 }
/** Somewhere in the middle of that. */
const TICK = 300
/** On a bus that is slow beside it: else all of a round would travel within a tick. */
const slow = (spec: MachineSpec): MachineSpec => ({
  ...spec,
  clock: { ...spec.clock, mode: "free", latencyCycles: spec.clock.tickCycles / 2 },
})
const walker = (more: object = {}): MachineSpec => slow(machine("kernel", TICK, { ...WALKS, ...more }))

// Much is simulated here; how long that takes says nothing.
vi.setConfig({ testTimeout: 120_000 })

afterEach(() => {
  vi.restoreAllMocks()
})

describe("a VM that moves with much memory", () => {
  it.each([{}, { mode: "assist", mmu: "nested" }])("%j: ends in the state in which it ends where it stays", (more) => {
    const recorder = new SpanRecorder()
    const { events, outcome } = moved(walker(more), { spans: recorder })
    expect(outcome).toMatchObject({
      result: { vms: { guest: { state: "ended", boots: 1, outcome: stayed("kernel", { ...WALKS, ...more }) } } },
    })
    expect(events).toMatchObject([{ name: "vm-moved" }])
    const copied = recorder.spans.find(({ name }) => name === "vm.pre-copy")!.attributes as Record<string, number>
    const stopped = recorder.spans.find(({ name }) => name === "vm.stop")!.attributes as Record<string, number>
    const move = recorder.spans.find(({ name }) => name === "vm.move")!.attributes as Record<string, number>
    expect([copied["backplane.rounds"]! >= 1, copied["backplane.count"]! > 200]).toEqual([true, true])
    // What was written meanwhile came once more.
    expect(stopped["backplane.count"]!).toBeGreaterThan(0)
    expect(move["backplane.pages"]).toBe(copied["backplane.count"]! + stopped["backplane.count"]!)
  })

  it("runs on for the greater part of the time that its memory travels", () => {
    const recorder = new SpanRecorder()
    const large = { append: "run=walk 1000 4", memoryBytes: 8 << 20, instructionsPerTick: 2000 }
    const { events } = moved(slow(machine("kernel", 1100, large)), { spans: recorder })
    const copied = recorder.spans.find(({ name }) => name === "vm.pre-copy") as unknown as { readonly start: number; readonly end: number }
    const { "backplane.downtime": downtime } = events[0]!.fields as { readonly "backplane.downtime": number }
    expect(downtime).toBeLessThan(copied.end - copied.start)
  })

  it("over a bus that loses, doubles and reorders: of each page the last copy holds good", () => {
    for (const seed of [1, 2, 3]) {
      const faults = { until: 2_000_000_000, loss: 0.1, duplication: 0.1, reordering: 0.2, delay: { min: 50, max: 2_000_000 } }
      const { outcome } = moved({ ...walker(), seed }, { faults })
      expect([seed, outcome]).toMatchObject([seed, { result: { vms: { guest: { state: "ended", outcome: stayed("kernel", WALKS) } } } }])
    }
  })
})

describe("a move in which somebody is killed while memory is copied", () => {
  const cases = [1, 4, 7].flatMap((part) => [SOURCE, TARGET, HYPERVISOR].map((victim) => [part, victim] as const))
  it.each(cases)("at part %i: %s. There is one VM, and it ends as ever", (part, victim) => {
    const spec = walker()
    const running = world(spec)
    let isHit = false
    running.onMessage(({ body }) => void (isHit ||= body.kind === "VmPart" && (body as unknown as { part: number }).part === part))
    end(running, () => isHit)
    expect(isHit).toBe(true)
    running.crash(victim)
    running.run({ until: (Number(running.now) + 30 * spec.clock.tickCycles) as never })
    running.restart(victim)
    const outcome = end(running)
    expect(outcome).toMatchObject({ result: { vms: { guest: { state: "ended", outcome: stayed("kernel", WALKS) } } } })
    expect(remains(running, spec)).toEqual([NOTHING, NOTHING])
  })

  it("ends while it is copied: there is nothing to be moved, and nothing is left", () => {
    // Its memory travels for six ticks.
    const short = { ...WALKS, append: "run=walk 300 1" }
    const { result } = moved(slow(machine("kernel", null, short))).outcome as { readonly result: { readonly finish: number } }
    const verdicts = new Set<string>()
    for (const before of [10, 6, 5, 4, 3, 2, 1]) {
      const tick = result.finish - before
      const spec = slow(machine("kernel", tick, short))
      const { running, events, outcome } = moved(spec)
      const guest = { state: "ended", boots: 1, outcome: stayed("kernel", short) }
      expect([tick, outcome]).toMatchObject([tick, { result: { vms: { guest } } }])
      expect(remains(running, spec)).toEqual([NOTHING, NOTHING])
      for (const { name } of events) verdicts.add(name)
    }
    expect([...verdicts].sort()).toEqual(["vm-move-off", "vm-moved"])
  })

  it("ends by an exit that is answered after it has stopped: the source says so, and nothing is left", () => {
    const bus = { trapPath: "bus" }
    const { result } = moved(slow(machine("traps", null, bus))).outcome as { readonly result: { readonly finish: number } }
    const { finish } = result
    const reasons: string[] = []
    for (let tick = finish - 6; tick < finish - 2; tick++) {
      const spec = slow(machine("traps", tick, bus))
      const { running, events, outcome } = moved(spec)
      expect([tick, outcome]).toMatchObject([
        tick,
        { result: { vms: { guest: { state: "ended", boots: 1, outcome: stayed("traps", bus) } } } },
      ])
      expect(remains(running, spec)).toEqual([NOTHING, NOTHING])
      for (const { fields } of events) reasons.push(String((fields as { readonly "backplane.reason"?: string })["backplane.reason"]))
    }
    expect(reasons.join()).toContain("node 0: it has ended")
  })
})

describe("a bug that is planted in the rounds is seen", () => {
  it("what was written after it was copied is not copied again", () => {
    const outcome = stayed("kernel", WALKS)
    const { changedPages } = PhysicalMap.prototype
    const seen = new WeakMap<PhysicalMap, Set<number>>()
    vi.spyOn(PhysicalMap.prototype, "changedPages").mockImplementation(function (this: PhysicalMap) {
      const before = seen.get(this) ?? new Set<number>()
      seen.set(this, before)
      const fresh = changedPages.call(this).filter((page) => !before.has(page))
      for (const page of fresh) before.add(page)
      return fresh
    })
    const wrong = ((): unknown => {
      try {
        return moved(walker()).outcome
      } catch (error) {
        return String(error)
      }
    })()
    expect(wrong).not.toMatchObject({ result: { vms: { guest: { outcome } } } })
  })
})

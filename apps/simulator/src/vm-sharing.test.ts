/** VMs of a node whose equal pages lie in one frame: the same ends as without, also over the bus, in a move, and after kills; what is saved is told. */
import { readFileSync } from "node:fs"
import { kernelPath } from "@backplane/guests/build-kernel"
import { SharedFrames } from "@backplane/trap-vmm/shared-frames"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { World } from "@backplane/foundation-simulation/world"
import { afterEach, describe, expect, it, vi } from "vitest"
import { outcomeOf } from "./simulate.ts"
import { end, HYPERVISOR, movingVms, NOTHING, remains, SOURCE, TARGET, viewOf } from "./testing/moving-vm.ts"

const { kernel, machine, moved, stayed, world } = movingVms((name) => readFileSync(kernelPath({ name })))

const WORK = { append: "run=forks 2; walk 200 8; pingpong 2", memoryBytes: 6 << 20, instructionsPerTick: 5000 }
const beside = (more: object = {}): object => ({ name: "beside", kernel: kernel("kernel"), node: 0, restartable: true, ...WORK, ...more })
const sharing = (spec: MachineSpec): MachineSpec => ({ ...spec, memory: { swapPages: 0, vms: { share: true } } })
const pair = (move: number | null, more: object = {}): MachineSpec => sharing(machine("kernel", move, { ...WORK, ...more }, [beside(more)]))

interface Told {
  readonly saved: number
  readonly count: number
}

/** What the nodes told of their VMs' frames. */
function told(running: World): Told[] {
  const all: Told[] = []
  running.onEvent((_at, _actor, { name, fields }) => {
    if (name !== "vm-memory") return
    const { "backplane.saved": saved, "backplane.count": count } = fields as unknown as {
      "backplane.saved": number
      "backplane.count": number
    }
    all.push({ saved, count })
  })
  return all
}

/** To the end, without a look at every message. */
function finish(running: World): object {
  running.run({ stop: () => outcomeOf(running) !== null })
  return outcomeOf(running) ?? {}
}

// Much is simulated here; how long that takes says nothing.
vi.setConfig({ testTimeout: 120_000 })

afterEach(() => {
  vi.restoreAllMocks()
})

describe("VMs of a node whose equal pages lie together", () => {
  it.each([{}, { mode: "assist", mmu: "nested" }])("%j: end as ever, and the node says what it saves", (more) => {
    const guest = stayed("kernel", { ...WORK, ...more })
    const running = world(pair(null, more))
    const events = told(running)
    expect(finish(running)).toMatchObject({ result: { vms: { guest: { outcome: guest }, beside: { outcome: guest } } } })
    expect(Math.max(...events.map(({ saved }) => saved))).toBeGreaterThan(20)
    expect(events.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThan(10)
  })

  it("also where their exits go to the hypervisor", () => {
    const work = { append: "run=walk 60 2" }
    const guest = stayed("kernel", { ...WORK, ...work })
    const running = world(pair(null, { ...work, trapPath: "bus" }))
    const events = told(running)
    expect(finish(running)).toMatchObject({ result: { vms: { guest: { outcome: guest }, beside: { outcome: guest } } } })
    expect(Math.max(...events.map(({ saved }) => saved))).toBeGreaterThan(10)
  })

  it("a machine that does not ask for it shares nothing", () => {
    const running = world({ ...pair(null), memory: { swapPages: 0 } })
    const events = told(running)
    finish(running)
    expect([events, viewOf(running, SOURCE)]).toMatchObject([[], { vms: { memory: { sharing: { broken: 0 } } } }])
  })

  it("an exit in which a page gets a frame of its own is told by that name", () => {
    const running = world(pair(null))
    running.run({ stop: () => JSON.stringify(viewOf(running, SOURCE) ?? {}).includes('"unshare"') || outcomeOf(running) !== null })
    expect(outcomeOf(running)).toBe(null)
  })

  it("one of them moves while it runs: to a node where nothing is equal, and frames stay with who is left", () => {
    const guest = stayed("kernel", WORK)
    const { running, events, outcome } = moved(pair(150))
    expect(outcome).toMatchObject({ result: { vms: { guest: { outcome: guest }, beside: { outcome: guest } } } })
    expect(events).toMatchObject([{ name: "vm-moved" }])
    expect(remains(running, pair(150))).toEqual([NOTHING, NOTHING])
  })

  it.each([SOURCE, TARGET, HYPERVISOR])("%s is killed while one of them moves", (victim) => {
    const spec = pair(150)
    const running = world(spec)
    let isHit = false
    running.onMessage(({ body }) => void (isHit ||= body.kind === "VmPart"))
    end(running, () => isHit)
    expect(isHit).toBe(true)
    running.crash(victim)
    running.run({ until: (Number(running.now) + 30 * spec.clock.tickCycles) as never })
    running.restart(victim)
    const guest = stayed("kernel", WORK)
    expect(end(running)).toMatchObject({ result: { vms: { guest: { outcome: guest }, beside: { outcome: guest } } } })
    expect(remains(running, spec)).toEqual([NOTHING, NOTHING])
  })

  it("a mistake that is planted there is seen: who writes gets a frame that others read", () => {
    const guest = stayed("kernel", WORK)
    vi.spyOn(SharedFrames.prototype, "takeOut").mockImplementation((frame) => frame)
    const wrong = ((): unknown => {
      try {
        return finish(world(pair(null)))
      } catch (error) {
        return String(error)
      }
    })()
    expect(wrong).not.toMatchObject({ result: { vms: { guest: { outcome: guest }, beside: { outcome: guest } } } })
  })
})

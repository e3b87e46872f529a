/** VMs of a node that has promised more memory than it has frames: all run to the end, as where there is a frame for every page; beyond the promise it says no. */
import { readFileSync } from "node:fs"
import { kernelPath } from "@backplane/guests/build-kernel"
import { FrameSwap } from "@backplane/trap-vmm/frame-swap"
import { Vmm } from "@backplane/trap-vmm/vmm"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { World } from "@backplane/foundation-simulation/world"
import { afterEach, describe, expect, it, vi } from "vitest"
import { outcomeOf } from "./simulate.ts"
import { HYPERVISOR, movingVms, SOURCE, TARGET } from "./testing/moving-vm.ts"

const { kernel, machine, stayed, world } = movingVms((name) => readFileSync(kernelPath({ name })))

/** Each VM uses some 260 pages and is promised 1,100 frames with its tables; the nodes have 500 each, and less where much is shared. */
const WORK = { append: "run=walk 200 3; forks 1", memoryBytes: 4 << 20, instructionsPerTick: 5000 }
const beside = (name: string, more: object = {}): object => ({
  name,
  kernel: kernel("kernel"),
  node: 0,
  restartable: true,
  ...WORK,
  ...more,
})
const short = (spec: MachineSpec, { share = false, swapPages = 3500, framesPerNode = 500 } = {}): MachineSpec => ({
  ...spec,
  topology: { ...spec.topology, framesPerNode },
  memory: { swapPages: 0, vms: { swapPages, ...(share && { share }) } },
})
const three = (move: number | null, more: object = {}, memory: object = {}): MachineSpec =>
  short(machine("kernel", move, { ...WORK, ...more }, [beside("beside", more), beside("third", more)]), memory)

function finish(running: World): object {
  running.run({ stop: () => outcomeOf(running) !== null })
  return outcomeOf(running) ?? {}
}

const all = (outcome: object): object => ({ result: { vms: { guest: { outcome }, beside: { outcome }, third: { outcome } } } })

// Much is simulated here; how long that takes says nothing.
vi.setConfig({ testTimeout: 120_000 })

afterEach(() => {
  vi.restoreAllMocks()
})

describe("VMs of a node that is short of frames", () => {
  it.each([
    [{}, {}],
    [
      { mode: "assist", mmu: "nested" },
      { share: true, framesPerNode: 400 },
    ],
  ])("%j %j: three end as one does alone, and the node says what went out", (more, memory) => {
    const guest = stayed("kernel", { ...WORK, ...more })
    const running = world(three(null, more, memory))
    const told: object[] = []
    running.onEvent((_at, _actor, { name, fields }) => void (name === "vm-memory" && told.push(fields ?? {})))
    expect(finish(running)).toMatchObject(all(guest))
    const swapped = told.map((fields) => (fields as { readonly "backplane.swapped": number })["backplane.swapped"])
    const ins = told.map((fields) => (fields as { readonly "backplane.ins": number })["backplane.ins"])
    expect([Math.max(...swapped) > 50, ins.reduce((sum, each) => sum + each, 0) > 50]).toEqual([true, true])
  })

  it("moves one of them away while it runs, its pages in the store included, whoever is killed", () => {
    const guest = stayed("kernel", WORK)
    for (const victim of [null, SOURCE, TARGET, HYPERVISOR]) {
      const spec = three(60)
      const running = world(spec)
      let isHit = false
      running.onMessage(({ body }) => void (isHit ||= body.kind === "VmPart"))
      running.run({ stop: () => isHit || outcomeOf(running) !== null })
      expect([victim, isHit]).toEqual([victim, true])
      if (victim !== null) {
        running.crash(victim)
        running.run({ until: (Number(running.now) + 30 * spec.clock.tickCycles) as never })
        running.restart(victim)
      }
      expect([victim, finish(running)]).toMatchObject([victim, all(guest)])
    }
  })

  it("refuses what goes beyond frames and room, with the field and the remedy, and the others run", () => {
    const spec = three(null, {}, { swapPages: 2000 })
    const outcome = finish(world(spec)) as { readonly result: { readonly vms: Readonly<Record<string, object>> } }
    const ends = Object.values(outcome.result.vms)
    expect(ends.filter((end) => JSON.stringify(end).includes("room in its swap file counted"))).toMatchObject([{ state: "refused" }])
    expect(ends.filter((end) => (end as { readonly state: string }).state === "ended").length).toBe(2)
  })

  it("is over where all are refused before the first tick", () => {
    const spec = short(machine("kernel", null, { ...WORK, memoryBytes: 64 << 20 }), { swapPages: 0 })
    expect(finish(world(spec))).toMatchObject({ result: { vms: { guest: { state: "refused" } } } })
  })

  it("waits for pages that go as for pages that come: the run is longer by both, and the guests do not notice", () => {
    const guest = stayed("kernel", WORK)
    // One guest alone: nobody runs while it waits.
    const spec = short(machine("kernel", null, WORK), { framesPerNode: 240, swapPages: 1200 })
    const endOf = (): number => {
      const running = world(spec)
      expect(finish(running)).toMatchObject({ result: { vms: { guest: { outcome: guest } } } })
      return Number(running.now)
    }
    const end = endOf()
    const { takePagesOut } = Vmm.prototype
    let outs = 0
    const free = vi.spyOn(Vmm.prototype, "takePagesOut").mockImplementation(function (this: Vmm) {
      outs += takePagesOut.call(this)
      return 0
    })
    const before = endOf()
    free.mockRestore()
    expect(outs).toBeGreaterThan(50)
    // Less than all: what a guest waits for while it would sleep, and what is left of a tick, costs nothing.
    expect((end - before) / (outs * 10_000)).toBeGreaterThan(0.5)
    expect((end - before) / (outs * 10_000)).toBeLessThanOrEqual(1)
  })

  it("a mistake that is planted there is seen: a page comes in empty", () => {
    const guest = stayed("kernel", WORK)
    const { bringIn } = FrameSwap.prototype
    vi.spyOn(FrameSwap.prototype, "bringIn").mockImplementation(function (this: FrameSwap, slot) {
      bringIn.call(this, slot)
      return new Uint8Array(4096)
    })
    const wrong = ((): unknown => {
      try {
        return finish(world(three(null)))
      } catch (error) {
        return String(error)
      }
    })()
    expect(wrong).not.toMatchObject(all(guest))
  })
})

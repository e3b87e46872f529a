/** Virtual machines over several nodes, in simulation: one guest, its vCPUs on two nodes, its memory coherent by page, whatever fails. */
import { readFileSync } from "node:fs"
import { actorId, actorKind, type ActorId } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { World } from "@backplane/foundation-simulation/world"
import type { WorldOptions } from "@backplane/foundation-simulation/world-options"
import { NodeMachine } from "@backplane/compute-node/node"
import { kernelPath } from "@backplane/guests/build-kernel"
import { imagePath, readManifest, type Guest } from "@backplane/guests/manifest"
import { MemoryControllerMachine } from "@backplane/memory-controller/memory-controller"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { HYPERVISOR, MEMORY_CONTROLLER } from "@backplane/scenario-machine/topology"
import type { VmEnd } from "@backplane/trap-hypervisor/run-result"
import { describe, expect, it, vi } from "vitest"
import { actorsWith, type ActorMaker } from "./machine-actors.ts"
import { machineWorld, outcomeOf } from "./simulate.ts"
import { MemoryImages } from "./memory-images.ts"
import { deafNode, placesSpan } from "./testing/deaf-node.ts"
import { nodeWithSpaces } from "./testing/planted-spaces.ts"
import { VmOperator } from "./vm-operator.ts"

const guest = (name: string): Guest => readManifest().guests.find((each) => each.name === name)!
const images = new MemoryImages()
const kernel = images.add(readFileSync(kernelPath({ name: "kernel" })))
const NODES = [actorId("node.0"), actorId("node.1")] as const
const FRAMES = 8_192

const vm = (name: string, more: object = {}) => ({
  name,
  kernel: images.add(readFileSync(imagePath(guest(name)))),
  cpus: guest(name).cpus,
  ...SHAPE,
  ...more,
})
const SHAPE = { memoryBytes: 8 << 20, instructionsPerTick: 20_000, span: [0, 1], mode: "assist" }
const teaching = (append: string, more: object = {}) => ({ name: "wide", kernel, cpus: 2, append, ...SHAPE, ...more })

function machine(input: object): MachineSpec {
  return resolveMachineSpec({
    topology: { nodes: 2, cpus: 2, framesPerNode: FRAMES },
    schedule: { policy: "cfs" },
    maxTicks: 20_000,
    ...input,
  })
}

function world(spec: MachineSpec, options: Partial<WorldOptions> = {}, make: ActorMaker = actorsWith(images)): World {
  return machineWorld(spec, { fingerprint: "off", stepsMax: 1_000_000, ...options }, make)
}

function end(running: World): Readonly<Record<string, VmEnd>> {
  running.run({ stop: () => outcomeOf(running) !== null })
  const outcome = outcomeOf(running)
  if (outcome === null || !("result" in outcome)) throw new Error(JSON.stringify(outcome))
  return outcome.result.vms ?? {}
}

interface NodeView {
  readonly tasks: readonly object[]
  readonly vms: { readonly framesLeft: number; readonly vms: readonly { readonly instructions: number; readonly pagesMoved: object }[] }
}
const viewsOf = (running: World): readonly NodeView[] =>
  NODES.map((node) => running.inspect(node, NodeMachine)!.inspect() as unknown as NodeView)
const spacesOf = (running: World): readonly string[] => [
  ...running.inspect(MEMORY_CONTROLLER, MemoryControllerMachine)!.directory().spaces().keys(),
]
/** Of the first VM, by node; -1: it has none. */
const executedBy = (running: World): readonly number[] =>
  NODES.map((node) => {
    const view = running.inspect(node, NodeMachine)?.inspect() as unknown as NodeView | undefined
    return view?.vms.vms[0]?.instructions ?? -1
  })
const later = (running: Pick<World, "now">, spec: MachineSpec, ticks: number) =>
  (Number(running.now) + ticks * spec.clock.tickCycles) as never

/** One node takes in nothing of that. */
function withDeaf(node: ActorId, misses: Parameters<typeof deafNode>[1]): ActorMaker {
  const made = actorsWith(images)
  return (of, id, incarnation) => (id === node ? deafNode(made(of, id, incarnation), misses) : made(of, id, incarnation))
}

vi.setConfig({ testTimeout: 60_000 })

/** A machine without VMs, and an operator who has one in mind. */
function operated(append: string, more: object = {}) {
  const spec = machine({ clock: { mode: "free" }, vms: [] })
  const running = world(spec)
  const [described] = machine({ vms: [teaching(append, { name: "busy", ...more })] }).vms ?? []
  return { running, operator: new VmOperator(running, spec.clock.tickCycles), described: described! }
}

describe("a VM over two nodes", () => {
  it.each([
    ["smp", { mode: "assist" }, "finisher"],
    ["smp", { mode: "trap" }, "finisher"],
    ["sbi", { mode: "assist" }, "shutdown"],
    ["sbi", { mode: "trap" }, "shutdown"],
  ] as const)("%s %j ends as it does on one, and both nodes have executed it", (name, more, reason) => {
    const running = world(machine({ vms: [vm(name, more)] }))
    let executed: readonly number[] = []
    running.onEvent((_at, _actor, { name: told }) => {
      if (told === "slice") executed = viewsOf(running).map(({ vms }, node) => vms.vms[0]?.instructions ?? executed[node] ?? 0)
    })
    expect(end(running)[name]).toMatchObject({ state: "ended", boots: 1, outcome: { exit: 0, reason, console: `${name}: ok\n` } })
    expect(executed.map((instructions) => instructions > 0)).toEqual([true, true])
  })

  it("our kernel boots four harts, runs on all of them and powers off, over two nodes and over three", () => {
    for (const [span, nodes] of [
      [[0, 1], 2],
      [[2, 0, 1], 3],
    ] as const) {
      const topology = { nodes, cpus: 6, framesPerNode: FRAMES }
      const ends = end(world(machine({ topology, vms: [teaching("run=primes 300; pingpong 20; forks 3", { cpus: 4, span })] })))
      expect([span, ends["wide"]]).toMatchObject([span, { state: "ended", outcome: { exit: 0, reason: "shutdown" } }])
      expect(ends["wide"]?.outcome?.console).toContain("kernel: 4 harts")
      expect(ends["wide"]?.outcome?.console).toContain("primes: below=300 found=62 sum=8275")
      expect(ends["wide"]?.outcome?.console).toContain("forks: count=3")
    }
  })

  it("ends the same while messages are lost, doubled and out of order", () => {
    for (const seed of [1, 2, 3]) {
      const faults = { until: 20_000_000_000, loss: 0.02, duplication: 0.03, reordering: 0.1, delay: { min: 50, max: 400 } } as never
      const ends = end(world(machine({ seed, vms: [teaching("run=primes 300; pingpong 5; forks 2"), vm("sbi")] }), { faults }))
      expect([seed, ends]).toMatchObject([seed, { wide: { outcome: { exit: 0 } }, sbi: { outcome: { exit: 0, reason: "shutdown" } } }])
      expect(ends["wide"]?.outcome?.console).toContain("primes: below=300 found=62 sum=8275")
    }
  })

  it("goes on while the memory controller is killed and restarted again and again", () => {
    const spec = machine({ vms: [teaching("run=primes 400; pingpong 20; forks 3", { instructionsPerTick: 5_000 })] })
    const running = world(spec)
    let kills = 0
    while (outcomeOf(running) === null) {
      running.run({ until: later(running, spec, 7), stop: () => outcomeOf(running) !== null })
      if (outcomeOf(running) !== null) break
      running.crash(MEMORY_CONTROLLER)
      running.run({ until: later(running, spec, 1) })
      running.restart(MEMORY_CONTROLLER)
      kills++
    }
    expect(outcomeOf(running)).toMatchObject({ result: { vms: { wide: { state: "ended", outcome: { exit: 0 } } } } })
    expect(kills).toBeGreaterThan(3)
  })

  it("notices where CPUs keep what they may do with pages that were taken away", () => {
    const spec = machine({ maxTicks: 1_500, vms: [vm("smp")] })
    const made = actorsWith(images)
    const planted = (which: Parameters<typeof nodeWithSpaces>[1]): ActorMaker => {
      return (of, id, incarnation) =>
        actorKind(id) === "node" ? nodeWithSpaces({ spec: of, id, incarnation }, which) : made(of, id, incarnation)
    }
    expect(end(world(spec, {}, planted("right")))).toMatchObject({ smp: { outcome: { exit: 0 } } })
    const running = world(spec, {}, planted("rights-stay"))
    running.run({ stop: () => outcomeOf(running) !== null })
    expect(outcomeOf(running)).not.toMatchObject({ result: { vms: { smp: { outcome: { exit: 0 } } } } })
  })
})

describe("the lives of a VM over two nodes", () => {
  const slow = (more: object = {}) => vm("smp", { instructionsPerTick: 2_000, ...more })

  it("with either node it is lost, by name; a restartable one boots again", () => {
    for (const victim of NODES) {
      const spec = machine({ vms: [slow({ restartable: true }), { ...slow(), name: "once" }] })
      const running = world(spec)
      running.run({ until: later(running, spec, 60) })
      running.crash(victim)
      running.run({ until: later(running, spec, 1) })
      running.restart(victim)
      const ends = end(running)
      expect([victim, ends["smp"]]).toMatchObject([victim, { state: "ended", boots: 2, outcome: { exit: 0 } }])
      expect([victim, ends["once"]]).toMatchObject([victim, { state: "lost", reason: expect.stringContaining(victim.replace(".", " ")) }])
      running.run({ until: later(running, spec, 100) })
      expect(viewsOf(running).map(({ tasks, vms }) => [tasks.length, vms.vms.length])).toEqual([
        [0, 0],
        [0, 0],
      ])
      expect(spacesOf(running)).toEqual([])
    }
  })

  it("is begun once and ended once, whenever the hypervisor is killed: its memory is forgotten all the same", () => {
    for (const messages of [1, 2]) {
      for (const kind of ["VmPlaced", "TaskAccepted", "TaskFinished", "VmControlled", "MemoryAnswer"]) {
        const spec = machine({ vms: [vm("sbi", { instructionsPerTick: 2_000 })] })
        const running = world(spec)
        let seen = 0
        running.onMessage(({ to, body }) => void (seen += to === HYPERVISOR && body.kind === kind ? 1 : 0))
        running.run({ until: later(running, spec, 3_000), stop: () => seen >= messages })
        running.crash(HYPERVISOR)
        running.run({ until: later(running, spec, 2) })
        running.restart(HYPERVISOR)
        expect([kind, messages, end(running)["sbi"]]).toMatchObject([kind, messages, { state: "ended", boots: 1, outcome: { exit: 0 } }])
        running.run({ until: later(running, spec, 100) })
        expect([kind, messages, spacesOf(running), viewsOf(running).map(({ vms }) => vms.framesLeft)]).toEqual([
          ...[kind, messages, []],
          [FRAMES, FRAMES],
        ])
      }
    }
  })

  it("waits for a node that stays away, and what the other had of it is gone meanwhile", () => {
    const { running, operator, described } = operated("run=primes 200000", { restartable: true })
    operator.create(described)
    operator.until("both nodes run it", () => executedBy(running).every((each) => each > 10_000))
    running.crash(NODES[1])
    operator.until("it is lost", () => operator.stateOf("busy") === "lost")
    operator.ticks(100)
    const [survivor] = viewsOf(running)
    expect([survivor?.vms.framesLeft, survivor?.tasks.length, spacesOf(running)]).toEqual([FRAMES, 0, []])
    running.restart(NODES[1])
    operator.until("it runs again", () => executedBy(running).every((each) => each > 10_000))
    expect(operator.list()).toMatchObject([{ state: "running", life: 2 }])
  })

  it("pauses on both nodes, goes on, stops, boots again, and leaves nothing when it is destroyed", () => {
    const { running, operator, described } = operated("run=primes 200000")
    const instructions = () => executedBy(running)
    expect(operator.create(described)).toMatchObject({ answer: "begun" })
    operator.until("both nodes run it", () => instructions().every((each) => each > 10_000))
    expect(operator.move("busy", 1).reason).toContain("span: busy lies on nodes 0 and 1")
    operator.control("busy", "pause")
    operator.until("it is paused", () => operator.stateOf("busy") === "paused")
    const paused = instructions()
    operator.ticks(100)
    expect(instructions()).toEqual(paused)
    operator.control("busy", "resume")
    operator.until("it goes on", () => instructions().every((each, node) => each > (paused[node] ?? 0)))
    operator.control("busy", "stop")
    operator.until("it is stopped", () => operator.stateOf("busy") === "stopped")
    expect(instructions()).toEqual([-1, -1])
    operator.control("busy", "start")
    operator.until("it runs again", () => instructions().every((each) => each > 10_000))
    expect(spacesOf(running)).toEqual(["vm.busy.2"])
    operator.control("busy", "destroy")
    operator.until("it is forgotten", () => operator.stateOf("busy") === "none")
    operator.ticks(100)
    expect([spacesOf(running), viewsOf(running).map(({ vms, tasks }) => [vms.framesLeft, tasks.length])]).toEqual([
      [],
      [
        [FRAMES, 0],
        [FRAMES, 0],
      ],
    ])
  })

  it("is refused where a node has no room for it, and leaves nothing on the other", () => {
    const beside = { name: "beside", kernel, node: 1, memoryBytes: 28 << 20, instructionsPerTick: 1_000, append: "run=sleep 400" }
    const spec = machine({ vms: [beside, vm("smp")] })
    const running = world(spec)
    running.run({ until: later(running, spec, 60) })
    const [first] = viewsOf(running)
    expect(first?.vms.vms).toEqual([])
    expect(end(running)["smp"]).toMatchObject({ state: "refused", reason: expect.stringContaining("memoryBytes: node 1 has") })
  })

  it("is refused by name where a node is of the version before, which has no word for it, and leaves nothing on the other", () => {
    const spec = machine({ vms: [vm("smp"), { name: "alone", kernel, node: 1, append: "run=primes 300", memoryBytes: 8 << 20 }] })
    const running = world(spec, {}, withDeaf(NODES[1], placesSpan))
    const ends = end(running)
    expect(ends["smp"]?.state).toBe("refused")
    expect(ends["smp"]?.reason).toContain(
      "span: node 1 lives and says nothing to a VM over several nodes, as the version before does; start",
    )
    expect(ends["alone"]).toMatchObject({ state: "ended", outcome: { exit: 0 } })
    running.run({ until: later(running, spec, 100) })
    expect([spacesOf(running), viewsOf(running).map(({ vms }) => vms.framesLeft)]).toEqual([[], [FRAMES, FRAMES]])
  })

  it("is given time where its images come slowly: a node that asks for them is at work", () => {
    const spec = machine({ vms: [vm("sbi")] })
    const late = later({ now: virtualTime(0) }, spec, 3_000)
    const running = world(
      spec,
      {},
      withDeaf(NODES[1], ({ kind }, now) => kind === "ImageChunk" && now < late),
    )
    expect(end(running)["sbi"]).toMatchObject({ state: "ended", boots: 1, outcome: { exit: 0 } })
    expect(running.now).toBeGreaterThan(late)
  })

  it("is lost by name when memory is out in the middle of its run, and leaves nothing", () => {
    const image = readFileSync(imagePath(guest("bench-short"))).toString("base64")
    const hog = { image, memoryBytes: 4 << 20, instructionsPerTick: 1 }
    // Each node has room for the VM; of all frames the others have, but for two dozen.
    const topology = { nodes: 2, cpus: 4, framesPerNode: 2_072 }
    const jobs = [0, 1, 2, 3].map((index) => ({ name: `hog-${index}`, affinity: [index], guest: hog }))
    const spec = machine({ topology, jobs, clock: { mode: "free" }, vms: [] })
    const running = world(spec)
    const told: string[] = []
    running.onEvent((_at, _actor, { name }) => void told.push(name))
    const operator = new VmOperator(running, spec.clock.tickCycles)
    const [described] = machine({ topology, vms: [teaching("run=primes 100", { name: "busy" })] }).vms ?? []
    operator.ticks(100)
    operator.create(described!)
    operator.until("it is lost", () => operator.stateOf("busy") === "lost")
    expect(operator.list()).toMatchObject([{ life: 1, reason: expect.stringContaining("free frame; give the machine more framesPerNode") }])
    expect(told.filter((name) => name.startsWith("vm-") && name !== "vm-exits")).toEqual(["vm-started", "vm-lost"])
    operator.ticks(100)
    expect([spacesOf(running), viewsOf(running).map(({ vms }) => vms.framesLeft)]).toEqual([[], [2_072, 2_072]])
  })

  it("what such a VM cannot have is refused with the field and the remedy", () => {
    const refused = (more: object): string => {
      try {
        machine({ vms: [{ ...vm("smp"), ...more }] })
        return "taken"
      } catch (error) {
        return error instanceof Error ? error.message : ""
      }
    }
    const cases: readonly (readonly [object, string])[] = [
      [{ span: [0, 2] }, "vms[0].span: there is no node 2; the nodes are 0 to 1"],
      [{ span: [1, 1] }, "vms[0].span: a node is named twice"],
      [{ cpus: 1 }, "vms[0].span: 2 nodes have no vCPU each with cpus 1; give cpus 2 or more"],
      [{ mmu: "shadow" }, "vms[0].mmu: shadow is not built for a VM over several nodes; give nested, or leave out span"],
      [{ mode: "para" }, "vms[0].mode: para is not built for a VM over several nodes; give assist or trap, or leave out span"],
      [{ trapPath: "bus" }, "vms[0].trapPath: exits of a VM over several nodes are handled in its nodes; give resident"],
      [{ node: 0 }, "vms[0].node: its nodes are those of span; leave out node"],
      [{ affinity: [0] }, "vms[0].affinity: its CPUs are those of its nodes; leave out affinity"],
      [{ virtioConsole: true }, "vms[0].virtioConsole: not built"],
      [{ virtioRng: "seed" }, "vms[0].virtioRng: not built"],
      [{ instructionsMax: 5 }, "vms[0].instructionsMax: not built"],
      [{ irqAffinity: [{ source: 10, vcpus: [0] }] }, "vms[0].irqAffinity: not built"],
      [{ disk: { volume: "one" } }, "vms[0].disk: a disk in the store is not built"],
      [{ instructionsPerTick: 2_000_000 }, "vms[0].instructionsPerTick: vCPUs on several nodes have the machine's clock"],
    ]
    for (const [more, message] of cases) expect([more, refused(more)]).toEqual([more, expect.stringContaining(message)])
    expect(() => machine({ memory: { swapPages: 0, vms: { swapPages: 10 } }, vms: [vm("smp")] })).toThrow("vms[0].span: pages of a VM over")
    expect(end(world(machine({ vms: [vm("tohost", { cpus: 2 })] })))["tohost"]).toMatchObject({
      state: "refused",
      reason: expect.stringContaining("kernel: a guest that ends by tohost cannot lie on several nodes"),
    })
  })
})

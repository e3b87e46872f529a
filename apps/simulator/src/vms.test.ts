/** Virtual machines on the nodes of a machine, in simulation: what they compute is theirs alone, whoever runs beside them and whatever fails. */
import { readFileSync } from "node:fs"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { NodeMachine } from "@backplane/compute-node/node"
import { GUEST_CONSOLE_BYTES_MAX } from "@backplane/compute-contract/guest-state"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { imagePath, readManifest, type Guest } from "@backplane/guests/manifest"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { architectureOfVm } from "@backplane/trap-vmm/architecture-state"
import { machineBytesFor, Vmm } from "@backplane/trap-vmm/vmm"
import type { VmEnd } from "@backplane/trap-hypervisor/run-result"
import { describe, expect, it } from "vitest"
import { actorsWith } from "./machine-actors.ts"
import { machineWorld, outcomeOf } from "./simulate.ts"
import { MemoryImages } from "./memory-images.ts"
import { VmOperator } from "./vm-operator.ts"

const MEMORY_BYTES = 8 << 20
const STEPS_MAX = 500_000

const guest = (name: string): Guest => readManifest().guests.find((each) => each.name === name)!
const images = new MemoryImages()
const kernel = (name: string) => images.add(readFileSync(imagePath(guest(name))))
const vm = (name: string, of: string, more: object = {}) => ({
  name,
  kernel: kernel(of),
  memoryBytes: MEMORY_BYTES,
  instructionsPerTick: 20_000,
  cpus: guest(of).cpus,
  ...more,
})

function machine(input: object): MachineSpec {
  return resolveMachineSpec({
    topology: { nodes: 2, cpus: 2, framesPerNode: 16_384 },
    schedule: { policy: "cfs" },
    maxTicks: 20_000,
    ...input,
  })
}

function world(spec: MachineSpec, options: object = {}) {
  return machineWorld(spec, { fingerprint: "off", stepsMax: STEPS_MAX, ...options }, actorsWith(images))
}

function run(spec: MachineSpec): Readonly<Record<string, VmEnd>> {
  const running = world(spec)
  running.run({ stop: () => outcomeOf(running) !== null })
  const outcome = outcomeOf(running)
  if (outcome === null || !("result" in outcome)) throw new Error(JSON.stringify(outcome))
  return outcome.result.vms ?? {}
}

const ALONE = new Map<string, object>()

/** The guest as a VM that nobody schedules. */
function alone(name: string): object {
  const known = ALONE.get(name)
  if (known !== undefined) return known
  const vmm = new Vmm(new WasmEngine({ memoryBytes: machineBytesFor({ memoryBytes: MEMORY_BYTES, vcpus: 1 }), cpus: 1 }))
  const image = readGuestImage(readFileSync(imagePath(guest(name))), MEMORY_BYTES)
  if ("refusal" in image) throw new Error(image.refusal)
  const made = vmm.create({ image, vcpus: 1, memoryBytes: MEMORY_BYTES, mode: "trap" })!
  const stop = made.run(100_000_000)
  if (stop.kind !== "end") throw new Error(stop.kind)
  const outcome = {
    exit: stop.code,
    reason: stop.reason,
    instructions: made.instructions(),
    state: architectureOfVm(made, vmm.machineSwitch),
    console: Buffer.from(made.console.takeOutput()).toString().slice(0, GUEST_CONSOLE_BYTES_MAX),
  }
  ALONE.set(name, outcome)
  return outcome
}

describe("VMs in a machine", () => {
  it("end in the state in which they end alone, several to a CPU, with jobs between them", () => {
    const names = ["timer", "paging", "muldiv", "traps"]
    const ends = run(
      machine({
        jobs: [{ name: "job", run: 300, workingSet: 10 }],
        vms: names.map((name, index) => vm(name, name, { node: index % 2, mode: index < 2 ? "trap" : "assist" })),
      }),
    )
    for (const name of names) expect([name, ends[name]]).toMatchObject([name, { state: "ended", boots: 1, outcome: alone(name) }])
  })

  it("end in the same state when every exit goes to the hypervisor, also over a bus that loses, doubles and reorders", () => {
    const names = ["timer", "traps"]
    const spec = machine({ vms: names.map((name, index) => vm(name, name, { node: index % 2, trapPath: "bus" })) })
    const kinds = new Map<string, number>()
    const count = ({ body }: { readonly body: { readonly kind: string } }): void =>
      void kinds.set(body.kind, (kinds.get(body.kind) ?? 0) + 1)
    for (const faults of [null, { until: 2_000_000_000, loss: 0.05, duplication: 0.05, reordering: 0.1, delay: { min: 50, max: 400 } }]) {
      const running = world(spec, faults === null ? {} : { faults })
      running.onMessage(count)
      running.run({ stop: () => outcomeOf(running) !== null })
      for (const name of names)
        expect([name, outcomeOf(running)]).toMatchObject([name, { result: { vms: { [name]: { state: "ended", outcome: alone(name) } } } }])
      if (faults === null) expect([kinds.get("VmEntry"), (kinds.get("VmExit") ?? 0) > 500]).toEqual([kinds.get("VmExit"), true])
    }
  })

  it("several vCPUs are several tasks, and wait for each other", () => {
    const ends = run(machine({ topology: { nodes: 1, cpus: 2, framesPerNode: 16_384 }, vms: [vm("smp", "smp"), vm("sbi", "sbi")] }))
    expect(ends).toMatchObject({ smp: { outcome: { exit: 0 } }, sbi: { outcome: { exit: 0, reason: "shutdown" } } })
  })

  it("what no node can run is refused with the field and the remedy", () => {
    const more = { memoryBytes: 1 << 30 }
    const ends = run(machine({ vms: [vm("large", "timer", more), vm("native", "timer", { mode: "native" })] }))
    expect(ends["large"]).toMatchObject({ state: "refused", reason: expect.stringContaining("memoryBytes: node 0 has") })
    expect(ends["native"]).toMatchObject({ state: "refused", reason: expect.stringContaining("mode: a native guest") })
    expect(() => machine({ vms: [vm("a", "timer", { affinity: [0, 1] })] })).toThrow("vms[0].affinity: its CPUs lie on nodes 0 and 1")
    expect(() => machine({ vms: [vm("a", "timer"), vm("a", "timer")] })).toThrow("vms[1].name")
    expect(() => machine({ vms: [{ ...vm("a", "timer"), kernel: "x" }] })).toThrow("vms[0].kernel: files cannot be read here")
  })

  it("an image that nobody has brought is a reason, too", () => {
    const strange = { hash: "0".repeat(64), bytes: 12 }
    expect(run(machine({ vms: [{ ...vm("a", "timer"), kernel: strange }] }))["a"]).toMatchObject({
      state: "refused",
      reason: expect.stringContaining("nobody has brought the image 000000000000"),
    })
  })

  it("a node that dies takes its VMs with it, by name; restartable ones boot again, and end as ever", () => {
    const slow = { node: 0, instructionsPerTick: 50 }
    const spec = machine({ vms: [vm("kept", "paging", { ...slow, restartable: true }), vm("lost", "paging", slow)] })
    const running = world(spec)
    const killed = running.run({ until: (40 * spec.clock.tickCycles) as never })
    expect(killed).toBeDefined()
    running.crash(actorId("node.0"))
    running.run({ until: (41 * spec.clock.tickCycles) as never })
    running.restart(actorId("node.0"))
    running.run({ stop: () => outcomeOf(running) !== null })
    expect(outcomeOf(running)).toMatchObject({
      result: {
        vms: {
          kept: { state: "ended", boots: 2, outcome: alone("paging") },
          lost: { state: "lost", reason: expect.stringContaining("node 0") },
        },
      },
    })
  })
})

describe("an operator's VMs", () => {
  const idle = (): MachineSpec => machine({ topology: { nodes: 1, cpus: 1, framesPerNode: 16_384 }, clock: { mode: "free" }, vms: [] })
  const described = (name: string, of: string, more: object = {}) => resolveMachineSpec({ vms: [vm(name, of, more)] }).vms![0]!
  const instructionsOf = (running: ReturnType<typeof world>): number => {
    const { vms } = running.inspect(actorId("node.0"), NodeMachine)!.inspect() as unknown as { vms: { vms: { instructions: number }[] } }
    return vms.vms[0]?.instructions ?? -1
  }

  function operated() {
    const spec = idle()
    const running = world(spec)
    return { running, operator: new VmOperator(running, spec.clock.tickCycles) }
  }

  it("hears all that is typed, however much more than a FIFO holds, and is read from the beginning", () => {
    const { operator } = operated()
    expect(operator.create(described("talk", "echo"))).toMatchObject({ answer: "begun", vms: [{ state: "placing" }] })
    operator.until("it runs", () => operator.stateOf("talk") === "running")
    operator.until("it asks", () => operator.read("talk", 0).text.includes("end with a dot\n"))
    const paste = "the quick brown fox jumps over the lazy dog\n".repeat(50)
    expect(operator.type("talk", 1, paste).taken).toBe(paste.length)
    expect(operator.type("talk", 1, paste).taken).toBe(paste.length) // a repeat types nothing again
    operator.type("talk", 2, ".\n")
    operator.until("it ends", () => operator.stateOf("talk") === "ended")
    expect(operator.read("talk", 0).text).toContain(paste.toUpperCase())
    expect(operator.read("talk", 0).text.split(paste.toUpperCase())).toHaveLength(2)
  })

  it("an idle VM uses no CPU, and goes on when somebody types", () => {
    const { running, operator } = operated()
    operator.create(described("talk", "echo"))
    operator.until("it asks", () => operator.read("talk", 0).text.includes("end with a dot\n"))
    operator.ticks(20)
    const before = instructionsOf(running)
    operator.ticks(500)
    expect(instructionsOf(running)).toBe(before)
    operator.type("talk", 1, "a\n.\n")
    operator.until("it ends", () => operator.stateOf("talk") === "ended")
  })

  it("paused it retires nothing; resumed it goes on; stopped it is gone; started it boots again; destroyed it is forgotten", () => {
    const { running, operator } = operated()
    operator.create(described("busy", "spin"), false)
    expect(operator.stateOf("busy")).toBe("stopped")
    operator.control("busy", "start")
    operator.until("it runs", () => instructionsOf(running) > 0)
    expect(operator.control("busy", "resume")).toMatchObject({ answer: "refused", reason: "busy is running; resume needs it paused" })
    operator.control("busy", "pause")
    operator.until("it is paused", () => operator.stateOf("busy") === "paused")
    const before = instructionsOf(running)
    operator.ticks(200)
    expect(instructionsOf(running)).toBe(before)
    operator.control("busy", "resume")
    operator.until("it goes on", () => instructionsOf(running) > before)
    operator.control("busy", "stop")
    operator.until("it is stopped", () => operator.stateOf("busy") === "stopped")
    expect(instructionsOf(running)).toBe(-1)
    operator.control("busy", "start")
    operator.until("it runs again", () => instructionsOf(running) > 0)
    operator.control("busy", "destroy")
    operator.until("it is forgotten", () => operator.stateOf("busy") === "none")
    operator.ticks(200)
    const node = running.inspect(actorId("node.0"), NodeMachine)!.inspect()
    expect(node.tasks).toEqual([])
    operator.create(described("busy", "timer"))
    operator.until("another of its name ends", () => operator.stateOf("busy") === "ended")
  })

  it("two VMs that never wait get CPU time by their weights", () => {
    const { running, operator } = operated()
    operator.create(described("small", "spin", { weight: 100 }))
    operator.create(described("large", "spin", { weight: 300 }))
    operator.until("both run", () => instructionsOf(running) > 0)
    operator.ticks(4000)
    const { vms } = running.inspect(actorId("node.0"), NodeMachine)!.inspect() as unknown as { vms: { vms: { instructions: number }[] } }
    const [small = 0, large = 0] = vms.vms.map(({ instructions }) => instructions)
    expect(large / small).toBeGreaterThan(2.8)
    expect(large / small).toBeLessThan(3.2)
  })
})

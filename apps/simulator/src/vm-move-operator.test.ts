/** An operator moves VMs: with their console, with their disks over an image and in the store; what cannot be is refused with the reason and the remedy. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { describe, expect, it, vi } from "vitest"
import { actorsWith } from "./machine-actors.ts"
import { MemoryImages } from "./memory-images.ts"
import { machineWorld } from "./simulate.ts"
import { addStore, StoreAsker } from "./store-actors.ts"
import { carried } from "./testing/carried.ts"
import { VmOperator } from "./vm-operator.ts"

const IMAGES = join(import.meta.dirname, "../../../tools/guests/images")
const DISK_BYTES = 1 << 20
const node = (index: number) => actorId(`node.${index}`)

function machine() {
  const images = new MemoryImages()
  const kernel = images.add(readFileSync(join(IMAGES, "kernel.bin")))
  const soft = images.add(readFileSync(join(IMAGES, "kernel-softtlb.bin")))
  const blank = images.add(new Uint8Array(DISK_BYTES))
  const spec = resolveMachineSpec({
    topology: { nodes: 2, cpus: 4, framesPerNode: 8192 },
    schedule: { policy: "cfs" },
    clock: { mode: "free" },
    maxTicks: 1_000_000,
  })
  const world = machineWorld(spec, { fingerprint: "off", stepsMax: 5_000_000, carry: carried }, actorsWith(images))
  const operator = new VmOperator(world, spec.clock.tickCycles)
  const create = (name: string, more: object = {}): void => {
    const vms = [{ name, kernel, memoryBytes: 8 << 20, instructionsPerTick: 2_000_000, ...more }]
    operator.create(resolveMachineSpec({ topology: spec.topology, clock: { mode: "free" }, vms }).vms![0]!)
  }
  const view = (name: string) => operator.list().find(({ spec: { name: each } }) => each === name)!
  const heard = (vm: string): string => {
    let text = ""
    for (let from = 0; ;) {
      const piece = operator.read(vm, from)
      if (piece.text === "") return text
      text += piece.text
      from = piece.from + piece.text.length
    }
  }
  const boot = (vm: string): void => operator.until("it asks", () => heard(vm).endsWith("$ "))
  let typed = 0
  const type = (vm: string, line: string): number => operator.type(vm, ++typed, `${line}\n`).taken
  const shell = (vm: string, line: string, answer: string): void => {
    const before = heard(vm).length
    expect(type(vm, line)).toBe(line.length + 1)
    operator.until(`${line}: ${answer}`, () =>
      heard(vm)
        .slice(before + line.length)
        .includes(answer),
    )
    operator.until("it asks again", () => heard(vm).endsWith("$ "))
  }
  const move = (vm: string, to: number): void => {
    expect(operator.move(vm, to)).toMatchObject({ answer: "begun" })
    operator.until(`${vm} is on node ${to}`, () => view(vm).move?.verdict !== "under-way")
    expect(view(vm)).toMatchObject({ state: "running", node: to, move: { to, verdict: "moved" } })
  }
  return { world, spec, operator, create, view, boot, shell, type, heard, move, kernel, soft, blank }
}

// Much is simulated here; how long that takes says nothing.
vi.setConfig({ testTimeout: 120_000 })

describe("an operator moves", () => {
  it("the VMs of the default machine: one vCPU, two, and one whose exits go over the bus and that fills its TLB itself", () => {
    const { create, boot, shell, heard, move, soft } = machine()
    create("alpha", { node: 0 })
    create("beta", { node: 0, mode: "assist", cpus: 2 })
    create("gamma", { node: 1, kernel: soft, mmu: "softtlb", trapPath: "bus" })
    for (const vm of ["alpha", "beta", "gamma"]) {
      boot(vm)
      shell(vm, "pingpong 3", "pingpong: count=3")
    }
    for (const [vm, to] of [
      ["alpha", 1],
      ["beta", 1],
      ["gamma", 0],
      ["alpha", 0],
    ] as const) {
      move(vm, to)
      shell(vm, "forks 2", "forks: count=2")
      shell(vm, "walk 8 2", "walk: pages=8")
      expect(heard(vm).split("kernel: ")).toHaveLength(2) // the same boot as ever
    }
  })

  it("a VM whose guest is at work, and what is typed meanwhile is not lost", () => {
    const { create, boot, operator, view, type, heard } = machine()
    create("busy", { node: 0, instructionsPerTick: 20_000 })
    boot("busy")
    type("busy", "primes 400")
    operator.ticks(2)
    expect(operator.move("busy", 1)).toMatchObject({ answer: "begun", vms: [{ state: "moving" }] })
    expect(type("busy", "echo typed-in-between")).toBe(22)
    operator.until("it is there", () => view("busy").move?.verdict === "moved")
    operator.until("both were done", () => heard("busy").includes("\ntyped-in-between") || heard("busy").includes("\rtyped-in-between"))
    expect(heard("busy").split("primes: below=400")).toHaveLength(2)
  })

  it("a VM with a disk over an image: what it wrote goes along, and is there after the death of the node", () => {
    const { world, operator, create, boot, shell, move, blank } = machine()
    create("disk", { node: 0, disk: blank, restartable: true })
    boot("disk")
    shell("disk", "disk write 3 before", "sector=3 bytes=")
    move("disk", 1)
    shell("disk", "disk read 3", "before")
    shell("disk", "disk write 4 after", "sector=4 bytes=")
    world.crash(node(1))
    operator.ticks(10)
    world.restart(node(1))
    operator.until("it runs again", () => operator.stateOf("disk") === "running")
    boot("disk")
    shell("disk", "disk read 3", "before")
    shell("disk", "disk read 4", "after")
    move("disk", 0)
    shell("disk", "disk read 4", "after")
  })

  it("a VM with a disk in the store: it has one writer, and loses nothing", () => {
    const { world, spec, operator, create, boot, shell, move } = machine()
    addStore(world, spec)
    new StoreAsker(world, (ticks) => operator.ticks(ticks)).makeVolume("data", DISK_BYTES)
    create("store", { node: 0, disk: { volume: "data" } })
    boot("store")
    shell("store", "disk write 3 before", "sector=3 bytes=")
    move("store", 1)
    shell("store", "disk read 3", "before")
    shell("store", "disk write 4 after", "sector=4 bytes=")
    move("store", 0)
    shell("store", "disk read 4", "after")
  })

  it("nothing that cannot be moved, and says why", () => {
    const { world, operator, create, boot, view } = machine()
    create("alpha", { node: 0 })
    create("bound", { affinity: [0] })
    create("large", { node: 1, memoryBytes: 24 << 20 })
    for (const vm of ["alpha", "bound", "large"]) boot(vm)
    const refused = (vm: string, to: number): string => {
      const { answer, reason } = operator.move(vm, to)
      expect(answer).toBe("refused")
      return reason
    }
    expect(refused("nobody", 1)).toMatch(/^there is no VM nobody/)
    expect(refused("alpha", 2)).toBe("there is no node 2; the nodes are 0 to 1")
    expect(refused("alpha", 0)).toBe("alpha is on node 0 already")
    expect(refused("bound", 1)).toBe("its affinity binds bound to CPUs of node 0; a VM that may move names none")
    operator.control("alpha", "pause")
    operator.until("it is paused", () => operator.stateOf("alpha") === "paused")
    expect(refused("alpha", 1)).toBe("alpha is paused; a VM moves while it is running: resume it first")
    operator.control("alpha", "resume")
    operator.until("it goes on", () => operator.stateOf("alpha") === "running")
    operator.move("alpha", 1)
    expect(refused("alpha", 1)).toBe("alpha is being moved to node 1 already; wait until it is there")
    expect(operator.control("alpha", "stop")).toMatchObject({ answer: "refused", reason: expect.stringContaining("alpha is moving") })
    operator.until("it is there, or is not to be", () => view("alpha").move?.verdict !== "under-way")
    operator.move("large", 0)
    operator.until("there is no room", () => view("large").move?.verdict !== "under-way")
    expect(view("large")).toMatchObject({
      state: "running",
      node: 1,
      move: { verdict: "given-up", reason: expect.stringMatching(/^memoryBytes: node 0 has \d+ frames left/) },
    })
    operator.control("alpha", "stop")
    operator.until("it is stopped", () => operator.stateOf("alpha") === "stopped")
    expect(refused("alpha", 0)).toBe("alpha is stopped; a VM moves while it is running")
    world.crash(node(0))
    operator.ticks(400)
    expect(refused("large", 0)).toMatch(/^node 0 is not there/)
  })
})

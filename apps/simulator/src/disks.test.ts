/** Disks of VMs that outlive the node's process: over an image on the node, and in the replicated store, whoever is killed. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { decodeRoot, encodeRoot, ROOT_BUCKET, rootKey } from "@backplane/trap-contract/disk-layout"
import { describe, expect, it } from "vitest"
import { bootSimulated } from "./boot-command.ts"
import { actorsWith } from "./machine-actors.ts"
import { MemoryImages } from "./memory-images.ts"
import { machineWorld } from "./simulate.ts"
import { addStore, REPLICAS, StoreAsker } from "./store-actors.ts"
import { VmOperator } from "./vm-operator.ts"

const KERNEL = join(import.meta.dirname, "../../../tools/guests/images/kernel.bin")
const NODE = actorId("node.0")
const DOOR = actorId("node.door-0")
const DISK_BYTES = 1 << 20

function machine(faults: object = {}) {
  const images = new MemoryImages()
  const kernel = images.add(readFileSync(KERNEL))
  const blank = images.add(new Uint8Array(DISK_BYTES))
  const spec: MachineSpec = resolveMachineSpec({
    topology: { nodes: 1, cpus: 1, framesPerNode: 16_384 },
    schedule: { policy: "cfs" },
    clock: { mode: "free" },
    maxTicks: 1_000_000,
  })
  const world = machineWorld(spec, { fingerprint: "off", stepsMax: 5_000_000, ...faults }, actorsWith(images))
  addStore(world, spec)
  const operator = new VmOperator(world, spec.clock.tickCycles)
  const described = (name: string, more: object) =>
    resolveMachineSpec({
      clock: { mode: "free" },
      vms: [{ name, kernel, memoryBytes: 8 << 20, instructionsPerTick: 2_000_000, ...more }],
    }).vms![0]!
  const store = new StoreAsker(world, (ticks) => operator.ticks(ticks))
  /** Types a line at the shell and waits for what must come. */
  let typed = 0
  const heard = (vm: string): string => {
    let text = ""
    for (let from = 0; ;) {
      const piece = operator.read(vm, from)
      if (piece.text === "") return text
      text += piece.text
      from = piece.from + piece.text.length
    }
  }
  const shell = (vm: string, line: string, answer: string): void => {
    const before = heard(vm).length
    typed++
    operator.type(vm, typed, `${line}\n`)
    operator.until(`${line}: ${answer}`, () =>
      heard(vm)
        .slice(before + line.length)
        .includes(answer),
    )
  }
  const boot = (vm: string): void => operator.until("it asks", () => heard(vm).endsWith("$ "))
  return { world, spec, operator, described, store, shell, boot, heard, blank }
}

describe("a disk in the store", () => {
  it("keeps what was written while replicas are killed one after another, and over the death of every process", () => {
    const { world, operator, described, store, shell, boot } = machine()
    store.makeVolume("data", DISK_BYTES)
    operator.create(described("guest", { disk: { volume: "data" }, restartable: true }))
    boot("guest")
    for (const [round, replica] of REPLICAS.entries()) {
      world.crash(replica)
      shell("guest", `disk write ${round} round-${round}`, `sector=${round} bytes=`)
      shell("guest", `disk read ${round}`, `round-${round}`)
      world.restart(replica)
      operator.ticks(200)
    }
    for (const actor of [NODE, DOOR, ...REPLICAS, actorId("hypervisor.0")]) world.crash(actor)
    operator.ticks(10)
    for (const actor of [NODE, DOOR, ...REPLICAS, actorId("hypervisor.0")]) world.restart(actor)
    operator.until("it runs again", () => operator.stateOf("guest") === "running")
    boot("guest")
    for (const round of REPLICAS.keys()) shell("guest", `disk read ${round}`, `round-${round}`)
  })
})

describe("a disk in the store of a guest that is booted in simulation", () => {
  it("begins empty, and the same run is the same to the last byte", () => {
    const { spec, described } = machine()
    const vm = described("guest", { disk: { volume: "data" } })
    const steps = [
      { kind: "expect", text: "$ " },
      { kind: "type", text: "format; save a kept in the store" },
      { kind: "expect", text: "store\r\n$ " },
      { kind: "type", text: "cat a" },
      { kind: "expect", text: "\nkept in the store" },
    ] as const
    const [first, second] = [1, 2].map(() =>
      bootSimulated({ machine: spec, vm, files: [KERNEL], steps: steps.map((step) => ({ ...step })) }),
    )
    expect(first).toMatchObject({ ok: true, reason: "steps-done" })
    expect({ ...second, seconds: 0 }).toEqual({ ...first, seconds: 0 })
  })
})

describe("a disk that was taken from its VM", () => {
  it("answers each request with an error from then on, and the guest goes on", () => {
    const { operator, described, store, shell, boot, heard } = machine()
    store.makeVolume("data", DISK_BYTES)
    operator.create(described("guest", { disk: { volume: "data" } }))
    boot("guest")
    shell("guest", "disk write 1 mine", "sector=1 bytes=")
    const [text] = store.ask({ type: "get", bucket: ROOT_BUCKET, key: rootKey("data") }).values
    const value = encodeRoot({ ...decodeRoot(text!)!, owner: null })
    expect(store.ask({ type: "cas", bucket: ROOT_BUCKET, key: rootKey("data"), expect: text!, value }).swapped).toBe(true)
    for (const line of ["disk write 2 lost", "disk read 1"]) {
      const before = heard("guest").length
      shell("guest", line, "$ ")
      expect(heard("guest").slice(before)).not.toContain("sector=")
      expect(heard("guest").slice(before)).toContain("disk:")
    }
    shell("guest", "echo alive", "alive")
    expect(operator.stateOf("guest")).toBe("running")
  })
})

describe("a disk over an image", () => {
  it("keeps what was written over the death of the only node; the VM waits for it, and a destroyed one leaves nothing behind", () => {
    const { world, operator, described, shell, boot, blank } = machine()
    operator.create(described("guest", { disk: blank, restartable: true }))
    boot("guest")
    shell("guest", "disk write 9 kept", "sector=9 bytes=")
    shell("guest", "disk write 90 too", "sector=90 bytes=")
    world.crash(NODE)
    operator.until("it is lost", () => operator.stateOf("guest") === "lost")
    expect(operator.list()[0]?.reason).toContain("it boots when the node is back")
    operator.ticks(100)
    world.restart(NODE)
    operator.until("it runs again", () => operator.stateOf("guest") === "running")
    shell("guest", "disk read 9", "kept")
    shell("guest", "disk read 90", "too")
    expect([...world.restored(NODE).keys()].some((key) => key.startsWith("disk/guest"))).toBe(true)
    operator.control("guest", "destroy")
    operator.until("it is gone", () => operator.stateOf("guest") === "none")
    operator.ticks(20)
    expect([...world.restored(NODE).keys()].filter((key) => key.startsWith("disk/"))).toEqual([])
  })
})

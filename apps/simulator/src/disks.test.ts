/** Disks of VMs that outlive the node's process: over an image on the node, and in the replicated store, whoever is killed. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { encodeRoot, newRoot, ROOT_BUCKET, rootKey } from "@backplane/trap-contract/disk-layout"
import type { BlockOperation, BlockTold } from "@backplane/trap-contract/disk-messages"
import { describe, expect, it } from "vitest"
import { actorsWith } from "./machine-actors.ts"
import { MemoryImages } from "./memory-images.ts"
import { machineWorld } from "./simulate.ts"
import { addStore, REPLICAS } from "./store-actors.ts"
import { VmOperator } from "./vm-operator.ts"

const KERNEL = join(import.meta.dirname, "../../../tools/guests/images/kernel.bin")
const OPERATOR = actorId("operator.disks")
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
  let asked = 0
  const answers = new Map<string, BlockTold>()
  world.onMessage(({ to, body }) => {
    if (to === OPERATOR && body.kind === "BlockTold") answers.set((body as BlockTold).request, body as BlockTold)
  })
  /** Asks the store as a node does, through the door of node 0. */
  const ask = (operation: BlockOperation): BlockTold => {
    const request = `test.${asked++}`
    for (let tries = 0; tries < 100 && !(answers.get(request)?.outcome === "done"); tries++) {
      world.inject({ from: OPERATOR, to: DOOR, body: { kind: "BlockAsk", request, operation } as never })
      operator.ticks(20)
    }
    return answers.get(request)!
  }
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
  return { world, spec, operator, described, ask, shell, boot, heard, blank }
}

const makeDisk = (ask: (operation: BlockOperation) => BlockTold, name: string): void => {
  const root = { ...newRoot({ bytes: DISK_BYTES, uid: "disk01" }) }
  expect(ask({ type: "cas", bucket: ROOT_BUCKET, key: rootKey(name), expect: null, value: encodeRoot(root) })).toMatchObject({
    swapped: true,
  })
}

describe("a disk in the store", () => {
  it("keeps what was written while replicas are killed one after another, and over the death of every process", () => {
    const { world, operator, described, ask, shell, boot } = machine()
    makeDisk(ask, "data")
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

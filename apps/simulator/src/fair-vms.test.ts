/**
 * CPU time among VMs under the machine's schedulers: nobody is starved by a loop with interrupts off or by a sibling that spins, and a VM that
 * only polls gives its CPU away (proof of the multiplexing of OSTEP's appendix B).
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { buildElf } from "@backplane/compute-image/suite/build-elf"
import { NodeMachine } from "@backplane/compute-node/node"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { describe, expect, it } from "vitest"
import { actorsWith } from "./machine-actors.ts"
import { MemoryImages } from "./memory-images.ts"
import { machineWorld } from "./simulate.ts"
import { VmOperator } from "./vm-operator.ts"

const KERNEL = join(import.meta.dirname, "../../../tools/guests/images/kernel.bin")
const SMP = readManifest().guests.find(({ name }) => name === "smp")!
/** Of 500 ticks each. */
const ROUNDS_MAX = 20
/** In M-mode as a board starts, so with all interrupts off: a0 counts, for ever. */
const COUNTS = [0x00150513, 0xffdff06f] as const // addi a0, a0, 1; j -4
/** auipc a1, 0; ld a0, 64(a1); beqz a0, -4: waits for a word in memory that nobody writes. */
const POLLS = [0x00000597, 0x0405b503, 0xfe050ee3] as const

const code = (words: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(256)
  words.forEach((word, at) => new DataView(bytes.buffer).setUint32(4 * at, word, true))
  return bytes
}

function operated(policy: "cfs" | "fifo" | "rr" = "cfs") {
  const images = new MemoryImages()
  const refs = {
    kernel: images.add(readFileSync(KERNEL)),
    counts: images.add(elf(COUNTS)),
    polls: images.add(elf(POLLS)),
    smp: images.add(readFileSync(imagePath(SMP))),
  }
  const spec = resolveMachineSpec({
    topology: { nodes: 1, cpus: 1, framesPerNode: 16_384 },
    schedule: { policy },
    clock: { mode: "free" },
    maxTicks: 1_000_000,
  })
  const world = machineWorld(spec, { fingerprint: "off", stepsMax: 5_000_000 }, actorsWith(images))
  const operator = new VmOperator(world, spec.clock.tickCycles)
  const create = (name: string, kernel: keyof typeof refs, more: object = {}): void => {
    const vm = { name, kernel: refs[kernel], memoryBytes: 8 << 20, instructionsPerTick: 200_000, ...more }
    expect(operator.create(resolveMachineSpec({ vms: [vm] }).vms![0]!)).toMatchObject({ answer: "begun" })
  }
  const instructionsOf = (name: string): number => {
    const { vms } = world.inspect(actorId("node.0"), NodeMachine)!.inspect() as unknown as {
      vms: { vms: { vm: string; instructions: number }[] }
    }
    return vms.vms.find(({ vm }) => vm === name)?.instructions ?? -1
  }
  return { operator, create, instructionsOf }
}

function elf(words: readonly number[]): Uint8Array {
  const entry = 0x8000_0000n
  const data = code(words)
  return buildElf({
    entry,
    segments: [{ virtualAddress: entry, physicalAddress: entry, data, memoryBytes: BigInt(data.length) }],
    symbols: [],
  })
}

describe("VMs on one CPU", () => {
  it("one in a tight loop with interrupts off does not starve another", () => {
    const { operator, create, instructionsOf } = operated()
    create("tight", "counts")
    operator.until("it runs", () => instructionsOf("tight") > 0)
    create("works", "kernel", { append: "run=primes 3000" })
    operator.until("the other ends", () => operator.stateOf("works") === "ended")
    expect(operator.list().find(({ spec }) => spec.name === "works")?.outcome).toMatchObject({ exit: 0 })
  })

  it("under a policy that takes no CPU away it does: the rule is the scheduler's, and seen to be kept", { timeout: 60_000 }, () => {
    const { operator, create, instructionsOf } = operated("fifo")
    create("tight", "counts")
    operator.until("it runs", () => instructionsOf("tight") > 0)
    create("works", "kernel", { append: "run=primes 3000" })
    operator.ticks(1000)
    expect([operator.stateOf("works"), instructionsOf("works")]).toEqual([
      expect.stringMatching(/placing|running/),
      expect.toBeOneOf([-1, 0]),
    ])
  })

  it("get it by their weights, and evenly under a policy that knows none", { timeout: 60_000 }, () => {
    const ratios = (["cfs", "rr"] as const).map((policy) => {
      const { operator, create, instructionsOf } = operated(policy)
      create("small", "counts", { weight: 100 })
      create("large", "counts", { weight: 300 })
      operator.until("both run", () => instructionsOf("small") > 0 && instructionsOf("large") > 0)
      const before = [instructionsOf("small"), instructionsOf("large")] as const
      operator.ticks(800)
      return (instructionsOf("large") - before[1]) / (instructionsOf("small") - before[0])
    })
    expect(ratios[0]).toBeGreaterThan(2.8)
    expect(ratios[0]).toBeLessThan(3.2)
    expect(ratios[1]).toBeGreaterThan(0.9)
    expect(ratios[1]).toBeLessThan(1.1)
  })

  it("a vCPU that spins does not starve its sibling, which holds the lock, also beside a VM that never waits", () => {
    const { operator, create, instructionsOf } = operated()
    create("tight", "counts")
    create("locks", "kernel", { cpus: 2, append: "run=locks 4 100 spin" })
    create("flags", "smp", { cpus: SMP.cpus })
    const bothEnd = (): boolean => operator.stateOf("locks") === "ended" && operator.stateOf("flags") === "ended"
    for (let round = 0; round < ROUNDS_MAX && !bothEnd(); round++) operator.ticks(500)
    for (const name of ["locks", "flags"])
      expect([name, operator.list().find(({ spec }) => spec.name === name)?.outcome]).toEqual([name, expect.objectContaining({ exit: 0 })])
    expect(instructionsOf("tight")).toBeGreaterThan(0)
  })

  it("one that polls a word in memory gives its CPU away and costs nothing; one that counts does not", () => {
    const { operator, create, instructionsOf } = operated()
    create("polls", "polls")
    operator.until("it is found out", () => instructionsOf("polls") > 0 && operator.isIdle())
    const before = instructionsOf("polls")
    operator.ticks(500)
    expect([instructionsOf("polls"), before > 0]).toEqual([before, true])
    create("counts", "counts")
    operator.ticks(500)
    expect(instructionsOf("counts")).toBeGreaterThan(300 * 200_000)
  })
})

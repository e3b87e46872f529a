/**
 * Where exits are handled is placement (proof point 4): a whole kernel ends in the same architectural state with every exit handled in the node and
 * with every exit sent to the hypervisor, in each mode and under each memory management; kernels with several vCPUs do their work both ways.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { describe, expect, it } from "vitest"
import { actorsWith } from "./machine-actors.ts"
import { MemoryImages } from "./memory-images.ts"
import { machineWorld, outcomeOf } from "./simulate.ts"

const IMAGES = join(import.meta.dirname, "../../../tools/guests/images")
const images = new MemoryImages()
const kernel = images.add(readFileSync(join(IMAGES, "kernel.bin")))
const softtlb = images.add(readFileSync(join(IMAGES, "kernel-softtlb.bin")))

function run(vms: readonly object[], cpus: number) {
  const spec = resolveMachineSpec({
    topology: { nodes: 1, cpus, framesPerNode: 65_536 },
    schedule: { policy: "cfs" },
    maxTicks: 200_000,
    vms: vms.map((vm) => ({ kernel, memoryBytes: 8 << 20, instructionsPerTick: 500_000, ...vm })),
  })
  const world = machineWorld(spec, { fingerprint: "off", stepsMax: 5_000_000 }, actorsWith(images))
  let exits = 0
  world.onMessage(({ body }) => void (body.kind === "VmExit" && exits++))
  world.run({ stop: () => outcomeOf(world) !== null })
  const outcome = outcomeOf(world)
  if (outcome === null || !("result" in outcome)) throw new Error(JSON.stringify(outcome))
  return { ends: outcome.result.vms ?? {}, exits }
}

const WORK = "run=copies 4"

describe("exits in the node and over the bus", () => {
  it.each([
    ["trap", "shadow"],
    ["trap", "nested"],
    ["trap", "softtlb"],
    ["assist", "shadow"],
    ["para", "shadow"],
    ["para", "nested"],
  ])("%s, %s: the same state", (mode, mmu) => {
    const vm = { mode, mmu, append: WORK, ...(mmu === "softtlb" && { kernel: softtlb }) }
    const { ends, exits } = run(
      [
        { ...vm, name: "here", trapPath: "resident" },
        { ...vm, name: "there", trapPath: "bus" },
      ],
      2,
    )
    const { here, there } = ends
    expect(there).toMatchObject({ state: "ended", outcome: { exit: 0 } })
    expect(there?.outcome).toEqual(here?.outcome)
    expect(exits).toBeGreaterThan(20)
  })

  it.each(["trap", "assist", "para"])("%s: two vCPUs do their work over the bus", (mode) => {
    const { ends, exits } = run([{ name: "pair", mode, cpus: 2, trapPath: "bus", append: "run=shared 2 50" }], 2)
    expect(ends["pair"]).toMatchObject({ state: "ended", outcome: { exit: 0 } })
    expect(exits).toBeGreaterThan(20)
  })
})

/** A system call of a guest whose exits go over the bus is one trace, over node and hypervisor, with the numbered steps of OSTEP's table B.3. */
import { readFileSync } from "node:fs"
import { SpanRecorder } from "@backplane/foundation-simulation/span-recorder"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { SYSTEM_CALL_STEPS, TLB_MISS_STEPS } from "@backplane/trap-vmm/ostep-tables"
import { commandLine } from "@backplane/trap-vmm/suite/micro-guest"
import { describe, expect, it } from "vitest"
import { actorsWith } from "./machine-actors.ts"
import { MemoryImages } from "./memory-images.ts"
import { machineWorld, outcomeOf } from "./simulate.ts"

interface Step {
  readonly step: number
  readonly name: string
  readonly service: string
  readonly cause: string
}

/** The steps of each trace of a trap, in the order in which they began. */
function traces(guest: string, vm: object): readonly (readonly Step[])[] {
  const images = new MemoryImages()
  const kernel = images.add(readFileSync(imagePath(readManifest().guests.find(({ name }) => name === guest)!)))
  const vms = [{ name: "vm", kernel, memoryBytes: 1 << 24, instructionsPerTick: 20_000, trapPath: "bus", ...vm }]
  const recorder = new SpanRecorder()
  const world = machineWorld(
    resolveMachineSpec({ topology: { cpus: 1 }, vms }),
    { spans: recorder, stepsMax: 5_000_000 },
    actorsWith(images),
  )
  world.run({ stop: () => outcomeOf(world) !== null })
  expect(outcomeOf(world)).toMatchObject({ result: { vms: { vm: { outcome: { exit: 0 } } } } })
  const roots = recorder.spans.filter(({ name, parentSpanId }) => name.startsWith("trap ") && parentSpanId === null)
  return roots.map(({ traceId }) =>
    recorder.spans
      .filter((span) => span.traceId === traceId && span.attributes["backplane.step"] !== undefined)
      .sort((a, b) => a.start - b.start || Number(a.attributes["backplane.step"]) - Number(b.attributes["backplane.step"]))
      .map(({ name, actor, attributes }) => ({
        step: Number(attributes["backplane.step"]),
        name,
        service: actor.split(".")[0] ?? "",
        cause: String(attributes["backplane.cause"] ?? ""),
      })),
  )
}

const WHO = { process: "node", hardware: "node", "operating system": "node", vmm: "hypervisor" } as const

describe("the trace of a trap", () => {
  it("of a system call: steps 1 to 5 of table B.3, each at whom the table names", () => {
    const all = traces("micro", { append: commandLine({ what: "null call", count: 3 }) })
    const call = all.find((steps) => steps[0]?.name === "trap ecall-from-user")
    expect(call).toBeDefined()
    for (const { step, who: actor } of SYSTEM_CALL_STEPS)
      expect([step, call!.some((each) => each.step === step && each.service === WHO[actor])]).toEqual([step, true])
    expect(call!.filter(({ step }) => step === 2)).toMatchObject([{ name: "vmm.exit", cause: "ecall-from-user" }])
    expect(call!.filter(({ step }) => step === 4)).toMatchObject([{ name: "vmm.exit", cause: "return" }])
    expect(call!.map(({ step }) => step)).toEqual([...call!.map(({ step }) => step)].sort())
  })

  it("of a TLB miss: steps 1 to 7 of table B.5, in this order, each at whom the table names", () => {
    const all = traces("micro", { append: commandLine({ what: "working set", count: 3, soft: true }), mmu: "softtlb" })
    const misses = all.filter((steps) => steps[0]?.name === "trap tlb-miss")
    expect(misses.length).toBeGreaterThan(4)
    // What the engine alone had lost sight of is none: each of these was the guest's own.
    for (const miss of misses) {
      const whole = miss.filter(({ step }, index) => step !== miss[index - 1]?.step)
      expect(whole.map(({ step, service }) => ({ step, service }))).toEqual(
        TLB_MISS_STEPS.map(({ step, who: actor }) => ({ step, service: WHO[actor] })),
      )
    }
  })
})

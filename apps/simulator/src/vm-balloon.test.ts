/** A guest that listens gives the pages that it does not need when its node runs short, before those of others go to the swap store; and has them back when it needs them. */
import { readFileSync } from "node:fs"
import { kernelPath } from "@backplane/guests/build-kernel"
import { Hypercalls } from "@backplane/trap-vmm/hypercalls"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { afterEach, describe, expect, it, vi } from "vitest"
import { outcomeOf } from "./simulate.ts"
import { movingVms, SOURCE, viewOf } from "./testing/moving-vm.ts"

const { kernel, machine, stayed, world } = movingVms((name) => readFileSync(kernelPath({ name })))

const FRAMES = 800
const OTHER = { append: "run=walk 300 8", memoryBytes: 4 << 20, instructionsPerTick: 1500 }
/** It uses most of its memory once, then none of it. */
const RUN = "run=walk 400 1; idle 1200; walk 400 1; echo well"

function node(boot: string): MachineSpec {
  const others = ["one", "two"].map((name) => ({ name, kernel: kernel("kernel"), node: 0, restartable: true, ...OTHER }))
  const spec = machine("kernel", null, { ...OTHER, instructionsPerTick: 5000, mode: "para", append: `${boot}${RUN}` }, others)
  const topology = { ...spec.topology, framesPerNode: FRAMES }
  return { ...spec, topology, memory: { swapPages: 0, vms: { swapPages: 3500, share: false } } }
}

interface Seen {
  readonly outcome: { readonly result: { readonly vms: Readonly<Record<string, { readonly outcome: { readonly console: string } }>> } }
  /** The most that the guest had given at once, what it had given at the end, and pages that went to the store. */
  readonly given: number
  readonly last: number
  readonly outs: number
}

function run(boot = ""): Seen {
  const running = world(node(boot))
  let given = 0
  let last = 0
  let outs = 0
  let events = 0
  running.onEvent(() => {
    if (events++ % 16 !== 0) return
    const view = viewOf(running, SOURCE)?.vms as unknown as {
      readonly vms: readonly { readonly vm: string; readonly pagesGiven?: number }[]
      readonly memory: { readonly swap: { readonly outs: number } | null } | null
    } | null
    last = view?.vms.find(({ vm }) => vm === "guest")?.pagesGiven ?? last
    given = Math.max(given, last)
    outs = Math.max(outs, view?.memory?.swap?.outs ?? 0)
  })
  running.run({ stop: () => outcomeOf(running) !== null })
  return { outcome: outcomeOf(running) as unknown as Seen["outcome"], given, last, outs }
}

// Much is simulated here; how long that takes says nothing.
vi.setConfig({ testTimeout: 120_000 })

afterEach(() => {
  vi.restoreAllMocks()
})

describe("a VM that listens, on a node that runs short of frames", () => {
  it("gives what it does not need, so that far less goes to the store, and has it back when it needs it; all end as ever", () => {
    const alone = stayed("kernel", OTHER)
    const asked = run()
    const deaf = run("para=off ")
    expect(asked.given).toBeGreaterThan(200)
    expect([asked.last, deaf.given]).toEqual([0, 0])
    expect(deaf.outs).toBeGreaterThan(300)
    expect(asked.outs * 2).toBeLessThan(deaf.outs)
    for (const { outcome } of [asked, deaf]) {
      const { one, two, guest } = outcome.result.vms
      expect([one?.outcome, two?.outcome]).toEqual([alone, alone])
      expect(guest?.outcome.console).toMatch(/walk: pages=400[^]*walk: pages=400[^]*well/)
    }
  })

  it("that is not told gives nothing: caught", () => {
    vi.spyOn(Hypercalls.prototype, "askBalloon").mockImplementation(() => undefined)
    const untold = run()
    expect([untold.given, untold.outs > 300]).toEqual([0, true])
  })
})

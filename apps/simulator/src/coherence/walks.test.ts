/** The memory walks of the README: which messages lie between a fault and its page, as golden conversations (`scenarios/memory-*.txt`). */
import { describe, expect, it } from "vitest"
import { RAM_BASE, type Engine } from "@backplane/compute-contract/engine"
import { encode } from "@backplane/compute-riscv/encode"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { messageLine } from "@backplane/foundation-simulation/conversation"
import type { SentMessage } from "@backplane/foundation-simulation/effect-carrier"
import { expectScenario } from "@backplane/foundation-simulation/scenario-file"
import { SpanRecorder } from "@backplane/foundation-simulation/span-recorder"
import type { HartDriver } from "@backplane/memory-bare/bare-node"
import { LATENCY_CYCLES, sharedWorld, type SharedWorld } from "./shared-world.ts"

const PAGE_BYTES = 4096
const LOAD = 0
const STORE = 4
/** Page 0 is code; each node has run in it before anything is counted. The page that is walked for lies at node 2. */
const PAGE = 1
const HOME = 2

type Step = readonly [node: number, what: "load" | "store"]

/** One hart on each of three nodes: does the steps in their order, one when the one before is done. */
class Script implements HartDriver {
  readonly #engine: Engine
  readonly #node: number
  readonly #steps: readonly Step[]
  readonly #progress: { done: number }
  #busy = false

  constructor(
    engine: Engine,
    { node, steps, progress }: { readonly node: number; readonly steps: readonly Step[]; readonly progress: { done: number } },
  ) {
    this.#engine = engine
    this.#node = node
    this.#steps = steps
    this.#progress = progress
  }

  budget(cpu: number): number | null {
    if (this.#busy) return 1
    const step = this.#steps[this.#progress.done]
    if (step === undefined) return null
    const [node, what] = step
    if (node !== this.#node) {
      // Looks again and again whether it is its turn; in page 0, which is here.
      this.#engine.writePc(cpu, RAM_BASE + 8n)
      return 1
    }
    this.#busy = true
    this.#engine.writeRegister(cpu, 5, RAM_BASE + BigInt(PAGE * PAGE_BYTES))
    this.#engine.writePc(cpu, RAM_BASE + BigInt(what === "load" ? LOAD : STORE))
    return 1
  }

  retired(): void {
    if (!this.#busy) return
    this.#busy = false
    this.#progress.done += 1
  }

  left(): boolean {
    throw new Error("nothing here leaves the engine")
  }
}

function image(): Uint8Array {
  const bytes = new Uint8Array(2 * PAGE_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(LOAD, encode("ld", { rd: 6, rs1: 5, immediate: 0 }), true)
  view.setUint32(STORE, encode("sd", { rs1: 5, rs2: 5, immediate: 0 }), true)
  view.setUint32(8, encode("addi", { rd: 0, rs1: 0, immediate: 0 }), true)
  return bytes
}

interface Walk {
  readonly sent: readonly SentMessage[]
  /** Whole hops from the fault to the end of the instruction. */
  readonly hops: number
}

/** What is said for the last of the steps. */
function walk(steps: readonly Step[], spans?: SpanRecorder): Walk {
  const progress = { done: 0 }
  const shared: SharedWorld = sharedWorld({
    seed: 1,
    nodes: 3,
    hartsPerNode: 1,
    memoryBytes: 2 * PAGE_BYTES,
    image: image(),
    place: (page) => (page === PAGE ? HOME : 0),
    driver: (node, engine) => new Script(engine, { node, steps, progress }),
    ...(spans !== undefined && { world: { spans } }),
  })
  const { world } = shared
  const sent: SentMessage[] = []
  world.onMessage((message) => {
    if (progress.done === steps.length - 1 && "page" in message.body && message.body.page === PAGE) sent.push(message)
  })
  world.run({ until: virtualTime(100_000), stop: () => progress.done === steps.length - 1 })
  world.run({ until: virtualTime(200_000), stop: () => progress.done === steps.length })
  const first = sent.find(({ body }) => body.kind === "PageGetS" || body.kind === "PageGetM")
  const hops = first === undefined ? 0 : Math.floor((world.now - first.at) / LATENCY_CYCLES)
  // Beside the path: what is said when the instruction is done.
  world.run({ until: virtualTime(world.now + 20 * LATENCY_CYCLES) })
  return { sent, hops }
}

const WALKS: Readonly<Record<string, { readonly steps: readonly Step[]; readonly path: readonly string[] }>> = {
  "memory-clean-at-home": {
    steps: [[0, "load"]],
    path: ["PageGetS node.0 → memory.0", "PageFetch memory.0 → node.2", "PageData node.2 → node.0"],
  },
  "memory-owned-elsewhere": {
    steps: [
      [1, "store"],
      [0, "load"],
    ],
    path: ["PageGetS node.0 → memory.0", "PageFwdS memory.0 → node.1", "PageData node.1 → node.0"],
  },
  "memory-write-of-owned": {
    steps: [
      [1, "store"],
      [0, "store"],
    ],
    path: ["PageGetM node.0 → memory.0", "PageFwdM memory.0 → node.1", "PageData node.1 → node.0"],
  },
  "memory-upgrade": {
    steps: [
      [1, "load"],
      [2, "load"],
      [0, "load"],
      [0, "store"],
    ],
    path: [
      "PageGetM node.0 → memory.0",
      "PageInv memory.0 → node.1",
      "PageInv memory.0 → node.2",
      "PageInvAck node.1 → node.0",
      "PageInvAck node.2 → node.0",
    ],
  },
}

describe("the memory walks", () => {
  it.each(Object.keys(WALKS))("%s: three hops to the page, the rest beside the path", (name) => {
    const { steps, path } = WALKS[name] as (typeof WALKS)[string]
    const { sent, hops } = walk(steps)
    const lines = sent.map(({ from, to, body }) => `${body.kind} ${from} → ${to}`)
    for (const line of path) expect(lines).toContain(line)
    expect(hops).toBe(3)
    expectScenario(
      new URL(`../../scenarios/${name}.txt`, import.meta.url),
      `${sent.length} messages\n${sent.map(messageLine).map(withoutBytes).join("\n")}\n`,
    )
  })

  it("a trace of a remote write shows the home, the former owner's shootdown and the frame coming back", () => {
    const spans = new SpanRecorder()
    walk(
      [
        [1, "load"],
        [2, "load"],
        [0, "load"],
        [0, "store"],
      ],
      spans,
    )
    const names = spans.spans.map(({ name, actor }) => `${name} ${actor}`)
    expect(names).toContain("mem.GetM node.0")
    expect(names).toContain("mem.home memory.0")
    expect(names).toContain("mem.shootdown node.1")
    expect(names).toContain("mem.shootdown node.2")
    const write = spans.spans.filter(({ name, actor }) => name === "mem.GetM" && actor === "node.0").at(-1)
    const inTrace = spans.spans.filter(({ traceId }) => traceId === write?.traceId).map(({ name }) => name)
    expect(inTrace).toContain("mem.home")
    expect(inTrace.filter((name) => name === "mem.shootdown")).toHaveLength(2)
  })
})

/** Five thousand letters say nothing to a reader. */
function withoutBytes(line: string): string {
  return line.replace(/"?[A-Za-z0-9+/=]{200,}"?/, "…")
}

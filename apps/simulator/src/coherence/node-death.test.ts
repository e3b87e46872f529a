/** What the death of a node does to memory that several spaces share over it: only those with state there are hurt, and are named. */
import { describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Body } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { RAM_BASE, type Engine } from "@backplane/compute-contract/engine"
import { encode } from "@backplane/compute-riscv/encode"
import type { HartDriver } from "@backplane/memory-bare/bare-node"
import { MEMORY_CONTROLLER, nodeActor } from "@backplane/scenario-machine/topology"
import { sharedWorld, SPACE, type SharedWorld } from "./shared-world.ts"

const PAGE_BYTES = 4096
const LOAD = 0
const STORE = 4
const PAGES = 8

type Step = { readonly page: number; readonly what: "load" | "store" }

/** One hart that does its steps one after the other, and stands still between them until it is told to go on. */
class Steps implements HartDriver {
  readonly #engine: Engine
  readonly steps: Step[] = []
  done = 0
  #busy = false

  constructor(engine: Engine) {
    this.#engine = engine
  }

  budget(cpu: number): number | null {
    if (this.#busy) return 1
    const step = this.steps[this.done]
    if (step === undefined) {
      this.#engine.writePc(cpu, RAM_BASE + 8n)
      return 1
    }
    this.#busy = true
    this.#engine.writeRegister(cpu, 5, RAM_BASE + BigInt(step.page * PAGE_BYTES))
    this.#engine.writePc(cpu, RAM_BASE + BigInt(step.what === "load" ? LOAD : STORE))
    return 1
  }

  retired(): void {
    if (!this.#busy) return
    this.#busy = false
    this.done += 1
  }

  left(): boolean {
    throw new Error("nothing here leaves the engine")
  }
}

function image(): Uint8Array {
  const bytes = new Uint8Array(PAGES * PAGE_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(LOAD, encode("ld", { rd: 6, rs1: 5, immediate: 0 }), true)
  view.setUint32(STORE, encode("sd", { rs1: 5, rs2: 5, immediate: 0 }), true)
  view.setUint32(8, encode("addi", { rd: 0, rs1: 0, immediate: 0 }), true)
  return bytes
}

interface Run {
  readonly shared: SharedWorld
  readonly drivers: readonly Steps[]
  readonly refused: string[]
  /** Runs until this node has done so many steps, or for long. */
  until(node: number, steps: readonly Step[]): boolean
  die(node: number): void
}

function run(place: (page: number) => number): Run {
  const drivers: Steps[] = []
  const refused: string[] = []
  const shared = sharedWorld({
    seed: 1,
    nodes: 3,
    hartsPerNode: 1,
    memoryBytes: PAGES * PAGE_BYTES,
    image: image(),
    place,
    driver: (node, engine) => {
      const driver = new Steps(engine)
      drivers[node] = driver
      return driver
    },
  })
  const { world } = shared
  world.onMessage(({ body }) => {
    if (body.kind === "PageRefused" && "reason" in body) refused.push(String(body.reason))
  })
  return {
    shared,
    drivers,
    refused,
    until: (node, steps) => {
      const driver = drivers[node] as Steps
      driver.steps.push(...steps)
      const goal = driver.steps.length
      world.run({ until: virtualTime(world.now + 200_000), stop: () => driver.done === goal })
      return driver.done === goal
    },
    die: (node) => {
      world.crash(nodeActor(node))
      const body = { kind: "NodeGone", node, incarnation: 1 } as Body
      world.inject({ from: actorId("hypervisor.0"), to: MEMORY_CONTROLLER, body })
    },
  }
}

const store = (page: number): Step => ({ page, what: "store" })
const load = (page: number): Step => ({ page, what: "load" })

describe("the death of a node", () => {
  it("a page that it owned is refused with its name, at once and ever after; the others go on", () => {
    const { shared, until, die, refused } = run(() => 0)
    expect(until(0, [load(2), store(3)])).toBe(true)
    expect(until(1, [store(1), load(2)])).toBe(true)
    die(1)
    expect(until(2, [load(3), load(2), store(2)])).toBe(true)
    expect(until(2, [load(1)])).toBe(false)
    expect(refused).toEqual([`node 1 died with the only bytes of page 1 of ${SPACE}`])
    expect(shared.machines[2]?.refusals).toEqual(refused)
    expect(until(0, [store(3), store(4)])).toBe(true)
  })

  it("a frame that lay there comes to lie where there is a copy; one without any is lost", () => {
    const { shared, until, die, refused } = run((page) => (page === 0 ? 0 : 1))
    expect(until(0, [store(1), load(2)])).toBe(true)
    expect(until(2, [load(2)])).toBe(true)
    expect(until(1, [load(3)])).toBe(true)
    die(1)
    expect(until(2, [load(1), store(2)])).toBe(true)
    const pages = shared.controller()?.directory().spaces().get(SPACE)
    expect(pages?.get(1)?.home).toBe(0)
    expect(until(0, [load(2), store(1)])).toBe(true)
    expect(until(0, [load(3)])).toBe(false)
    expect(refused).toEqual([`node 1 died with the only bytes of page 3 of ${SPACE}`])
  })

  it("an owner whose frame died there can still give its page back", () => {
    const { shared, until, die } = run((page) => (page === 0 ? 0 : 1))
    expect(until(0, [store(1)])).toBe(true)
    die(1)
    expect(until(2, [store(4)])).toBe(false) // its frame would lie with the dead: refused
    shared.machines[0]?.evictSoon(1)
    expect(until(0, [load(0), load(1)])).toBe(true)
    expect(shared.machines[0]?.agent.inspect(1).stored).toBeGreaterThan(0)
  })

  it("acknowledgements that the dead owed are not waited for", () => {
    const { shared, until, drivers } = run(() => 0)
    expect(until(0, [load(1)])).toBe(true)
    expect(until(1, [load(1)])).toBe(true)
    expect(until(2, [load(1)])).toBe(true)
    shared.world.crash(nodeActor(1))
    expect(until(2, [store(1)])).toBe(false)
    shared.world.inject({
      from: actorId("hypervisor.0"),
      to: MEMORY_CONTROLLER,
      body: { kind: "NodeGone", node: 1, incarnation: 1 } as Body,
    })
    shared.world.run({ until: virtualTime(shared.world.now + 100_000), stop: () => drivers[2]?.done === 2 })
    expect(drivers[2]?.done).toBe(2)
  })

  it("is named by space: those that ran there or lay there, no others", () => {
    const { shared, until, die } = run(() => 0)
    expect(until(1, [store(1)])).toBe(true)
    die(1)
    expect(until(0, [store(2)])).toBe(true)
    expect(shared.controller()?.directory().hurt()).toEqual([{ space: SPACE, node: 1, lost: 1 }])
    die(2)
    expect(until(0, [store(3)])).toBe(true)
    // Node 2 ran code of page 0 (its stub), and lost nothing.
    expect(shared.controller()?.directory().hurt()).toEqual([
      { space: SPACE, node: 1, lost: 1 },
      { space: SPACE, node: 2, lost: 0 },
    ])
  })

  it("a node that was only taken for dead drops all it has, and goes on", () => {
    const { shared, until } = run(() => 0)
    expect(until(0, [load(1)])).toBe(true)
    expect(until(1, [load(1)])).toBe(true)
    shared.world.inject({
      from: actorId("hypervisor.0"),
      to: MEMORY_CONTROLLER,
      body: { kind: "NodeGone", node: 1, incarnation: 1 } as Body,
    })
    expect(until(0, [store(1)])).toBe(true)
    expect(until(1, [load(1), store(2)])).toBe(true)
  })
})

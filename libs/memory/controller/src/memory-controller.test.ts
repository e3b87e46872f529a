import { describe, expect, it } from "vitest"
import fc from "fast-check"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Lease } from "@backplane/memory-contract/memory-messages"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { HYPERVISOR, nodeActor } from "@backplane/scenario-machine/topology"
import { FrameLedger } from "./frame-ledger.ts"
import { MemoryControllerMachine, type MemoryHears, type MemorySays } from "./memory-controller.ts"

const NOW = virtualTime(5_000_000)
const spec = resolveMachineSpec({ topology: { nodes: 2, cpus: 2, framesPerNode: 100 }, jobs: [] })

class Controller {
  readonly machine: MemoryControllerMachine
  readonly #incarnation: number

  constructor(incarnation = 1) {
    this.#incarnation = incarnation
    this.machine = new MemoryControllerMachine({ spec, incarnation })
    this.machine.start(virtualTime(0))
  }

  hear(from: ActorId, body: MemoryHears): readonly { readonly to: ActorId; readonly body: MemorySays }[] {
    const effects = this.machine.step(NOW, { kind: "message", from, body })
    return effects.flatMap((effect) => (effect.kind === "send" ? [{ to: effect.to, body: effect.body }] : []))
  }

  report(node: number, leases: Lease[] = []): ReturnType<Controller["hear"]> {
    return this.hear(nodeActor(node), { kind: "LeaseReport", node, incarnation: 1, memoryIncarnation: this.#incarnation, leases })
  }

  ready(): this {
    this.report(0)
    this.report(1)
    return this
  }
}

const ask = (owner: string, frames: number, more: { attempt?: number; node?: number } = {}): MemoryHears => ({
  kind: "FrameLeaseAsk",
  node: more.node ?? 0,
  incarnation: 1,
  owner,
  attempt: more.attempt ?? 1,
  frames,
})
const release = (owner: string, attempt = 1): MemoryHears => ({ kind: "FrameRelease", owner, attempt })

describe("the memory controller", () => {
  it("grants near the asker, and the same lease to the same question", () => {
    const controller = new Controller().ready()
    const first = controller.hear(nodeActor(0), ask("a", 60))
    expect(first).toEqual([{ to: nodeActor(0), body: { kind: "FrameLeaseGrant", lease: { owner: "a", attempt: 1, frames: 60, home: 0 } } }])
    expect(controller.hear(nodeActor(0), ask("a", 60))).toEqual(first)
    expect(controller.machine.inspect().free).toEqual([40, 100])
  })

  it("goes to the next node where the first is full, and refuses with the remedy where all are", () => {
    const controller = new Controller().ready()
    controller.hear(nodeActor(0), ask("a", 60))
    expect(controller.hear(nodeActor(0), ask("b", 60))).toMatchObject([{ body: { lease: { home: 1 } } }])
    const [refusal] = controller.hear(nodeActor(0), ask("c", 60))
    expect(refusal?.body).toEqual({
      kind: "FrameLeaseRefusal",
      owner: "c",
      attempt: 1,
      reason: "60 frames are asked for and no node has more than 40 free; give the machine more framesPerNode",
    })
  })

  it("takes frames back once, and says so every time", () => {
    const controller = new Controller().ready()
    controller.hear(nodeActor(0), ask("a", 60))
    for (let copy = 0; copy < 2; copy++)
      expect(controller.hear(nodeActor(0), release("a"))).toEqual([
        { to: nodeActor(0), body: { kind: "FrameReleased", owner: "a", attempt: 1 } },
      ])
    expect(controller.machine.inspect().free).toEqual([100, 100])
  })

  it("leases nothing to a life that is over: the question is a late copy", () => {
    const controller = new Controller().ready()
    controller.hear(HYPERVISOR, release("a"))
    expect(controller.hear(nodeActor(0), ask("a", 60))).toEqual([])
    expect(controller.hear(nodeActor(0), ask("a", 60, { attempt: 2 }))).toHaveLength(1)
  })

  it("ends the lease of a life with the lease of the next", () => {
    const controller = new Controller().ready()
    controller.hear(nodeActor(0), ask("a", 60))
    controller.hear(nodeActor(1), ask("a", 60, { attempt: 2, node: 1 }))
    expect(controller.machine.inspect()).toMatchObject({ free: [100, 40], leases: [{ owner: "a", attempt: 2, home: 1 }] })
  })

  it("in a new life grants nothing until every node has told its leases", () => {
    const controller = new Controller(2)
    expect(controller.hear(nodeActor(0), ask("b", 50))).toEqual([])
    controller.report(0, [{ owner: "a", attempt: 1, frames: 60, home: 0 }])
    expect(controller.report(1)).toMatchObject([{ to: nodeActor(0), body: { kind: "FrameLeaseGrant", lease: { owner: "b", home: 1 } } }])
  })

  it("in a new life believes no report that is older than a release", () => {
    const controller = new Controller(2)
    controller.hear(nodeActor(0), release("a"))
    controller.report(0, [{ owner: "a", attempt: 1, frames: 60, home: 0 }])
    expect(controller.machine.inspect().free).toEqual([100, 100])
  })

  it("in a new life believes no report of a life that another node has outlived", () => {
    const controller = new Controller(2)
    controller.report(1, [{ owner: "a", attempt: 2, frames: 10, home: 1 }])
    controller.report(0, [{ owner: "a", attempt: 1, frames: 60, home: 0 }])
    expect(controller.machine.inspect()).toMatchObject({ free: [100, 90], leases: [{ attempt: 2 }] })
  })

  it("does not wait for ever for a node that is gone", () => {
    const controller = new Controller(2)
    controller.report(0)
    for (let question = 0; question < 60; question++) controller.machine.step(NOW, { kind: "timer", key: "ask-unknown" })
    expect(controller.hear(nodeActor(0), ask("b", 50))).toHaveLength(1)
  })
})

describe("the ledger of frames", () => {
  it("conserves frames whatever is granted, adopted and released in whatever order", () => {
    const operation = fc.record({
      what: fc.constantFrom("grant", "adopt", "release"),
      owner: fc.constantFrom("a", "b", "c"),
      attempt: fc.integer({ min: 1, max: 3 }),
      frames: fc.integer({ min: 0, max: 30 }),
      node: fc.integer({ min: 0, max: 1 }),
    })
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const ledger = new FrameLedger(2, 100)
        for (const { what, owner, attempt, frames, node } of operations) {
          if (what === "grant") ledger.grant({ owner, attempt, frames, node })
          else if (what === "adopt") ledger.adopt({ owner, attempt, frames, home: node })
          else ledger.release({ owner, attempt })
          for (const home of [0, 1]) {
            const leased = ledger.leases().reduce((sum, lease) => sum + (lease.home === home ? lease.frames : 0), 0)
            expect((ledger.free()[home] as number) + leased).toBe(100)
          }
          expect(new Set(ledger.leases().map((lease) => lease.owner)).size).toBe(ledger.leases().length)
        }
      }),
    )
  })
})

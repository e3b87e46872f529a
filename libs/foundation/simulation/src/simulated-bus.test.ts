/** What only the simulated bus promises; the laws of all buses are in foundation/runtime's suite. */
import { describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Envelope } from "@backplane/foundation-actor/envelope"
import type { Body } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { SimulatedBus, type SimulatedBusOptions } from "./simulated-bus.ts"

const A = actorId("node.0")
const B = actorId("node.1")

function envelope(number: number): Envelope {
  return { machine: "m", from: A, to: B, body: { kind: "Numbered", number } as Body }
}

function numbers(options: SimulatedBusOptions, drive: (bus: SimulatedBus) => void): unknown[] {
  const bus = new SimulatedBus(options)
  const heard: unknown[] = []
  bus.subscribe("m", B, ({ body }) => heard.push((body as Body & { number: number }).number))
  drive(bus)
  return heard
}

describe("the simulated bus", () => {
  it("delivers when its clock passes the latency, not before", () => {
    const bus = new SimulatedBus({ seed: 1, latency: 100 })
    const heard: number[] = []
    bus.subscribe("m", B, () => heard.push(bus.now))
    bus.publish(envelope(1))
    bus.advance(99)
    expect(heard).toEqual([])
    bus.advance(1)
    expect([heard, bus.underWay]).toEqual([[100], 0])
  })

  it("delivers an answer that comes due in the same advance", () => {
    const bus = new SimulatedBus({ seed: 1, latency: 100 })
    const heard: number[] = []
    bus.subscribe("m", B, () => bus.publish({ machine: "m", from: B, to: A, body: { kind: "Back" } }))
    bus.subscribe("m", A, () => heard.push(bus.now))
    bus.publish(envelope(1))
    bus.advance(1000)
    expect(heard).toEqual([200])
  })

  it("loses and doubles the same messages for the same seed, and none after the plan", () => {
    const faults = { until: virtualTime(5000), loss: 0.3, duplication: 0.3 }
    const drive = (bus: SimulatedBus): void => {
      for (let number = 0; number < 100; number++) {
        bus.publish(envelope(number))
        bus.advance(100)
      }
    }
    const heard = numbers({ seed: 1, faults }, drive)
    expect(heard).toEqual(numbers({ seed: 1, faults }, drive))
    expect(heard).not.toEqual(numbers({ seed: 2, faults }, drive))
    expect(heard.slice(-50)).toEqual(Array.from({ length: 50 }, (_, index) => index + 50))
  })

  it("drops the newest when too many are under way, and counts", () => {
    const bus = new SimulatedBus({ seed: 1, waitingMax: 2 })
    for (let number = 0; number < 5; number++) bus.publish(envelope(number))
    expect([bus.underWay, bus.counts.dropped]).toEqual([2, 3])
  })

  it("refuses what no wire carries", () => {
    const bus = new SimulatedBus({ seed: 1, payloadBytesMax: 100 })
    bus.publish({ ...envelope(1), body: { kind: "Raw", value: 5n } as Body })
    bus.publish({ ...envelope(1), body: { kind: "Long", value: "x".repeat(100) } as Body })
    expect([bus.underWay, bus.counts.refused]).toEqual([0, 2])
  })
})

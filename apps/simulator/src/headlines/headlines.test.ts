import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Body, Effect, Machine } from "@backplane/foundation-actor/machine"
import { send } from "@backplane/foundation-actor/effects"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { describe, expect, it } from "vitest"
import { cachePoint } from "./cache-headline.ts"
import { contentionPoint } from "./contention.ts"
import { headlineTable } from "./headline.ts"
import { HEADLINES } from "./headlines.ts"
import { emptyMailbox, ServingMachine } from "./serving-machine.ts"
import { WASTED_CASES, wastedRun } from "./wasted-cores.ts"

const ASKER = actorId("node.0")
const ask = (kind: string) => ({ kind: "message" as const, from: ASKER, body: { kind } })

/** Answers every message with its own kind. */
const echo: Machine = {
  start: () => [],
  step: (_now, input) => (input.kind === "message" ? [send(ASKER, input.body)] : []),
}

const saidIn = (effects: readonly Effect<Body>[]): readonly string[] =>
  effects.flatMap((one) => (one.kind === "send" ? [one.body.kind] : []))

describe("an actor that takes time", () => {
  it("serves in turn, answers when a service ends, and counts waits, services and the longest queue", () => {
    const record = emptyMailbox()
    const machine = new ServingMachine(echo, { serviceCycles: () => 100, record })
    expect(saidIn(machine.step(virtualTime(1000), ask("a")))).toEqual([])
    expect(saidIn(machine.step(virtualTime(1030), ask("b")))).toEqual([])
    const first = machine.step(virtualTime(1100), { kind: "timer", key: "served" })
    expect(saidIn(first)).toEqual(["a"])
    expect(first.at(-1)).toEqual({ kind: "timer", key: "served", at: 1200 })
    expect(saidIn(machine.step(virtualTime(1200), { kind: "timer", key: "served" }))).toEqual(["b"])
    expect(record).toEqual({ waits: [0, 70], busyCycles: 200, longest: 2 })
  })
})

describe("contention", () => {
  it("with few CPUs one queue loses nothing; with more its scheduler is held longer and messages wait for it", () => {
    const few = contentionPoint("sqms", 4)
    const more = contentionPoint("sqms", 16)
    expect(few.throughput).toBeGreaterThan(3.9)
    expect(more.heldShare).toBeGreaterThan(2 * few.heldShare)
    expect(more.waitMean).toBeGreaterThan(10 * few.waitMean)
    expect(more.throughput).toBeLessThan(contentionPoint("mqms", 16).throughput)
  })

  it("is the lock's and not the repeats': with 64 CPUs the scheduler is not kept busy by what it was told before", () => {
    const many = contentionPoint("sqms", 64)
    expect(many.throughput).toBeGreaterThan(40)
    expect(many.heldShare).toBeLessThan(0.8)
  })

  it("is nothing where a service takes no time", () => {
    expect(contentionPoint("sqms", 16, { perMessage: 0, perEvent: 0 }).waitMean).toBe(0)
  })
})

describe("the four bugs of the wasted cores", () => {
  it.each(WASTED_CASES)("$bug leaves CPUs idle beside work and is flagged; mended, nothing is", (one) => {
    const planted = wastedRun(one, one.bug)
    const mended = wastedRun(one, null)
    expect(planted.flagged).toBeGreaterThan(0)
    expect(mended.flagged).toBe(0)
    expect(mended.makespan).toBeLessThan(planted.makespan)
  })
})

describe("headlines", () => {
  // Each as the command runs it, over few sets; but for cache-aware, which is about many shapes of them.
  it.each(HEADLINES.filter(({ name }) => name !== "cache-aware"))("$name holds: $claim", ({ run }) => {
    const { holds, columns, rows, verdict, svg } = run({ sets: 3 })
    expect([holds, verdict]).toEqual([true, verdict])
    for (const row of rows) expect(row).toHaveLength(columns.length)
    expect(svg).toMatch(/^<svg /)
  })

  it.each([30, 60, 100])("cache-aware stealing is ahead of stealing at its best interval, working sets up to %i", (maxWorkingSet) => {
    const { warm, steal, shorter, longer } = cachePoint({ cpus: 8, jobs: 24, maxRun: 200, maxWorkingSet }, 5)
    expect(warm).toBeLessThan(steal)
    expect(shorter).toBeGreaterThan(longer)
  })

  it("as a table: columns wide enough for what stands in them", () => {
    expect(
      headlineTable({
        columns: ["policy", "ticks"],
        rows: [
          ["mqms-warm", 1.5],
          ["a", 120.25],
        ],
      }),
    ).toBe("policy     ticks\nmqms-warm   1.50\na            120")
  })
})

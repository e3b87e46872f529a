import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { canonicalJson } from "@backplane/foundation-base/json"
import type { KeyState, Vector } from "@backplane/kv-contract/versions"
import { isTooFarAhead, nextTick, observed } from "./hybrid-clock.ts"
import { joinStates, NOTHING_KNOWN, writeVersion } from "./key-state.ts"
import { lastWriter } from "./reconcile/lww/last-writer.ts"
import { reconcilerOf, type Reconciler } from "./reconcile/reconciler.ts"
import { allSiblings } from "./reconcile/siblings/all-siblings.ts"
import { compareDots, descends, highestCount, joinVectors } from "./vector.ts"

/** Few cases in CI; the nightly run asks for KV_LAW_RUNS=10000. */
const RUNS = { numRuns: Number(process.env["KV_LAW_RUNS"] ?? 300) }

const replica = fc.integer({ min: 0, max: 2 })
/** A write at a replica after a join from another; `reader` says whose context the client has (its own read, maybe elsewhere). */
const step = fc.record({ replica, from: replica, reader: replica, skew: fc.integer({ min: 0, max: 50 }), blind: fc.boolean() })
const steps = fc.array(step, { maxLength: 12 })

interface Written {
  readonly dot: [string, number]
  readonly saw: Vector
}

/** Plays writes of three replicas under `reconciler`; each coordinator's clock is wrong by its own skew. */
function play(
  reconciler: Reconciler,
  script: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[],
): { states: KeyState[]; written: Written[] } {
  const states: KeyState[] = [NOTHING_KNOWN, NOTHING_KNOWN, NOTHING_KNOWN]
  const written: Written[] = []
  for (const { replica: at, from, reader, skew, blind } of script) {
    const local = joinStates(reconciler, states[at] as KeyState, states[from] as KeyState)
    const seen = blind ? {} : (states[reader] as KeyState).context
    const last = Math.max(highestCount(local.context), highestCount(seen))
    const dot: [string, number] = [`r${at}`, nextTick(last, skew)]
    written.push({ dot, saw: seen })
    states[at] = writeVersion(reconciler, local, { dot, value: `v${written.length}`, seen })
  }
  return { states, written }
}

const text = (state: KeyState): string => canonicalJson({ ...state, crdt: null })

describe.each([lastWriter, allSiblings])("states under $rule", (reconciler) => {
  it("join is associative, commutative and idempotent, and NOTHING_KNOWN is neutral", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const [a, b, c] = play(reconciler, script).states as [KeyState, KeyState, KeyState]
        const join = (x: KeyState, y: KeyState): KeyState => joinStates(reconciler, x, y)
        expect(text(join(a, b))).toBe(text(join(b, a)))
        expect(text(join(join(a, b), c))).toBe(text(join(a, join(b, c))))
        expect(join(a, a)).toBe(a)
        expect(text(join(NOTHING_KNOWN, a))).toBe(text(a))
      }),
      RUNS,
    )
  })

  it("a join of all is in every context below it", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const { states } = play(reconciler, script)
        const all = states.reduce((joined, state) => joinStates(reconciler, joined, state))
        expect(states.every((state) => descends(all.context, state.context))).toBe(true)
      }),
      RUNS,
    )
  })
})

describe("what is left of writes that were all joined", () => {
  it("siblings: exactly those that no write's context covers", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const { states, written } = play(allSiblings, script)
        const all = states.reduce((joined, state) => joinStates(allSiblings, joined, state))
        const expected = written.filter(({ dot }) => !written.some(({ saw }) => (saw[dot[0]] ?? 0) >= dot[1])).map(({ dot }) => dot)
        expect(all.versions.map(({ dot }) => dot)).toEqual(expected.sort(compareDots))
      }),
      RUNS,
    )
  })

  it("lww: the write with the highest time, ties by writer, whatever the clocks say", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const { states, written } = play(lastWriter, script)
        const all = states.reduce((joined, state) => joinStates(lastWriter, joined, state))
        const last = written
          .map(({ dot }) => dot)
          .sort(compareDots)
          .at(-1)
        expect(all.versions.map(({ dot }) => dot)).toEqual(last === undefined ? [] : [last])
      }),
      RUNS,
    )
  })
})

describe("planted bugs of reconciliation", () => {
  it("a tie that arrival decides is seen by the law of commutation", () => {
    const byArrival: Reconciler = { ...lastWriter, keep: (versions) => versions.slice(0, 1) }
    const write = (writer: string): KeyState => writeVersion(byArrival, NOTHING_KNOWN, { dot: [writer, 5], value: writer, seen: {} })
    const later = writeVersion(lastWriter, NOTHING_KNOWN, { dot: ["c", 9], value: "c", seen: {} })
    expect(joinStates(byArrival, write("a"), later).versions).not.toEqual(joinStates(lastWriter, write("a"), later).versions)
  })
})

describe("handlers", () => {
  const handlers = new Map([["longest", (values: readonly string[]) => values.reduce((a, b) => (b.length > a.length ? b : a))]])

  it("make one value of concurrent ones at the read and leave the siblings", () => {
    const reconciler = reconcilerOf({ name: "b", policy: "handler", handler: "longest" }, handlers)
    if (typeof reconciler === "string") throw new Error(reconciler)
    const a = writeVersion(reconciler, NOTHING_KNOWN, { dot: ["a", 1], value: "long text", seen: {} })
    const both = joinStates(reconciler, a, writeVersion(reconciler, NOTHING_KNOWN, { dot: ["b", 2], value: "short", seen: {} }))
    expect([reconciler.read(both.versions), both.versions.length]).toEqual([["long text"], 2])
  })

  it("that are not registered are refused by name", () => {
    expect(reconcilerOf({ name: "b", policy: "handler", handler: "nobody" }, handlers)).toMatch(
      /nobody is not registered; registered are: longest/,
    )
    expect(reconcilerOf({ name: "b", policy: "crdt" }, handlers)).toMatch(/needs the field crdt/)
  })
})

describe("the hybrid clock", () => {
  it("grows past all that was seen and never falls behind the wall clock", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1000), fc.option(fc.nat(2000)))), (events) => {
        let last = 0
        for (const [physical, heard] of events) {
          if (heard !== null) last = observed(last, heard)
          const tick = nextTick(last, physical)
          expect(tick > last && tick >= physical && (heard === null || tick > heard)).toBe(true)
          last = tick
        }
      }),
      RUNS,
    )
  })

  it("knows a time that no honest clock can have", () => {
    expect([isTooFarAhead(5e9, 1e9), isTooFarAhead(2e9, 1e9)]).toEqual([true, false])
  })

  it("joins vectors by the greater count", () => {
    expect(joinVectors({ a: 1, b: 5 }, { a: 3, c: 1 })).toEqual({ a: 3, b: 5, c: 1 })
  })
})

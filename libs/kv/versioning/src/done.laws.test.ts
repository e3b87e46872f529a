import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { canonicalJson } from "@backplane/foundation-base/json"
import type { Dot, KeyState } from "@backplane/kv-contract/versions"
import { crdtType } from "./crdt/crdt-types.ts"
import { doneText, isDone, joinDone } from "./done.ts"
import { nextTick } from "./hybrid-clock.ts"
import { joinStates, NOTHING_KNOWN, shownVersions, writeDelta, writeVersion } from "./key-state.ts"
import { reconcilerOf, type Reconciler } from "./reconcile/reconciler.ts"
import { allSiblings } from "./reconcile/siblings/all-siblings.ts"
import { highestCount } from "./vector.ts"

const RUNS = { numRuns: Number(process.env["KV_LAW_RUNS"] ?? 300) }
const counter = reconcilerOf({ name: "count", policy: "crdt", crdt: "pn-counter" }, new Map()) as Reconciler

/** Six requests that may each be done at several of three replicas, which join now and then; a put covers what another replica has. */
const steps = fc.array(
  fc.record({
    replica: fc.nat(2),
    from: fc.nat(2),
    request: fc.integer({ min: 1, max: 6 }),
    skew: fc.nat(50),
    joins: fc.boolean(),
    blind: fc.boolean(),
  }),
  { maxLength: 8 },
)
type Steps = typeof steps extends fc.Arbitrary<infer Script> ? Script : never
const amountOf = (request: number): number => (request % 2 === 0 ? -request : request)

function play(reconciler: Reconciler, script: Steps): { readonly states: KeyState[]; readonly requests: ReadonlySet<number> } {
  const states: KeyState[] = [NOTHING_KNOWN, NOTHING_KNOWN, NOTHING_KNOWN]
  const requests = new Set<number>()
  for (const { replica, from, request, skew, joins, blind } of script) {
    const other = states[from] as KeyState
    const local = joins ? joinStates(reconciler, states[replica] as KeyState, other) : (states[replica] as KeyState)
    requests.add(request)
    states[replica] = isDone(local.done, ["client.0", request])
      ? local
      : written(reconciler, local, { replica, request, skew, seen: blind ? {} : other.context })
  }
  return { states, requests }
}

function written(
  reconciler: Reconciler,
  local: KeyState,
  {
    replica,
    request,
    skew,
    seen,
  }: { readonly replica: number; readonly request: number; readonly skew: number; readonly seen: KeyState["context"] },
): KeyState {
  const dot: Dot = [`r${replica}`, nextTick(Math.max(highestCount(local.context), highestCount(seen)), skew)]
  const amount = amountOf(request)
  const operation = { op: amount < 0 ? "decrement" : "increment", by: Math.abs(amount) }
  const { crdt } = reconciler
  const made = crdt?.delta(local.crdt ?? crdt.empty, operation, { writer: dot[0], time: dot[1] })
  if (made !== undefined && "bad" in made) throw new Error(made.bad)
  const next =
    crdt === null || made === undefined
      ? writeVersion(reconciler, local, { dot, value: `v${request}`, seen })
      : writeDelta(crdt.merge, local, { dot, delta: made.delta })
  return { ...next, done: joinDone(local.done, [doneText(["client.0", request], dot, crdt === null ? 0 : amount)]) ?? [] }
}

const text = (state: KeyState): string => canonicalJson({ ...state, crdt: state.crdt ?? null, done: [...(state.done ?? [])] })

describe.each([
  ["siblings", allSiblings],
  ["counter", counter],
] as const)("requests that are done several times, in a bucket of kind %s", (_name, reconciler) => {
  it("join in any order to one state", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const [a, b, c] = play(reconciler, script).states as [KeyState, KeyState, KeyState]
        const join = (x: KeyState, y: KeyState): KeyState => joinStates(reconciler, x, y)
        expect(text(join(a, b))).toBe(text(join(b, a)))
        expect(text(join(join(a, b), c))).toBe(text(join(a, join(b, c))))
        expect(text(join(join(a, b), join(b, c)))).toBe(text(join(join(a, b), c)))
      }),
      RUNS,
    )
  })
})

describe("what is left when all is joined", () => {
  it("a counter has each request once", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const { states, requests } = play(counter, script)
        const all = states.reduce((joined, state) => joinStates(counter, joined, state))
        const { value, empty } = crdtType("pn-counter")
        expect(value(all.crdt ?? empty)).toBe([...requests].reduce((sum, request) => sum + amountOf(request), 0))
      }),
      RUNS,
    )
  })

  it("siblings show a request once, or not at all where somebody replaced it", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const { states } = play(allSiblings, script)
        const all = states.reduce((joined, state) => joinStates(allSiblings, joined, state))
        const shown = shownVersions(all).map(({ value }) => value)
        expect(new Set(shown).size).toBe(shown.length)
      }),
      RUNS,
    )
  })
})

describe("the list of what was done", () => {
  it("knows a request by its whole name", () => {
    const done = [doneText(["gateway.0", 7], ["r0", 5], 0), doneText(["~a 7 gateway.0", 1], ["r0", 6], 0)]
    expect(isDone(done, ["gateway.0", 7])).toBe(true)
    expect(isDone(done, ["gateway.0", 1])).toBe(false)
    expect(isDone(done.slice(1), ["gateway.0", 7])).toBe(false)
    expect(isDone(done, ["~a 7 gateway.0", 1])).toBe(true)
  })

  it("keeps the latest: eight with a sequence, two dozen with a name", () => {
    const numbered = Array.from({ length: 20 }, (_, index) => doneText(["g", index + 1], ["r0", index + 1], 0))
    const named = Array.from({ length: 40 }, (_, index) => doneText([`~n${index}`, 1], ["r0", index + 100], 0))
    const kept = joinDone(numbered, named) ?? []
    expect(kept.length).toBe(32)
    expect(kept.at(0)).toContain("13 r0")
    expect(kept.at(-1)).toContain("~n39")
  })
})

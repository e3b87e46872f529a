import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { canonicalJson, type Json } from "@backplane/foundation-base/json"
import type { Done, Dot, KeyState } from "@backplane/kv-contract/versions"
import { crdtType } from "./crdt/crdt-types.ts"
import { countedText, doneText, isDone, joinCounted, joinDone, laterDone, mayHaveForgotten, newsIn, standingOf } from "./done.ts"
import { nextTick } from "./hybrid-clock.ts"
import { joinStates, NOTHING_KNOWN, shownVersions, writeDelta, writeVersion } from "./key-state.ts"
import { reconcilerOf, type Reconciler } from "./reconcile/reconciler.ts"
import { allSiblings } from "./reconcile/siblings/all-siblings.ts"
import { highestCount } from "./vector.ts"

const RUNS = { numRuns: Number(process.env["KV_LAW_RUNS"] ?? 300) }
const counter = reconcilerOf({ name: "count", policy: "crdt", crdt: "pn-counter" }, new Map()) as Reconciler
const map = reconcilerOf({ name: "map", policy: "crdt", crdt: "or-map" }, new Map()) as Reconciler
const update = (name: string, type: string, operation: Json): Json => ({ op: "update", name, type, operation })
/** Every third request changes a counter deeper down. */
const inMap = (operation: Json, request: number): Json =>
  request % 3 === 0 ? update("m", "or-map", update("n", "counter", operation)) : update("n", "counter", operation)

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
  const change = { op: amount < 0 ? "decrement" : "increment", by: Math.abs(amount) }
  const operation = reconciler === map ? inMap(change, request) : change
  const { crdt } = reconciler
  const made = crdt?.delta(local.crdt ?? crdt.empty, operation, { writer: dot[0], time: dot[1] })
  if (made !== undefined && "bad" in made) throw new Error(made.bad)
  const next =
    crdt === null || made === undefined
      ? writeVersion(reconciler, local, { dot, value: `v${request}`, seen })
      : writeDelta(crdt.merge, local, { dot, delta: made.delta })
  const done = joinDone(local.done, [doneText(["client.0", request], dot, crdt?.twice?.amount(operation) ?? 0)]) ?? []
  const place = crdt?.twice?.place(operation) ?? null
  const counted = joinCounted(local.counted, place === null ? [] : [countedText(dot, place)], done)
  return { ...next, done, ...(counted === undefined ? {} : { counted }) }
}

const text = (state: KeyState): string =>
  canonicalJson({ ...state, crdt: state.crdt ?? null, done: [...(state.done ?? [])], counted: [...(state.counted ?? [])] })

describe.each([
  ["siblings", allSiblings],
  ["counter", counter],
  ["map", map],
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

function inAll(reconciler: Reconciler, states: readonly KeyState[]): Json {
  const all = states.reduce((joined, state) => joinStates(reconciler, joined, state))
  const { value, empty } = crdtType("or-map")
  return value(all.crdt ?? empty)
}

/** What the map shows where each request counts once. */
function once(requests: ReadonlySet<number>): Json {
  const sum = (some: readonly number[]): number => some.reduce((total, request) => total + amountOf(request), 0)
  const [deep, flat] = [[...requests].filter((each) => each % 3 === 0), [...requests].filter((each) => each % 3 !== 0)]
  return { ...(deep.length > 0 ? { "m:or-map": { "n:counter": sum(deep) } } : {}), ...(flat.length > 0 ? { "n:counter": sum(flat) } : {}) }
}

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

  it("a counter in a map has each request once, wherever in the map it lies", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const { states, requests } = play(map, script)
        expect(inAll(map, states)).toEqual(once(requests))
      }),
      RUNS,
    )
  })

  it("holds for every history of three replicas and four operations, of two requests that may each be done everywhere", () => {
    const choices = [0, 1, 2].flatMap((replica) =>
      [0, 1, 2].flatMap((from) => [2, 3].map((request) => ({ replica, from, request, skew: 0, joins: from !== replica, blind: true }))),
    )
    let histories = 0
    let twice = 0
    for (const first of choices.filter(({ replica, from }) => replica === 0 && from === 0))
      for (const second of choices)
        for (const third of choices)
          for (const fourth of choices) {
            histories++
            const { states, requests } = play(map, [first, second, third, fourth])
            const [a, b, c] = states as [KeyState, KeyState, KeyState]
            const [shown, other, expected] = [inAll(map, [a, b, c]), inAll(map, [c, a, b]), once(requests)].map(canonicalJson)
            if (shown !== expected || other !== expected)
              throw new Error(`${shown}, not ${expected}: ${JSON.stringify([second, third, fourth])}`)
            const bare = [a, b, c].map(({ counted: _counted, ...state }): KeyState => state)
            if (canonicalJson(inAll(map, bare)) !== expected) twice++
          }
    expect(histories).toBe(2 * 18 ** 3)
    // The law sees what it is there for: where nobody tells the place, what was done twice counts twice.
    expect(twice).toBeGreaterThan(histories / 10)
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

describe("a request of siblings that was done twice, and more requests than a key remembers", () => {
  const text = (request: number, dot: Dot): string => doneText(["client.0", request], dot, 0)
  const later = (state: KeyState, count: number): KeyState => {
    let next = state
    for (let index = 0; index < count; index++) {
      const dot: Dot = ["r9", highestCount(next.context) + 1]
      const written = writeVersion(allSiblings, next, { dot, value: null, seen: { r9: dot[1] - 1 } })
      next = { ...written, done: joinDone(next.done, [text(100 + index, dot)], { versions: written.versions }) ?? [] }
    }
    return next
  }
  const one: KeyState = { context: { r1: 10 }, versions: [{ dot: ["r1", 10], value: "x" }], done: [text(1, ["r1", 10])] }
  const other: KeyState = { context: { r2: 20 }, versions: [{ dot: ["r2", 20], value: "x" }], done: [text(1, ["r2", 20])] }

  // Seed 668 of loss, delay, pause, power, flip, slow and backup on bucket plain.
  it("is known for one in the moment in which the earlier of its events is forgotten", () => {
    const replaced = later(writeVersion(allSiblings, other, { dot: ["r3", 30], value: "y", seen: other.context }), 7)
    const known = { ...replaced, done: [text(1, ["r2", 20]), ...(replaced.done ?? [])] }
    expect(known.done.length).toBe(8)
    expect(joinStates(allSiblings, known, one).versions.map(({ value }) => value)).not.toContain("x")
  })

  // Seed 1641 of the same.
  it("ends together however late one of its events is replaced", () => {
    const both = later(joinStates(allSiblings, one, other), 20)
    expect(both.versions.filter(({ value }) => value === "x").length).toBe(2)
    expect(both.done?.length).toBe(8)
    const { versions } = writeVersion(allSiblings, both, { dot: ["r3", 99], value: "y", seen: one.context })
    expect(versions.map(({ value }) => value)).not.toContain("x")
  })

  // Seed 30: a deletion that one had collected was told it again and again, wrote what it knew each time, and answered nothing while it wrote.
  it("is no news to who knows it", () => {
    const tombstone: KeyState = { context: { r1: 10 }, versions: [{ dot: ["r1", 10], value: null }], done: [text(1, ["r1", 10])] }
    const hollow: KeyState = { context: { r1: 10 }, versions: [], done: [text(1, ["r1", 10])] }
    expect(joinStates(allSiblings, hollow, tombstone)).toBe(hollow)
    expect(joinStates(allSiblings, tombstone, structuredClone(tombstone))).toBe(tombstone)
  })

  it("is forgotten as others are once none of its events is shown", () => {
    const both = joinStates(allSiblings, one, other)
    const done = later(
      { ...writeVersion(allSiblings, both, { dot: ["r3", 30], value: "y", seen: both.context }), done: both.done ?? [] },
      20,
    ).done
    expect(done?.some((each) => each.endsWith(" 1 client.0"))).toBe(false)
  })
})

describe("the short way for a request that is later than all", () => {
  const request = fc.record({ sequence: fc.integer({ min: 1, max: 20 }), named: fc.nat(19), writer: fc.nat(1), step: fc.nat(3) })
  const lists = fc.record({ known: fc.array(request, { maxLength: 12 }), last: request, shown: fc.constantFrom(0, 0, 0, -1, 1, 2) })
  type Lists = typeof lists extends fc.Arbitrary<infer Drawn> ? Drawn : never

  function drawn({ known, last, shown }: Lists) {
    let time = 0
    const told = [...known, last].map(({ sequence, named, writer, step }) => {
      time += step
      const dot: Dot = [`r${writer}`, time + 1]
      return { dot, text: doneText(named === 0 ? [`~n${sequence}`, 1] : [`client.${sequence % 2}`, sequence], dot, 0) }
    })
    const versions = shown < 0 ? [] : told.slice(-1 - shown).map(({ dot }) => ({ dot, value: "v" }))
    const texts = told.map((each) => each.text)
    const a = texts.slice(0, -1).reduce<Done | undefined>((all, text) => joinDone(all, [text]), undefined)
    return { a, b: texts.slice(-1), versions: shown > 0 ? versions : versions.slice(-1) }
  }

  it("ends where the long one does", () => {
    let short = 0
    fc.assert(
      fc.property(lists, (script) => {
        const { a, b, versions } = drawn(script)
        const later = laterDone(a, b, versions)
        if (later === null) return
        short++
        expect(later).toEqual(joinDone(a, b, { versions }))
      }),
      { numRuns: Math.max(2000, RUNS.numRuns) },
    )
    expect(short).toBeGreaterThan(200)
  })

  it("is not taken where a request was done twice, where more is shown, or where what is later is in the list", () => {
    const done = (request: number, time: number): string => doneText(["c", request], ["r", time], 0)
    const known = [done(1, 1), done(2, 2)]
    const own = [{ dot: ["r", 3] as Dot, value: "v" }]
    expect(laterDone(known, [done(3, 3)], own)).toEqual([...known, done(3, 3)])
    expect(laterDone(known, [done(1, 3)], own)).toBeNull()
    expect(laterDone(known, [done(3, 3)], [...own, { dot: ["r", 2], value: "w" }])).toBeNull()
    expect(laterDone([...known, done(4, 4)], [done(3, 3)], own)).toBeNull()
    expect(laterDone(known, [done(3, 3)], [{ dot: ["r", 2], value: "w" }])).toBeNull()
    expect(laterDone(known, [done(3, 3)], [{ dot: ["r3", 3], value: "w" }])).toBeNull()
  })

  it("tells what is news in a list", () => {
    const ascending = fc.uniqueArray(fc.nat(14), { maxLength: 8 }).map((times) => times.sort((a, b) => a - b).map((time) => `${time} r`))
    fc.assert(
      fc.property(ascending, ascending, (all, known) => {
        expect(newsIn(all, known)).toEqual(all.filter((text) => !known.includes(text)))
      }),
      { numRuns: 2000 },
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

  it("may have forgotten what is not there where all of its kind came later, but for those that made two events", () => {
    const done = Array.from({ length: 8 }, (_, index) => doneText(["g", index + 1], ["r0", index + 100], 0))
    const forgotten = (list: readonly string[]): boolean => mayHaveForgotten([...list], [doneText(["c", 1], ["r1", 50], 0)], ["r1", 50])
    expect(forgotten(done)).toBe(true)
    expect(forgotten([doneText(["x", 1], ["r0", 40], 0), ...done.slice(1)])).toBe(false)
    expect(forgotten([doneText(["g", 8], ["r2", 40], 0), ...done.slice(1)])).toBe(true)
    expect(forgotten(done.slice(1))).toBe(false)
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

describe("a request under a name that its caller gave", () => {
  const done = [doneText(["~a#one", 1], ["r0", 7], 0), doneText(["client.0", 1], ["r0", 8], 0), doneText(["~old", 1], ["r0", 9], 0)]
  it.each<[string, string, "done" | "new" | "reused"]>([
    ["again", "~a#one", "done"],
    ["with something else", "~a#two", "reused"],
    ["of a gateway that tells no fingerprint", "~a", "done"],
    ["after one of such a gateway", "~old#one", "done"],
    ["for the first time", "~b#one", "new"],
    ["that begins like another's", "~a#one#two", "new"],
  ])("%s", (_what, name, standing) => {
    expect(standingOf(done, [name, 1])).toBe(standing)
    expect(standingOf(undefined, [name, 1])).toBe("new")
  })

  it("is nobody's who gave none, whatever a requester is called", () => {
    expect(standingOf(done, ["client.0", 1])).toBe("done")
    expect(standingOf(done, ["client.0", 2])).toBe("new")
    expect(standingOf(done, ["a#two", 1])).toBe("new")
  })
})

import { describe, expect, it } from "vitest"
import type { HistoryEntry } from "./history.ts"
import { linearizabilityViolation } from "./linearizability.ts"

type Short = Partial<HistoryEntry> & Pick<HistoryEntry, "op" | "start">

const history = (...entries: readonly Short[]): HistoryEntry[] =>
  entries.map((entry) => ({
    client: "c",
    bucket: "b",
    key: "k",
    value: null,
    expect: null,
    saw: [],
    end: entry.start + 1,
    ok: true,
    result: [],
    swapped: null,
    maybeTwice: false,
    ...entry,
  }))

const cas = (start: number, expect: string | null, value: string | null, more: Partial<HistoryEntry> = {}): Short => ({
  op: "cas",
  start,
  expect,
  value,
  swapped: true,
  ...more,
})
const get = (start: number, value: string | null, more: Partial<HistoryEntry> = {}): Short => ({
  op: "get",
  start,
  result: value === null ? [] : [value],
  ...more,
})

describe("the linearizability checker", () => {
  it("finds the order of a sequential history", () => {
    expect(
      linearizabilityViolation(history(get(0, null), cas(2, null, "a"), get(4, "a"), cas(6, "b", "c", { swapped: false }), get(8, "a"))),
    ).toBeNull()
  })

  it("lets operations that overlap happen in either order", () => {
    expect(linearizabilityViolation(history(cas(0, null, "a", { end: 10 }), get(1, null, { end: 2 }), get(3, "a", { end: 4 })))).toBeNull()
  })

  it("refuses a stale read", () => {
    expect(linearizabilityViolation(history(cas(0, null, "a"), cas(2, "a", "b"), get(4, "a")))).toMatch(/b\/k is not linearizable/)
  })

  it("refuses two swaps from one value", () => {
    expect(linearizabilityViolation(history(cas(0, null, "a", { end: 5 }), cas(1, null, "b", { end: 6 })))).not.toBeNull()
  })

  it("refuses a value that is read and then unread", () => {
    expect(linearizabilityViolation(history(cas(0, null, "a", { end: 20 }), get(1, "a"), get(3, null)))).not.toBeNull()
  })

  it("lets an unknown outcome happen late or never, but not twice", () => {
    const unknown = cas(0, null, "a", { ok: null, end: null, swapped: null })
    expect(linearizabilityViolation(history(unknown, get(5, null), get(7, null)))).toBeNull()
    expect(linearizabilityViolation(history(unknown, get(5, null), get(7, "a")))).toBeNull()
    expect(linearizabilityViolation(history(unknown, get(5, "a"), cas(7, "a", null), get(9, "a")))).not.toBeNull()
  })

  it("judges each key by itself, and a refused operation not at all", () => {
    expect(
      linearizabilityViolation(
        history(cas(0, null, "a"), get(2, null, { key: "other" }), cas(4, null, "z", { ok: false, swapped: null }), get(6, "a")),
      ),
    ).toBeNull()
  })
})

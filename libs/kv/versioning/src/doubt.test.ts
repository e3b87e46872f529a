import { describe, expect, it } from "vitest"
import type { KeyState } from "@backplane/kv-contract/versions"
import { doubtfulDots, loneDots, type Witness } from "./doubt.ts"

const EIGHT = Array.from({ length: 8 }, (_, index) => `${5001 + index} b 0 ${index + 1} other`)
const known: KeyState = { context: { b: 5008 }, versions: [{ dot: ["b", 5008], value: "present" }], done: EIGHT }
const told: KeyState = { context: { c: 900 }, versions: [{ dot: ["c", 900], value: "old" }], done: ["900 c 0 7 client"] }
const witness = (state: KeyState, more: Partial<Witness> = {}): Witness => ({ state, unsure: false, weak: false, collected: 0, ...more })

describe("a version in doubt", () => {
  it("is news, and older than all requests that are remembered or than what was collected", () => {
    expect(doubtfulDots(known, told, 0)).toEqual([["c", 900]])
    expect(doubtfulDots({ ...known, done: EIGHT.slice(1) }, told, 0)).toEqual([])
    expect(doubtfulDots({ ...known, done: EIGHT.slice(1) }, told, 900)).toEqual([["c", 900]])
    expect(doubtfulDots({ ...known, context: { b: 5008, c: 900 } }, told, 900)).toEqual([])
    expect(doubtfulDots(known, { ...told, versions: [{ dot: ["c", 6000], value: "new" }] }, 900)).toEqual([])
  })

  // Seed 194: an acknowledged write was refused, and what its request had done elsewhere ended with it.
  it("is not one whose request is remembered, be it collected or not: a request done twice is mended by the join", () => {
    const again: KeyState = { ...known, done: [...EIGHT.slice(1), "9000 b 0 7 client"] }
    expect(doubtfulDots(again, told, 5000)).toEqual([])
    expect(loneDots([witness(again, { collected: 5000 }), witness(told)])).toEqual([])
  })
})

describe("a version that one alone has", () => {
  it.each([
    ["is that, whatever its own holder lost", [witness(known), witness(known), witness(told, { unsure: true })], 1],
    ["is not, where a second one knows of it", [witness(known), witness({ ...known, context: { b: 5008, c: 900 } }), witness(told)], 0],
    ["is not, where another may have lost it", [witness(known), witness(known, { unsure: true }), witness(told)], 0],
    ["is not, where its holder alone had to promise it", [witness(known), witness(known), witness(told, { weak: true })], 0],
    [
      "is that, where others collected what they knew",
      [witness({ ...known, done: [] }), witness({ ...known, done: [] }, { collected: 1000 }), witness(told)],
      1,
    ],
    [
      "is not, where its holder alone collected",
      [witness({ ...known, done: [] }), witness({ ...known, done: [] }), witness(told, { collected: 1000 })],
      0,
    ],
  ])("%s", (_what, witnesses, count) => {
    expect(loneDots(witnesses, [["c", 900]]).length).toBe(count)
  })
})

import fc from "fast-check"
import { expect, it } from "vitest"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import type { KeyState } from "@backplane/kv-contract/versions"
import { hexOf, ZERO_HASH } from "@backplane/kv-replication/hash"
import { KeyTable } from "./key-table.ts"
import { SOUND_RULES } from "./rules.ts"

const BUCKET = "b"
const steps = fc.array(
  fc.record({ what: fc.constantFrom("set", "set", "set", "remove", "ask", "look"), key: fc.nat(5), time: fc.integer({ min: 1, max: 9 }) }),
  { maxLength: 30 },
)

function stateAt(time: number): KeyState {
  // Nothing is left of it at some times: then it counts as absent.
  return { context: { r: time }, versions: time % 4 === 0 ? [] : [{ dot: ["r", time], value: null }] }
}

function hashOf(state: KeyState): string {
  return hexOf(SOUND_RULES.stateHash(state) ?? ZERO_HASH)
}

function treesOf(table: KeyTable): readonly string[] {
  return Array.from({ length: PARTITIONS }, (_, partition) => table.tree(partition).nodes().join())
}

it("the trees are a function of the states, whenever and however often somebody looks (T1)", () => {
  fc.assert(
    fc.property(steps, (script) => {
      const table = new KeyTable(SOUND_RULES)
      const states = new Map<string, KeyState>()
      for (const { what, key, time } of script) {
        const place = { bucket: BUCKET, key: `k${key}` }
        if (what === "set") {
          states.set(place.key, stateAt(time))
          table.set({ ...place, state: stateAt(time) })
        } else if (what === "remove") {
          states.delete(place.key)
          table.remove(place)
        } else if (what === "look") table.tree(table.partitionOf(place)).root()
        else {
          const state = states.get(place.key)
          expect(table.hashOf(place) ?? hexOf(ZERO_HASH)).toBe(state === undefined ? hexOf(ZERO_HASH) : hashOf(state))
        }
      }
      const anew = new KeyTable(SOUND_RULES)
      for (const [key, state] of states) anew.set({ bucket: BUCKET, key, state })
      expect(treesOf(table)).toEqual(treesOf(anew))
    }),
    { numRuns: 1000 },
  )
})

it("follows more keys than may be stale at a time", () => {
  const table = new KeyTable(SOUND_RULES)
  const anew = new KeyTable(SOUND_RULES)
  const keys = Array.from({ length: 10_000 }, (_, index) => `k${index}`)
  for (const time of [1, 2, 3]) for (const key of keys) table.set({ bucket: BUCKET, key, state: stateAt(time) })
  for (const key of keys.toReversed()) anew.set({ bucket: BUCKET, key, state: stateAt(3) })
  expect(treesOf(table)).toEqual(treesOf(anew))
})
